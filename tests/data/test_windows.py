"""A series to learn from: nothing leaks from the future, and the state can be carried."""

import numpy as np
import pytest
import torch

from ostinato.data import Series, SeriesData, SeriesSettings, WindowSettings
from ostinato.errors import ArgumentError


def series(count: int = 100, columns: int = 2, *, gaps: bool = True, seed: int = 0) -> Series:
    random = np.random.default_rng(seed)
    values = random.normal(5, 3, (count, columns)).cumsum(axis=0)
    if gaps:
        values[random.random(values.shape) < 0.1] = np.nan
    return Series(values, tuple(f"c{number}" for number in range(columns)), np.arange(count))


@pytest.mark.parametrize("lag", [0, 1, 12])
def test_nothing_leaks_from_the_future(lag: int) -> None:
    """With other held-out values, all that is learned from is the same to the last bit."""
    whole, settings = series(), SeriesSettings(difference=lag)
    border = SeriesData(whole, settings).border
    changed = whole.values.copy()
    changed[border:] = 1e6
    one = SeriesData(whole, settings, seed=1)
    two = SeriesData(Series(changed, whole.columns, whole.times), settings, seed=1)
    assert one.border == 80
    np.testing.assert_array_equal(one.scale.mean, two.scale.mean)
    np.testing.assert_array_equal(one.scale.deviation, two.scale.deviation)
    for epoch in range(3):
        for a, b in zip(one.batches(epoch), two.batches(epoch), strict=True):
            assert torch.equal(a.xs, b.xs)
            assert torch.equal(a.targets, b.targets)
    # and the scale is that of the training part, not of all
    learned = one.scale.apply(one.changes[:border])
    np.testing.assert_allclose(np.nanmean(learned, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.nanstd(learned, axis=0), 1)
    assert not np.allclose(np.nanmean(one.scale.apply(one.changes), axis=0), 0, atol=1e-3)


def test_windows_go_on_and_targets_are_the_next_steps() -> None:
    windows = WindowSettings(batch_size=2, bptt=7, shift=False)
    data = SeriesData(series(), None, windows)
    batches = list(data.batches(0))
    assert len(batches) == len(data) == 5
    xs = torch.cat([window.xs for window in batches])
    targets = torch.cat([window.targets for window in batches])
    assert xs.shape == (35, 2, 2)
    assert torch.equal(xs[1:], targets[:-1])
    wanted = np.nan_to_num(data.scale.apply(data.changes)).astype(np.float32)
    np.testing.assert_array_equal(xs[:, 0], wanted[:35])
    np.testing.assert_array_equal(xs[:, 1], wanted[39:74])
    seen = torch.cat([window.seen for window in batches])
    np.testing.assert_array_equal(seen[:, 1], data.series.seen[39:74])
    assert not xs[~seen].any()
    assert torch.equal(seen[1:], torch.cat([window.wanted for window in batches])[:-1])


def test_a_later_start_gives_the_rest_of_the_same_epoch() -> None:
    data = SeriesData(series(), None, WindowSettings(batch_size=2, bptt=7))
    whole, rest = list(data.batches(3)), list(data.batches(3, start=2))
    assert all(torch.equal(a.xs, b.xs) for a, b in zip(whole[2:], rest, strict=True))


@pytest.mark.parametrize("lag", [0, 1, 12])
def test_perfect_predictions_become_the_values(lag: int) -> None:
    data = SeriesData(series(gaps=False), SeriesSettings(difference=lag))
    window = data.window(0, len(data.series) - 1)
    assert window.xs.shape == (99, 1, 2)
    held_out = window.targets[data.border - 1 :, 0].double().numpy()
    np.testing.assert_allclose(
        data.values_at(held_out, data.border), data.series.values[data.border :], rtol=1e-5
    )
    free = window.targets[data.border - 1 :, 0].double().numpy()
    np.testing.assert_allclose(
        data.values_after(free, data.border), data.series.values[data.border :], rtol=1e-5
    )
    paths = data.values_at(held_out[:, None].repeat(3, axis=1), data.border)
    np.testing.assert_allclose(paths[:, 2], data.series.values[data.border :], rtol=1e-5)


def test_a_free_forecast_uses_nothing_after_its_start() -> None:
    whole, said = series(), np.zeros((10, 2))
    changed = whole.values.copy()
    changed[85:] = np.nan
    settings = SeriesSettings(difference=12)
    one = SeriesData(whole, settings).values_after(said, 85)
    other = SeriesData(Series(changed, whole.columns, whole.times), settings)
    np.testing.assert_array_equal(one, other.values_after(said, 85))
    assert np.isfinite(one).all()


def test_summary() -> None:
    data = SeriesData(series(gaps=False))
    assert data.summary() == "100 steps of 1 from 0 to 99, c0, c1; held out from 80 on"
    assert data.window(3, 5).to("meta").wanted.device.type == "meta"


def test_what_is_refused() -> None:
    with pytest.raises(ArgumentError, match="difference: wanted fewer steps than the 80"):
        SeriesData(series(), SeriesSettings(difference=80))
    with pytest.raises(ArgumentError, match="batch_size: wanted at least"):
        SeriesData(series(), None, WindowSettings(batch_size=50))
    empty = series(gaps=False)
    empty.values[:80, 1] = np.nan
    with pytest.raises(ArgumentError, match="column c1: wanted values in the training part"):
        SeriesData(empty)
