"""A layer that penalises how the norm of what it passes on moves, and how that joins the loss."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato._exporting import exporting
from ostinato.cell import Cell, zeros
from ostinato.errors import ArgumentError, ShapeError
from ostinato.typing import State, Tree


class Penalised(NamedTuple):
    """The state of `NormPenalty`: of each row, [B, 1] all."""

    norm: Tensor
    """The norm at the step before."""
    seen: Tensor
    """1 where there was a step before, else 0."""
    total: Tensor
    """What has been added up so far."""


@final
class NormPenalty(Cell):
    """Passes x on as it is, and adds up a penalty on changes of its norm from step to step::

        penalty = beta * mean over rows of sum_t (|x_t| - |x_{t-1}|)^2

    As a layer after a recurrent one it is Torch rnn's ``NormStabilizer`` (Krueger and Memisevic
    2015, arXiv 1511.08400, without their division by T; `ostinato.criteria.NormStabilizer` is the
    same of a whole sequence): ``Stack(cell, NormPenalty(0.1))``. The sum is a part of the state,
    so that any backend runs it, and an `ostinato.penalties` block takes it out for the loss;
    `ostinato.train.Solver` has one round each step. In evaluation nothing is added up. The
    gradient at x = 0 is zero.

    x [B, H], y = x [B, H]. Raises ArgumentError for a negative beta, ShapeError for an x that is
    not [B, H].
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        if not isinstance(beta, (int, float)) or not beta >= 0:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentError(
                "beta",
                wanted="a number of at least 0",
                got=repr(beta),
                remedy="It weighs the penalty against the loss.",
            )
        self.beta = beta

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Penalised:
        made = [zeros(self, batch_size, 1, dtype=dtype, device=device) for _ in range(3)]
        return Penalised(*made)

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        if not isinstance(x, Tensor) or x.dim() != 2:
            raise ShapeError(
                "x",
                wanted="one step [B, H] for NormPenalty",
                got=_tree.describe(x),
                remedy="Put it after a layer that gives one tensor.",
            )
        if not self.training:
            return x, state
        squares = (x * x).sum(-1, keepdim=True)
        there = squares > 0
        # the square root of 1 in place of that of 0, whose slope is infinite
        norm = torch.where(there, torch.where(there, squares, 1.0).sqrt(), 0.0)
        change = state.seen * (norm - state.norm).square()
        return x, Penalised(norm, torch.ones_like(state.seen), state.total + self.beta * change)

    def extra_repr(self) -> str:
        return f"beta={self.beta}"


@final
class Penalties:
    """What layers add to the loss within a block of `penalties`."""

    def __init__(self) -> None:
        self._parts: list[Tensor] = []

    def add(self, part: Tensor) -> None:
        """Take in a part of it, a scalar."""
        self._parts.append(part)

    def __bool__(self) -> bool:
        """Whether there is anything to be added."""
        return bool(self._parts)

    @property
    def total(self) -> Tensor:
        """All of it, a scalar; 0 where there is nothing."""
        return torch.stack(self._parts).sum() if self._parts else torch.zeros(())


_added: ContextVar[Penalties | None] = ContextVar("ostinato_penalties", default=None)


@contextmanager
def penalties() -> Generator[Penalties]:
    """Within the block, what is run over time gives its `NormPenalty` layers' sums to the result.

    ::

        with ostinato.penalties() as added:
            ys, state = unroll(model, xs)  # ys [T, B, H]
        loss = criterion(ys, targets) + added.total

    It holds for the current thread or task, for `unroll` and for all that calls it, in training
    with gradients.
    """
    made = Penalties()
    token = _added.set(made)
    try:
        yield made
    finally:
        _added.reset(token)


def collect(before: State, after: State, resets: Tensor | None) -> None:
    """Give what a run has added up to a surrounding block.

    Raises ArgumentError where rows start again within the run, which would lose what they had.
    """
    added = None if exporting() else _added.get()
    if added is None or not torch.is_grad_enabled():
        return
    for old, new in zip(_nodes(before), _nodes(after), strict=True):
        if resets is not None:
            raise ArgumentError(
                "resets",
                wanted="None for a cell with a NormPenalty, whose sum a reset would lose",
                got="resets",
                remedy="Run the parts between them apart, or leave the layer out.",
            )
        added.add((new.total - old.total).mean())


def check_no_penalty(wrapper: str, cell: nn.Module) -> None:
    """Raise ArgumentError for a wrapper that would change the sum of a NormPenalty within it."""
    if any(isinstance(module, NormPenalty) for module in cell.modules()):
        raise ArgumentError(
            "cell",
            wanted=f"a cell without NormPenalty, whose sum {wrapper} would change",
            got="one with it",
            remedy=f"Put it after: Stack({wrapper}(cell), NormPenalty(beta)).",
        )


def _nodes(state: State) -> list[Penalised]:
    """The states of all such layers, in order."""
    if isinstance(state, Penalised):
        return [state]
    nodes = _tree.children(state)
    return [each for _, node in nodes or [] for each in _nodes(node)]
