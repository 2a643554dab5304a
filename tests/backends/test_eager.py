"""The definition."""

import torch

from catalogue import DictCell, MinimalGated
from ostinato import unroll
from ostinato.backends.eager import select, steps


def test_steps_of_a_tree() -> None:
    xs = {"a": torch.arange(6).reshape(3, 2), "b": (torch.zeros(3, 2, 4),)}
    made = steps(xs)
    assert [step["a"].tolist() for step in made] == [[0, 1], [2, 3], [4, 5]]
    assert made[1]["b"][0].shape == (2, 4)
    assert len(steps(torch.zeros(5, 2))) == 5


def test_select_takes_rows_and_leaves_what_all_rows_share() -> None:
    rows = torch.tensor([True, False, True])
    yes = (torch.ones(3, 2, 2), torch.ones(1, 5), torch.tensor([True] * 3))
    no = (torch.zeros(3, 2, 2), torch.zeros(1, 5), torch.tensor([False] * 3))
    a, b, c = select(rows, yes, no)
    assert a[:, 0, 0].tolist() == [1, 0, 1]
    assert b is no[1]
    assert torch.equal(c, rows)
    same = torch.randn(3, 2)
    assert select(rows, same, same) is same


def test_a_selected_state_passes_gradients_of_its_own_rows_only() -> None:
    yes, no = (torch.randn(3, 2, requires_grad=True) for _ in range(2))
    select(torch.tensor([True, False, True]), yes, no).sum().backward()
    assert yes.grad[:, 0].tolist() == [1, 0, 1]
    assert no.grad[:, 0].tolist() == [0, 1, 0]


def test_the_state_is_held_bit_for_bit() -> None:
    cell = DictCell(3, 5)
    _, state = unroll(cell, torch.randn(3, 2, 3))
    none = torch.zeros(4, 2, dtype=torch.bool)
    ys, held = unroll(cell, torch.randn(4, 2, 3), state, mask=none)
    assert not ys.any()
    assert torch.equal(held["h"], state["h"])
    assert torch.equal(held["trace"][0], state["trace"][0])


def test_half_precision() -> None:
    for dtype in (torch.bfloat16, torch.float16):
        cell = MinimalGated(3, 5).to(dtype)
        ys, h = unroll(cell, torch.randn(4, 2, 3, dtype=dtype))
        assert ys.dtype == h.dtype == dtype
