"""Errors, scores and intervals."""

import math

import numpy as np
import pytest
from short_series import noise

from ostinato.data import Series
from ostinato.series import Backtest, History, backtest, naive, seasonal_error, widths


def test_scores_are_their_formulas() -> None:
    errors = np.array([[[1.0, 10], [-3, np.nan]], [[2, -20], [4, 30]]])  # [K 2, O 2, C 2]
    found = Backtest({"ours": errors}, np.array([2.0, 10]))
    whole = found.score("ours")
    assert whole.mae == pytest.approx((1 + 3 + 2 + 4 + 10 + 20 + 30) / 7)
    assert whole.rmse == pytest.approx(math.sqrt((1 + 9 + 4 + 16 + 100 + 400 + 900) / 7))
    assert whole.mase == pytest.approx((10 / 4 / 2 + 20 / 10) / 2)
    assert found.score("ours", slice(0, 1)).mae == pytest.approx(14 / 3)
    assert found.coverage("ours", np.array([[1.0, 10], [3, 25]])) == pytest.approx(4 / 7)


def test_a_backtest_enters_at_every_step_and_ends_where_it_should() -> None:
    series = noise(gaps=False)
    history = History.fitted(series, 80, 0)
    found = backtest(history, {"naive": naive}, first=90, last=100, horizon=4, unit=np.ones(2))
    errors = found.errors["naive"]
    assert errors.shape == (4, 10, 2)
    np.testing.assert_allclose(errors[0], series.values[89:99] - series.values[90:100])
    np.testing.assert_allclose(errors[3, 2], series.values[91] - series.values[95])
    assert np.isnan(errors[3, 7:]).all()  # steps 100 and on
    assert np.isfinite(errors[3, :7]).all()
    few = backtest(
        history, {"naive": naive}, first=90, last=100, horizon=4, unit=np.ones(2), most=3
    )
    np.testing.assert_array_equal(few.errors["naive"][0], errors[0, [0, 4, 9]])


def test_all_methods_are_judged_at_the_same_places() -> None:
    def silent(history: History, origins: np.ndarray, horizon: int) -> np.ndarray:
        said = naive(history, origins, horizon)
        said[:, origins < 95] = np.nan
        return said

    history = History.fitted(noise(), 80, 0)
    found = backtest(
        history, {"a": naive, "b": silent}, first=90, last=110, horizon=4, unit=np.ones(2)
    )
    np.testing.assert_array_equal(found.errors["a"], found.errors["b"])
    assert np.isnan(found.errors["a"][:, :5]).all()


def test_widths_are_the_rank_of_split_conformal_prediction() -> None:
    errors = np.arange(1.0, 20)[None, :, None] * np.array([1, -2])  # 19 errors of two columns
    np.testing.assert_array_equal(widths(errors, 0.9), [[18, 36]])
    np.testing.assert_array_equal(widths(errors, 0.5), [[10, 20]])
    assert np.isnan(widths(errors, 0.96)).all()  # 20 * 0.96 is more than 19
    nine = errors[:, :9]
    np.testing.assert_array_equal(widths(nine, 0.9), [[9, 18]])
    later = np.concatenate([errors, errors / 2])
    np.testing.assert_array_equal(widths(later, 0.9)[1], [18, 36])  # never narrower
    later[1, :15] = np.nan
    assert np.isnan(widths(later, 0.9)[1]).all()  # four are too few


def test_intervals_hold_what_they_promise_where_errors_stay_alike() -> None:
    random = np.random.default_rng(0)
    held = []
    for _ in range(300):
        errors = random.normal(size=(1, 40, 1))
        held.append(np.abs(random.normal(size=50)) <= widths(errors, 0.8)[0, 0])
    assert np.mean(held) == pytest.approx(0.8, abs=0.02)


def test_the_unit_of_mase_is_of_the_training_part() -> None:
    series = noise(columns=1, gaps=False)
    wanted = np.abs(series.values[12:80] - series.values[:68]).mean()
    assert seasonal_error(series, 80, 12)[0] == pytest.approx(wanted)
    flat = Series(np.ones((20, 1)), ("a",), np.arange(20))
    assert seasonal_error(flat, 10, 1).tolist() == [1]
