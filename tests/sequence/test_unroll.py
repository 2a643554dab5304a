"""`unroll`: what the conformance tests do not ask."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from catalogue import Sums, gru, lstm
from ostinato import Cell, Lift, Stack, unroll
from ostinato.errors import DtypeError
from ostinato.typing import State

XS = torch.randn(5, 3, 3, generator=torch.Generator().manual_seed(0))


def test_a_module_is_lifted() -> None:
    linear = nn.Linear(3, 2)
    ys, state = unroll(linear, XS)
    torch.testing.assert_close(ys, linear(XS))
    assert state == ()


def test_lengths_in_any_form() -> None:
    cell = lstm()
    want, _ = unroll(cell, XS, lengths=torch.tensor([1, 5, 0]))
    for lengths in ([1, 5, 0], (1, 5, 0), torch.tensor([1, 5, 0], dtype=torch.int32)):
        assert torch.equal(unroll(cell, XS, lengths=lengths)[0], want)


def test_no_steps_leave_the_state_as_it_is() -> None:
    cell = gru()
    h = torch.randn(3, 5, requires_grad=True)
    options = {"lengths": [0, 0, 0], "resets": torch.zeros(0, 3, dtype=torch.bool)}
    ys, state = unroll(cell, XS[:0], h, **options)
    assert ys.shape == (0, 3, 5)
    assert state is h


def test_nothing_given_is_changed() -> None:
    xs, h = XS.clone(), torch.randn(3, 5)
    mask = torch.rand(5, 3) < 0.5
    given = [xs.clone(), h.clone(), mask.clone()]
    unroll(gru(), xs, h, mask=mask, resets=mask)
    for now, before in zip((xs, h, mask), given, strict=True):
        assert torch.equal(now, before)


def test_a_cell_without_parameters_has_the_dtype_of_xs() -> None:
    ys, state = unroll(Sums(3), XS.double())
    assert ys.dtype == torch.float64
    again, _ = unroll(Sums(3), XS.double(), state)
    assert again.dtype == torch.float64


def test_a_cell_of_two_dtypes_takes_either() -> None:
    cell = Stack(Lift(nn.Linear(3, 2)), Lift(ToDouble()), Lift(nn.Linear(2, 1).double()))
    assert unroll(cell, XS)[0].dtype == torch.float64
    with pytest.raises(DtypeError, match=r"xs: wanted torch\.float32"):
        unroll(cell, XS.half())


class ToDouble(nn.Module):
    """A change of dtype between layers."""

    def forward(self, x: Tensor) -> Tensor:
        return x.double()


class Clock(Cell):
    """Counts its calls, and notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def initial_state(self, batch_size: int, *, dtype=None, device=None) -> Tensor:
        return torch.zeros(batch_size, 1, dtype=dtype, device=device)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        self.seen.append(x.clone())
        return x, state + 1


def test_masked_steps_are_seen_as_zeros() -> None:
    """A cell never meets what stands in the padding, so that NaN there cannot come back."""
    cell = Clock()
    xs = torch.full((3, 2, 3), float("nan"))
    mask = torch.zeros(3, 2, dtype=torch.bool)
    _, state = unroll(cell, xs, mask=mask, backend="eager")
    assert all(not x.any() for x in cell.seen)
    assert not state.any()


def test_a_reset_acts_on_masked_steps_too() -> None:
    mask = torch.tensor([[True, True], [False, True], [True, True]])
    resets = torch.tensor([[False, False], [True, True], [False, False]])
    _, state = unroll(Clock(), XS[:3, :2], mask=mask, resets=resets)
    assert state[:, 0].tolist() == [1, 2]
    _, state = unroll(Clock(), XS[:3, :2], mask=mask, resets=resets, reverse=True)
    assert state[:, 0].tolist() == [1, 2]


def test_a_given_state_is_what_a_reset_leaves() -> None:
    given = torch.full((2, 1), 10.0)
    resets = torch.tensor([[False, False], [False, True]])
    _, state = unroll(Clock(), XS[:2, :2], given, resets=resets)
    assert state[:, 0].tolist() == [12, 1]
