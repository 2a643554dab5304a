"""What a model reads of a series, and what its words mean."""

import numpy as np
import pytest
from short_series import noise

from ostinato.data import SeriesData, SeriesSettings
from ostinato.data.scaling import difference
from ostinato.series import History


@pytest.mark.parametrize("lag", [0, 1, 12])
def test_it_reads_what_the_windows_of_training_have(lag: int) -> None:
    series = noise()
    data = SeriesData(series, SeriesSettings(held_out=0.3, difference=lag))
    history = History.fitted(series, data.border, lag)
    np.testing.assert_array_equal(history.scale.mean, data.scale.mean)
    window = data.window(0, len(series) - 1)
    np.testing.assert_array_equal(history.steps[:-1, :2], window.xs[:, 0])
    np.testing.assert_array_equal(history.steps[:-1, 2:], window.seen[:, 0])


@pytest.mark.parametrize("lag", [0, 1, 12])
def test_the_true_changes_lead_to_the_true_values(lag: int) -> None:
    series = noise(gaps=False)
    history = History.fitted(series, 80, lag)
    scaled = history.scale.apply(difference(series.values, lag))
    origins = np.array([70, 71, 95])
    said = np.stack([scaled[origin : origin + 20] for origin in origins], axis=1)
    np.testing.assert_allclose(history.values_after(said, origins), history.truth(origins, 20))


@pytest.mark.parametrize("lag", [0, 1, 12])
def test_many_places_are_as_one_by_one(lag: int) -> None:
    series = noise()
    data = SeriesData(series, SeriesSettings(difference=lag))
    history = History(series, data.scale, lag)
    said = np.random.default_rng(1).normal(size=(15, 3, 2))
    origins = np.array([60, 61, 100])
    together = history.values_after(said, origins)
    for number, origin in enumerate(origins):
        alone = data.values_after(said[:, number], int(origin))
        np.testing.assert_allclose(together[:, number], alone)


def test_truth_ends_with_the_series() -> None:
    history = History.fitted(noise(gaps=False), 80, 0)
    truth = history.truth(np.array([110, 118]), 5)
    np.testing.assert_array_equal(truth[:, 0], history.series.values[110:115])
    assert np.isnan(truth[2:, 1]).all()
    assert np.isfinite(truth[:2, 1]).all()
