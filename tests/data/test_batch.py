"""A batch: its mask, its rows, and padding at the other end."""

import pytest
import torch

from ostinato import cells, unroll
from ostinato.data import Batch


def batch() -> Batch:
    xs = torch.tensor([[1, 4, 7], [2, 5, 0], [3, 0, 0]])
    return Batch(xs, torch.tensor([0, 1, 2]), torch.tensor([3, 2, 1]))


def test_the_mask_is_that_of_the_lengths() -> None:
    assert batch().mask.int().tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
    assert Batch(torch.zeros(2, 3), torch.zeros(3)).mask.all()
    assert len(batch()) == 3


def test_left_padding() -> None:
    xs, mask = batch().left_padded()
    assert xs.tolist() == [[1, 0, 0], [2, 4, 0], [3, 5, 7]]
    assert torch.equal(mask, xs > 0)


def test_left_padding_of_vectors_and_of_equal_lengths() -> None:
    made = Batch(torch.randn(4, 2, 3), torch.zeros(2))
    xs, mask = made.left_padded()
    assert xs is made.xs
    assert mask.all()
    cut = Batch(
        made.xs * torch.tensor([1, 1, 0, 0])[:, None, None], made.targets, torch.full((2,), 2)
    )
    assert torch.equal(cut.left_padded()[0][2:], made.xs[:2])


def test_a_row_without_steps() -> None:
    xs, mask = Batch(torch.zeros(2, 1), torch.zeros(1), torch.tensor([0])).left_padded()
    assert xs.shape == (2, 1)
    assert not mask.any()
    assert Batch(torch.zeros(0, 1), torch.zeros(1), torch.tensor([0])).left_padded()[0].shape == (
        0,
        1,
    )


def test_both_paddings_leave_the_same_state() -> None:
    cell = cells.GRU(3, 5)
    lengths = torch.tensor([4, 0, 2])
    made = Batch(torch.randn(4, 3, 3), torch.zeros(3), lengths)
    xs, mask = made.left_padded()
    _, right = unroll(cell, made.xs, lengths=lengths)
    ys, left = unroll(cell, xs, mask=mask)
    torch.testing.assert_close(left, right)
    torch.testing.assert_close(ys[-1, lengths > 0], right[lengths > 0])


@pytest.mark.parametrize("lengths", [None, torch.tensor([1, 2])])
def test_to_a_device(lengths) -> None:
    moved = Batch(torch.zeros(2, 2), torch.zeros(2, 2), lengths, per_step=True).to("meta")
    assert moved.per_step
    assert moved.xs.device.type == moved.targets.device.type == "meta"
    assert moved.lengths is None or moved.lengths.device.type == "meta"
