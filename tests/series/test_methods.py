"""Forecasts from many places: equal to those from each place alone, and blind to the future."""

import numpy as np
import pytest
import torch
from short_series import months, noise

from ostinato.data import Series
from ostinato.data.problems import cosine
from ostinato.series import (
    Forecaster,
    History,
    Method,
    SeriesModelSettings,
    baselines,
    linear,
    naive,
    running_free,
    seasonal_naive,
)
from ostinato.series import methods as methods_module
from ostinato.series.methods import _fit, num_lags

BORDER = 80


def model(columns: int = 2, **settings: object) -> Forecaster:
    torch.manual_seed(0)
    return Forecaster(columns, SeriesModelSettings(size=4, **settings))  # pyright: ignore


def methods(history: History) -> dict[str, Method]:
    return {"ours": running_free(model())} | baselines(history, BORDER, 12)


def test_naive_and_seasonal_naive() -> None:
    values = np.array([1.0, 2, 3, 4, np.nan, 6])[:, None]
    history = History.fitted(Series(values, ("a",), np.arange(6)), 4, 0)
    origins = np.array([2, 5])
    np.testing.assert_array_equal(naive(history, origins, 3)[..., 0], [[2, 4]] * 3)
    said = seasonal_naive(3)(history, origins, 4)[..., 0]
    # step 4 is missing: the value a season before it stands for it
    np.testing.assert_array_equal(said[:, 1], [3, 4, 2, 3])
    assert np.isnan(said[0, 0])  # step -1
    np.testing.assert_array_equal(said[1:3, 0], [1, 2])


@pytest.mark.parametrize("lag", [0, 1, 12])
def test_no_method_sees_the_future(lag: int) -> None:
    """With other values from the origin on, every forecast is the same to the last bit."""
    series = noise()
    changed = series.values.copy()
    changed[100:] = 1e3
    other = Series(changed, series.columns, series.times)
    one, two = (History.fitted(each, BORDER, lag) for each in (series, other))
    for (name, a), b in zip(methods(one).items(), methods(two).values(), strict=True):
        origins = np.array([90, 100])
        np.testing.assert_array_equal(a(one, origins, 10), b(two, origins, 10), err_msg=name)
        beyond = np.array([112, 113])
        assert not np.array_equal(a(one, beyond, 10), b(two, beyond, 10), equal_nan=True)


@pytest.mark.parametrize("name", ["ours", "naive", "seasonal-naive", "linear"])
def test_many_places_are_as_one_by_one(name: str) -> None:
    history = History.fitted(noise(), BORDER, 1)
    method, origins = methods(history)[name], np.array([30, 31, 90, 120])
    together = method(history, origins, 7)
    assert together.shape == (7, 4, 2)
    for number, origin in enumerate(origins):
        alone = method(history, np.array([origin]), 7)
        np.testing.assert_allclose(together[:, number], alone[:, 0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"cell": "lstm", "layers": 2, "skip": False}])
def test_a_model_runs_free_on_its_own_words(settings) -> None:
    history, made = History.fitted(noise(), BORDER, 0), model(**settings)
    with torch.no_grad():
        state = made.initial_state(1)
        for x in history.steps[:90]:
            y, state = made(x[None], state)
        said = [y]
        for _ in range(4):
            y, state = made(torch.cat([y, torch.ones(1, 2)], dim=-1), state)
            said.append(y)
    wanted = history.scale.undo(torch.cat(said).numpy())
    found = running_free(made)(history, np.array([90]), 5)[:, 0]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_running_free_leaves_the_model_and_the_random_state_as_they_were() -> None:
    made, history = model(dropout=0.5).train(), History.fitted(noise(), BORDER, 0)
    before = torch.random.get_rng_state()
    first = running_free(made)(history, np.array([90]), 5)
    np.testing.assert_array_equal(first, running_free(made)(history, np.array([90]), 5))
    assert made.training
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_linear_forecast_solves_what_is_linear() -> None:
    """A cosine is a linear recurrence of order 2."""
    history = History.fitted(cosine(), 1400, 0)
    origins = np.array([1500, 1700])
    said = linear(history, 1400, 20)(history, origins, 100)
    np.testing.assert_allclose(said, history.truth(origins, 100), atol=0.05)
    year = History.fitted(months(), BORDER, 12)
    said = linear(year, BORDER, 12)(year, np.array([96]), 24)
    np.testing.assert_allclose(said, year.truth(np.array([96]), 24), atol=0.6)


def fitted_apart(steps: torch.Tensor, lags: int) -> np.ndarray:
    """Ridge regression, a column at a time, on the rows where that column is there."""
    values, seen = (part.numpy() for part in steps.double().chunk(2, dim=-1))
    rows = np.stack([values[t : t + lags].ravel() for t in range(len(values) - lags)])
    found = []
    for column in range(values.shape[1]):
        there = seen[lags:, column] > 0
        inputs = np.hstack([rows[there], np.ones((there.sum(), 1))])
        penalty = np.eye(inputs.shape[1])
        penalty[-1, -1] = 0  # the constant is free
        targets = values[lags:][there, column]
        found.append(np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ targets))
    return np.stack(found, axis=1)


@pytest.mark.parametrize(("gaps", "count"), [(False, 120), (True, 120), (True, 300), (False, 20)])
def test_one_solve_for_all_columns_is_the_solve_of_each(gaps: bool, count: int) -> None:
    """Also with fewer rows than weights, whose smaller matrix is then solved."""
    steps = History.fitted(noise(count, 3, gaps=gaps), count, 1).steps
    found = _fit(steps.double(), 8).numpy()
    tolerance = 1e-4 if gaps else 1e-9
    np.testing.assert_allclose(found, fitted_apart(steps, 8), rtol=0, atol=tolerance)


@pytest.mark.parametrize("columns", [1, 60, 300, 1000, 3000])
def test_the_linear_forecast_of_wide_tables_stays_small(columns: int) -> None:
    lags = num_lags(24, 10_000, columns)
    assert 1 <= lags <= 49
    width = lags * columns
    assert width <= max(1000, columns)
    rows = methods_module._num_rows(width)
    assert rows * width * min(rows, width) <= 5e9
    assert rows >= 1000
    rounds = methods_module._num_rounds((rows, width), columns)
    assert rounds == 2 or 2 * rounds * rows * width * columns <= 4e9
    assert num_lags(12, 10_000, 1) == num_lags(12, 10_000) == 25


def test_a_wide_table_is_forecast() -> None:
    history = History.fitted(noise(60, 400), 45, 1)
    said = linear(history, 45, num_lags(12, 45, 400))(history, np.array([45, 50]), 5)
    assert said.shape == (5, 2, 400)
    assert np.isfinite(said).all()
