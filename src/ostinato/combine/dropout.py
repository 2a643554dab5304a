"""Dropout whose mask holds for a whole sequence.

A mask drawn anew at every step needs nothing from here: put ``torch.nn.Dropout`` into a Stack.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from ostinato import _tree
from ostinato.cell import Cell
from ostinato.cells.gated import GatedCell, check_size
from ostinato.combine.composite import Composite, Run, Wrapper
from ostinato.errors import ArgumentError, StateError
from ostinato.typing import State, Tree, is_real


class Held(NamedTuple):
    """The state of a cell beside the mask that holds for the sequence (bool, True keeps)."""

    state: State
    mask: Tree


def keep_masks(fresh: State, state: State) -> State:
    """A fresh state with the masks of this one: a reset starts a row again, and redraws nothing."""
    if isinstance(fresh, Held):
        return Held(keep_masks(fresh.state, state.state), state.mask)
    nodes, others = _tree.children(fresh), dict(_tree.children(state) or [])
    if nodes is None:
        return fresh
    return _tree.rebuild(fresh, [keep_masks(node, others[step]) for step, node in nodes])


def check_probability(argument: str, p: float) -> None:
    """Raise ArgumentError where p is not in [0, 1)."""
    if not is_real(p) or not 0 <= p < 1:
        raise ArgumentError(
            argument,
            wanted="a probability of at least 0 and less than 1",
            got=repr(p),
            remedy="It is the share that is dropped.",
        )


def draw(size: tuple[int, ...], p: float, device: Any, training: bool) -> Tensor:
    """A mask that keeps with probability 1 - p; all True outside training."""
    if not training or p == 0:
        return torch.ones(size, dtype=torch.bool, device=device)
    return torch.rand(size, device=device) >= p


def drop(x: Tensor, mask: Tensor, p: float) -> Tensor:
    """x where the mask keeps it, scaled by 1 / (1 - p), and 0 elsewhere."""
    # scaling the mask, which is small, leaves one pass over a whole sequence x
    return x * (mask.to(x.dtype) / (1 - p))


def first(state: State) -> Tensor | None:
    """The first floating leaf of a state, h in all standard cells."""
    return next((leaf for leaf in _tree.leaves(state) if leaf.is_floating_point()), None)


def with_first(state: State, h: Tensor) -> State:
    """The state with another tensor for its first floating leaf."""
    given = [h]

    def leaf(old: Tensor) -> Tensor:
        return given.pop() if given and old.is_floating_point() else old

    return _tree.map(leaf, state)


@final
class HeldDropout(Composite):
    """Dropout with one mask a row and sequence (variational dropout, Gal and Ghahramani 2016).

    x and y [B, n] with n = ``input_size``; the state is ``Held((), mask)`` with a bool mask [B, n],
    drawn by `initial_state` in training: a carried state keeps its mask, through resets too, and a
    fresh one redraws it. Kept features are scaled by 1 / (1 - p); the identity outside training.
    Raises ArgumentError for p not in [0, 1).
    """

    def __init__(self, input_size: int, p: float = 0.5) -> None:
        super().__init__()
        check_size("input_size", input_size, least=0)
        check_probability("p", p)
        self.input_size = self.size = input_size
        self.p = p

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        return Held((), draw((batch_size, self.size), self.p, device, self.training))

    def wire(self, run: Run, x: Tree, state: State) -> tuple[Tree, State]:
        return (drop(x, state.mask, self.p) if self.training else x), state

    def extra_repr(self) -> str:
        return f"{self.size}, p={self.p}"


@final
class RecurrentDropout(Wrapper):
    """The cell with one mask a sequence on the h that its recurrent products read.

    Gal and Ghahramani 2016 (arXiv 1512.05287), tied over gates. What the cell carries is left
    alone in Elman, LSTM and GRU; another cell sees the first floating leaf of its state (in a
    dict, by the order of keys) under the mask. x, y as the cell's; the state is
    ``Held(state, mask)`` with a bool mask [B, R]. The identity outside training. Raises
    ArgumentError for p not in [0, 1), StateError for a state without floating leaves.
    """

    def __init__(self, cell: Cell, p: float = 0.5) -> None:
        super().__init__(cell)
        check_probability("p", p)
        if first(cell.initial_state(1)) is None:
            raise StateError(
                "cell",
                wanted="a cell with a state",
                got=type(cell).__name__,
                remedy="Use torch.nn.Dropout or HeldDropout on what has no recurrence.",
            )
        self.p = p

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        state = super().initial_state(batch_size, dtype=dtype, device=device)
        h = first(state)
        assert h is not None
        return Held(state, draw(tuple(h.shape), self.p, h.device, self.training))

    @property
    def layered(self) -> bool:
        return not self.training

    def wire(self, run: Run, x: Tree, state: State) -> tuple[Tree, State]:
        y, after = run(self.cell, x, state.state)
        return y, Held(after, state.mask)

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        if not self.training:
            return super().forward(x, state)
        before, mask = state
        h = first(before)
        assert h is not None
        read = drop(h, mask, self.p)
        if isinstance(self.cell, GatedCell):
            y, after = self.cell.step(x, read, before)
        else:
            y, after = self.cell(x, with_first(before, read))
        return y, Held(after, mask)

    def extra_repr(self) -> str:
        return f"p={self.p}"
