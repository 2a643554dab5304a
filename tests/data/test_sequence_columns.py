"""Whole sequences in columns, apart from each other, for a state that is carried."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato import cells, unroll
from ostinato.data import ColumnSettings, SequenceColumns
from ostinato.errors import ArgumentError


def columns(lengths: list[int], size: int, bptt: int, *, shift: bool = False) -> SequenceColumns:
    """Steps are their own places, plus one."""
    starts = np.cumsum([0, *lengths[:-1]])
    stream = np.arange(1, sum(lengths) + 1, dtype=np.uint16)
    return SequenceColumns(stream, starts, ColumnSettings(size, bptt, shift))


def joined(made: SequenceColumns, epoch: int = 0):
    pieces = list(made.batches(epoch))
    return tuple(
        torch.cat([getattr(piece, name) for piece in pieces])
        for name in ("xs", "targets", "mask", "resets")
    )


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    size=st.integers(1, 4),
    bptt=st.integers(1, 7),
    shift=st.booleans(),
    epoch=st.integers(0, 2),
)
def test_each_step_is_read_once_before_its_target(lengths, size, bptt, shift, epoch) -> None:
    made = columns(lengths, size, bptt, shift=shift)
    assert len(list(made.batches(epoch))) == len(made)
    xs, targets, mask, resets = joined(made, epoch)
    assert xs.dtype == targets.dtype == torch.int64
    assert torch.equal(targets[mask], xs[mask] + 1)
    assert not xs[~mask].any()
    assert not targets[~mask].any()
    ends = np.cumsum(lengths)
    assert sorted(xs[mask].tolist()) == sorted(set(range(1, ends[-1] + 1)) - set(ends.tolist()))
    # a reset at each sequence, which is never cut in two
    assert int(resets.sum()) == len(lengths)
    going_on = mask[1:] & mask[:-1] & ~resets[1:]
    assert (xs[1:] - xs[:-1])[going_on].eq(1).all()
    first = torch.from_numpy(ends - np.array(lengths) + 1)
    begun = xs[mask & resets].tolist()
    assert set(begun) <= set(first.tolist())
    # a longest sequence more than an equal share, at most
    assert made.height < -(-sum(lengths) // size) + max(lengths)


def test_an_example() -> None:
    xs, targets, mask, resets = joined(columns([3, 2, 4], 2, 3))
    assert xs.T.tolist() == [[1, 2, 0, 4, 0], [6, 7, 8, 0, 0]]
    assert targets.T.tolist() == [[2, 3, 0, 5, 0], [7, 8, 9, 0, 0]]
    assert torch.equal(mask, xs > 0)
    assert resets.T.int().tolist() == [[1, 0, 0, 1, 0], [1, 0, 0, 0, 0]]


def test_with_a_shift_epochs_differ_and_have_one_length() -> None:
    made = columns([2, 3, 4, 5, 6, 7], 2, 4, shift=True)
    orders = {tuple(joined(made, epoch)[0].flatten().tolist()) for epoch in range(6)}
    assert len(orders) > 2
    assert torch.equal(joined(made, 3)[0], joined(made, 3)[0])


def test_a_later_start() -> None:
    made = columns([5, 4, 6, 3], 2, 2, shift=True)
    whole, rest = list(made.batches(1)), list(made.batches(1, start=2))
    assert all(torch.equal(a.xs, b.xs) for a, b in zip(whole[2:], rest, strict=True))


def test_sequences_of_vectors() -> None:
    stream = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    (piece,) = SequenceColumns(stream, np.array([0, 4]), ColumnSettings(1, 9, False)).batches(0)
    assert piece.xs.shape == (7, 1, 2)
    assert piece.xs.dtype == torch.float32
    assert torch.equal(piece.xs[:3, 0], torch.from_numpy(stream[:3]))
    assert not piece.xs[3].any()
    assert piece.to("meta").mask.device.type == "meta"


def test_unrolled_in_pieces_each_sequence_is_as_if_alone() -> None:
    stream = torch.randn(12, 3)
    starts = np.array([0, 5, 6, 9])
    cell, state = cells.LSTM(3, 4), None
    found = {}
    with torch.no_grad():
        for piece in SequenceColumns(stream.numpy(), starts, ColumnSettings(2, 2, False)).batches(
            0
        ):
            ys, state = unroll(cell, piece.xs, state, mask=piece.mask, resets=piece.resets)
            for x, y in zip(piece.xs[piece.mask], ys[piece.mask], strict=True):
                found[tuple(x.tolist())] = y
        for start, stop in zip(starts, [*starts[1:], 12], strict=True):
            alone, _ = unroll(cell, stream[start : stop - 1, None])
            for x, y in zip(stream[start : stop - 1], alone[:, 0], strict=True):
                torch.testing.assert_close(found.pop(tuple(x.tolist())), y)
    assert not found


@pytest.mark.parametrize("starts", [[], [1, 2], [0, 2, 2], [0, 9]])
def test_wrong_starts(starts: list[int]) -> None:
    with pytest.raises(ArgumentError, match="starts: wanted rising places in the stream's 9 steps"):
        SequenceColumns(np.arange(9), np.array(starts))
