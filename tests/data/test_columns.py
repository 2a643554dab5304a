"""Columns: contiguous, shifted by one, and taken up at any batch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.data import Columns, ColumnSettings
from ostinato.errors import ArgumentError


def columns(length: int, size: int, bptt: int, *, shift: bool = False, seed: int = 0) -> Columns:
    settings = ColumnSettings(batch_size=size, bptt=bptt, shift=shift)
    return Columns(np.arange(length, dtype=np.uint16), settings, seed=seed)


@given(
    length=st.integers(20, 400),
    size=st.integers(1, 5),
    bptt=st.integers(1, 9),
    shift=st.booleans(),
    epoch=st.integers(0, 3),
)
def test_each_column_goes_on_and_targets_are_the_next_tokens(length, size, bptt, shift, epoch):
    if length < bptt + size:
        return
    made = columns(length, size, bptt, shift=shift)
    batches = list(made.batches(epoch))
    assert len(batches) == len(made) >= 1
    inputs = torch.cat([inputs for inputs, _ in batches])
    targets = torch.cat([targets for _, targets in batches])
    assert inputs.dtype == torch.int64
    # Tokens are their own places, so a column that goes on rises by one at each step.
    assert (inputs.diff(dim=0) == 1).all()
    assert (targets == inputs + 1).all()
    assert targets.max() < length
    assert all(batch.shape == (made.steps, size) for batch, _ in batches)


def test_little_is_left_out() -> None:
    made = columns(1001, 4, 10)
    seen = torch.cat([inputs for inputs, _ in made.batches(0)]).unique()
    assert len(seen) == 1000


def test_a_later_start_gives_the_rest_of_the_same_epoch() -> None:
    made = columns(500, 3, 7, shift=True)
    whole, rest = list(made.batches(5)), list(made.batches(5, start=4))
    assert len(rest) == len(whole) - 4
    for (a, b), (c, d) in zip(whole[4:], rest, strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, d)


def test_epochs_start_at_other_places_by_the_seed() -> None:
    def starts(seed: int) -> list[int]:
        made = columns(500, 3, 50, shift=True, seed=seed)
        return [int(next(made.batches(epoch))[0][0, 0]) for epoch in range(10)]

    assert len(set(starts(0))) > 3
    assert starts(0) == starts(0)
    assert starts(0) != starts(1)


def test_without_a_shift_all_epochs_are_alike() -> None:
    made = columns(500, 3, 50)
    assert {int(next(made.batches(epoch))[0][0, 0]) for epoch in range(10)} == {0}


def test_a_text_shorter_than_a_piece_is_one_batch() -> None:
    made = columns(9, 2, 100)
    ((inputs, _),) = made.batches(0)
    assert inputs.tolist() == [[0, 4], [1, 5], [2, 6], [3, 7]]


def test_a_text_that_is_too_short_is_refused() -> None:
    with pytest.raises(
        ArgumentError, match="batch_size: wanted at least 9 steps of data for 8 columns, got 5"
    ):
        columns(5, 8, 10)


def test_targets_without_a_distance_are_the_inputs() -> None:
    """For a bidirectional language model, whose output at t never sees x_t."""
    made = Columns(np.arange(20), ColumnSettings(batch_size=2, bptt=10, shift=False), ahead=0)
    ((inputs, targets),) = made.batches(0)
    assert torch.equal(inputs, targets)
    assert inputs.T.tolist() == [list(range(10)), list(range(10, 20))]


def test_targets_may_be_further_ahead() -> None:
    settings = ColumnSettings(batch_size=3, bptt=4, shift=True)
    for inputs, targets in Columns(np.arange(50), settings, ahead=5).batches(1):
        assert torch.equal(targets, inputs + 5)


def test_a_stream_of_vectors() -> None:
    stream = np.arange(60, dtype=np.float32).reshape(20, 3)
    settings = ColumnSettings(batch_size=2, bptt=5, shift=False)
    batches = list(Columns(stream, settings).batches(0))
    inputs = torch.cat([inputs for inputs, _ in batches])
    assert inputs.shape == (5, 2, 3)
    assert inputs.dtype == torch.float32
    assert torch.equal(inputs[:, 1], torch.from_numpy(stream[9:14]))
    assert all(torch.equal(targets, inputs + 3) for inputs, targets in batches)
