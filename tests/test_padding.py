"""Masks, and moving the steps of each row."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato import _padding


def test_mask_from_lengths() -> None:
    got = _padding.mask_from_lengths(torch.tensor([0, 2, 3]), 3)
    assert got.tolist() == [[False, True, True], [False, True, True], [False, False, True]]
    assert _padding.mask_from_lengths(torch.zeros(0, dtype=torch.long), 3).shape == (3, 0)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    bits=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1), back=st.booleans()
)
def test_running_order_puts_the_steps_of_a_row_first(bits: list[list[bool]], back: bool) -> None:
    mask = torch.tensor(bits)
    order = _padding.running_order(mask, back)
    for b in range(3):
        there = [t for t in range(len(bits)) if bits[t][b]][:: -1 if back else 1]
        assert order[: len(there), b].tolist() == there
        assert sorted(order[:, b].tolist()) == list(range(len(bits)))
    xs = torch.randn(len(bits), 3, 2)
    moved = _padding.take_steps(xs, order)
    assert torch.equal(_padding.take_steps(moved, order.argsort(dim=0)), xs)
    assert torch.equal(moved[0, 1], xs[order[0, 1], 1])


def test_zero_masked_drops_what_stood_there() -> None:
    xs = torch.tensor([[[1.0, float("nan")]], [[float("inf"), 2.0]]])
    mask = torch.tensor([[False], [True]])
    got = _padding.zero_masked(xs, mask)
    assert got.tolist() == [[[0.0, 0.0]], [[float("inf"), 2.0]]]
    index = torch.tensor([[3], [4]])
    assert _padding.zero_masked(index, mask).tolist() == [[0], [4]]
