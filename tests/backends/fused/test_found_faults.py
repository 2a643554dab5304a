"""Cells that were once compiled to wrong numbers, made small, and their neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from compare import assert_equal
from torch import Tensor, nn

from ostinato import Cell, Recursor

Fn = Callable[[Any, Tensor, Any], tuple[Any, Any]]


class Small(Cell):
    """A cell of H = 5 from ``fn(cell, x, state)``, with as many leaves of state as are wanted."""

    def __init__(self, fn: Fn, leaves: int, width: int) -> None:
        super().__init__()
        self.fn, self.leaves = fn, leaves
        self.i, self.u = nn.Linear(width, 5), nn.Linear(width, 5)
        self.h, self.w, self.o = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 5)
        self.b = nn.Parameter(torch.randn(5))
        self.m = nn.Parameter(torch.randn(5, 5))

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Any:
        made = [torch.zeros(batch_size, 5, dtype=dtype, device=device) for _ in range(self.leaves)]
        return made[0] if self.leaves == 1 else tuple(made)

    def forward(self, x: Tensor, state: Any) -> tuple[Any, Any]:
        return self.fn(self, x, state)


def both(h: Tensor) -> tuple[Tensor, Tensor]:
    return h, h


def new(c: Small, x: Tensor, h: Tensor) -> Tensor:
    return torch.tanh(c.i(x) + c.h(h))


def with_new(fn: Callable[[Small, Tensor, Tensor], Any]) -> Fn:
    """y from the old state and the new one."""

    def step(c: Small, x: Tensor, h: Tensor) -> tuple[Any, Tensor]:
        n = new(c, x, h)
        return fn(c, h, n), n

    return step


def padded(x: Tensor) -> Tensor:
    return torch.cat([x, x.new_zeros(x.shape[0], 5 - x.shape[1])], -1)


SQUARE: dict[str, Fn] = {
    # a term that stands twice in a sum
    "one module twice in a sum": lambda c, x, h: both(torch.tanh(c.w(x) + c.w(h))),
    "three times": lambda c, x, h: both(torch.tanh(c.w(x) + c.w(h) + c.w(x * h))),
    "a bias twice": lambda c, x, h: both(torch.tanh(x @ c.m + h @ c.m + c.b + c.b)),
    "a bias twice beside another": lambda c, x, h: both(torch.tanh(c.h(h) + c.b + x @ c.m + c.b)),
    "a product twice": lambda c, x, h: both(torch.tanh(h @ c.m + h @ c.m + x)),
    "a part of a bias twice": lambda c, x, h: both(
        torch.cat([(x @ c.m + c.b)[:, :2] + (h @ c.m + c.b)[:, :2], h[:, 2:]], -1)
    ),
    # y is made of the state before the step
    "y is the old state": lambda c, x, h: (h, new(c, x, h)),
    "y of the old state": lambda c, x, h: (c.o(h), new(c, x, h)),
    "y of both": with_new(lambda c, h, n: n * h),
    "y is a difference": with_new(lambda c, h, n: n - h),
    "y side by side": with_new(lambda c, h, n: torch.cat([n, h], -1)),
    "y of both through a map": with_new(lambda c, h, n: c.o(n) + c.w(h)),
    "y twice": with_new(lambda c, h, n: (h, n, h)),
    "y old, squashed": with_new(lambda c, h, n: torch.tanh(h) * torch.sigmoid(n)),
    "y is x": lambda c, x, h: (x, new(c, x, h)),
    "the state stands still": lambda c, x, h: (c.i(x) * h, h),
    "the state is x": lambda c, x, h: (h, x),
    # found by random cells
    "a product that is also given": lambda c, x, h: (
        (x @ c.m)[:, 3:4], x[:, 2:4] @ c.m[:2] + x @ c.m
    ),
    "activations over what is read backwards": lambda c, x, h: both(
        torch.sigmoid(c.i(x)).flip(-1) * 0.5 + torch.sigmoid(c.i(x)) * h
    ),
    "parts of a product that is an operand": lambda c, x, h: (
        ((x @ c.m + x @ c.m) @ c.m, (x @ c.m).split([1, 4], -1)[0]), torch.tanh(h + x)
    ),
    "the largest of rounded quotients": lambda c, x, h: both(
        torch.tanh(h + F.normalize(x, dim=-1).amax(-1, True))
    ),
}  # fmt: skip
NARROW: dict[str, Fn] = {
    # x has three features
    "x beside zeros": lambda c, x, h: both(c.u(x) + c.w(h + padded(x))),
    "x beside zeros, twice": lambda c, x, h: both(torch.tanh(c.u(x) + c.w(padded(x) * h))),
    "a slice of x in a product": lambda c, x, h: both(c.u(x) + x[:, 1:3] @ c.m[:2] + h),
}
PAIRS: dict[str, Fn] = {
    "a delay": lambda c, x, s: (s[1], (new(c, x, s[0]), s[0])),
    "leaves that swap": lambda c, x, s: (s[0] + x, (s[1], s[0])),
    "leaves that swap and change": lambda c, x, s: (s[0] * s[1], (torch.tanh(s[1] + x), s[0])),
    "one tensor for both": lambda c, x, s: both2(new(c, x, s[0] - s[1])),
    "equal starts of two sums": lambda c, x, s: (
        torch.cat([s[0], s[1] @ c.m, s[1]], -1).mean(-1, keepdim=True) + c.b, (s[0], s[0])
    ),
}  # fmt: skip


def both2(h: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    return h, (h, h)


CASES = [
    *[pytest.param(fn, 1, 5, id=name) for name, fn in SQUARE.items()],
    *[pytest.param(fn, 1, 3, id=name) for name, fn in NARROW.items()],
    *[pytest.param(fn, 2, 5, id=name) for name, fn in PAIRS.items()],
]


@pytest.mark.parametrize(("fn", "leaves", "width"), CASES)
def test_equal_to_the_loop(fn: Fn, leaves: int, width: int) -> None:
    cell = Small(fn, leaves, width).double()
    xs = torch.randn(4, 3, width, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn(3, 5, dtype=torch.float64, requires_grad=True) for _ in range(leaves))
    given = state[0] if leaves == 1 else state
    assert_equal(cell, xs, given)
    assert_equal(cell, xs, lengths=[2, 4, 0], reverse=True)
    assert_equal(cell, xs, given, resets=torch.rand(4, 3) < 0.4)


@pytest.mark.parametrize(("fn", "leaves", "width"), CASES)
def test_streams(fn: Fn, leaves: int, width: int) -> None:
    cell = Small(fn, leaves, width)
    stream, plain = Recursor(cell), Recursor(cell, backend="eager")
    with torch.no_grad():
        for x in torch.randn(5, 2, width):
            torch.testing.assert_close(stream(x), plain(x))


@pytest.mark.parametrize(("fn", "leaves", "width"), CASES)
def test_second_derivatives(fn: Fn, leaves: int, width: int) -> None:
    cell = Small(fn, leaves, width).double()
    xs = torch.randn(3, 2, width, dtype=torch.float64, requires_grad=True)

    def second(backend: str) -> Tensor:
        from ostinato import _tree, unroll

        outs = _tree.leaves(unroll(cell, xs, backend=backend)[0])
        loss = sum(out.square().sum() for out in outs)
        (grad,) = torch.autograd.grad(loss, xs, create_graph=True, materialize_grads=True)
        if not grad.requires_grad:
            return torch.zeros_like(xs)
        return torch.autograd.grad(grad.square().sum(), xs, materialize_grads=True)[0]

    torch.testing.assert_close(second("fused"), second("eager"))
