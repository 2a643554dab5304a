"""Scales and differences: there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.data import Scale
from ostinato.data.scaling import difference, fill_forward, follow
from ostinato.errors import ArgumentError

NAN = float("nan")


def test_a_scale_there_and_back() -> None:
    values = np.array([[1.0, 5, 7], [NAN, 5, 8], [3, 5, 9]])
    scale = Scale.fit(values)
    scaled = scale.apply(values)
    np.testing.assert_allclose(np.nanmean(scaled, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(scaled, axis=0), [1, 0, 1])  # the constant one is kept
    np.testing.assert_allclose(scale.undo(scaled), values)
    again = Scale.from_dict(scale.as_dict())
    np.testing.assert_array_equal(again.apply(values), scaled)


def test_nearly_constant_by_rounding_is_constant() -> None:
    assert Scale.fit(np.full((10, 1), 0.1)).deviation.tolist() == [1]


def test_a_column_without_values() -> None:
    with pytest.raises(ArgumentError, match="column b: wanted values in the training part"):
        Scale.fit(np.array([[1.0, NAN], [2, NAN]]), ["a", "b"])


def test_filling_forward_by_lags() -> None:
    values = np.array([[1.0], [2], [NAN], [NAN], [NAN], [6], [7]])
    assert fill_forward(values)[:, 0].tolist() == [1, 2, 2, 2, 2, 6, 7]
    assert fill_forward(values, 2)[:, 0].tolist() == [1, 2, 1, 2, 1, 6, 7]
    late = fill_forward(np.array([[NAN], [1], [NAN]]))[:, 0]
    assert np.isnan(late[0])
    assert late[1:].tolist() == [1, 1]


def by_a_loop(values: np.ndarray, lag: int) -> np.ndarray:
    filled = values.copy()
    for step in range(lag, len(values)):
        missing = np.isnan(filled[step])
        filled[step, missing] = filled[step - lag, missing]
    changes = np.full(values.shape, NAN)
    for step in range(lag, len(values)):
        changes[step] = values[step] - filled[step - lag]
    return changes


@given(
    count=st.integers(1, 20),
    lag=st.integers(1, 5),
    seed=st.integers(0, 999),
)
def test_differences_equal_the_loop(count: int, lag: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = np.where(random.random((count, 2)) < 0.3, NAN, random.normal(size=(count, 2)))
    np.testing.assert_array_equal(difference(values, lag), by_a_loop(values, lag))


@given(lag=st.integers(0, 5), ahead=st.integers(0, 9), seed=st.integers(0, 999))
def test_following_the_changes_gives_the_values(lag: int, ahead: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    known = random.normal(size=(7, 2))
    known[5:] = NAN  # the value a lag before is known, or one some lags before
    after = random.normal(size=(ahead, 2))
    changes = difference(np.concatenate([known, after]), lag)[7:]
    np.testing.assert_allclose(follow(changes, known, lag), after)


def test_many_paths_at_once() -> None:
    known, changes = np.array([[1.0], [2.0]]), np.ones((3, 4, 1))
    assert follow(changes, known, 2)[..., 0].tolist() == [[2.0] * 4, [3.0] * 4, [3.0] * 4]
