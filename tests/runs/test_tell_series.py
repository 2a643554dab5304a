"""What is told of a back-test: who was better, and what the intervals held."""

import numpy as np
import pytest

from ostinato.data import Series
from ostinato.runs.series import tell
from ostinato.series import Backtest, Evaluation

SERIES = Series(np.zeros((20, 1)), ("a",), np.arange(20).astype("datetime64[D]"))


def told(ours: float, width: float, **others: float) -> str:
    """The last words of an evaluation whose errors are all the same."""
    errors = {name: np.full((2, 10, 1), error) for name, error in {"ours": ours, **others}.items()}
    tested = Backtest(errors, np.array([2.0]))
    found = Evaluation(tested, np.full((2, 1), width), wanted=0.9, season=1)
    return str(tell(found, SERIES, 10).parts[-1])


def test_a_model_that_is_best_is_not_commented_on() -> None:
    assert "better" not in told(1.0, 2.0, naive=1.5, linear=1.0)


def test_baselines_that_were_better_are_named_the_best_first() -> None:
    words = "better than the model (1) by MASE: linear (0.25), naive (0.5)"
    assert words in told(2.0, 2.0, naive=1.0, linear=-0.5, worse=3.0)


def test_a_model_whose_forecasts_are_no_numbers_is_worse_than_any() -> None:
    assert "better than the model (nan) by MASE: naive (0.5)" in told(
        float("nan"), 2.0, naive=1.0, linear=float("nan")
    )


def test_intervals_that_hold_less_or_more_than_they_were_made_for_are_remarked_on() -> None:
    said = told(1.0, 0.5, naive=2.0)
    assert "intervals made for 90% held 0.0% of the true values: errors were larger than" in said
    assert "the intervals too narrow" in said
    assert "held 100.0% of the true values: errors were smaller than before" in told(1.0, 2.0)


@pytest.mark.parametrize(("held", "remark"), [(18, False), (19, False), (16, True)])
def test_near_enough_is_no_remark(held: int, remark: bool) -> None:
    errors = np.ones((2, 10, 1))
    errors.reshape(-1)[:held] = 0.1
    tested = Backtest({"ours": errors}, np.array([1.0]))
    found = Evaluation(tested, np.full((2, 1), 0.5), wanted=0.9, season=1)
    assert ("too narrow" in str(tell(found, SERIES, 10).parts[-1])) is remark
