"""Dropout whose mask holds for a whole sequence.

A mask drawn anew at every step needs nothing from here: put ``torch.nn.Dropout`` into a Stack.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from ostinato import _tree
from ostinato.cell import Cell
from ostinato.cells.gated import GatedCell
from ostinato.combine.composite import Composite, Run, Wrapper
from ostinato.errors import ArgumentError, StateError
from ostinato.typing import State, Tree


class Held(NamedTuple):
    """The state of a cell beside the mask that holds for the sequence (bool, True keeps)."""

    state: State
    mask: Tree


def check_probability(argument: str, p: float) -> None:
    """Raise ArgumentError where p is not in [0, 1)."""
    if not 0 <= p < 1:
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
    return torch.where(mask, x / (1 - p), torch.zeros((), dtype=x.dtype, device=x.device))


@final
class HeldDropout(Composite):
    """Dropout with one mask a row and sequence (variational dropout, Gal and Ghahramani 2016).

    x and y [B, n] with n = ``input_size``; the state is the mask [B, n], drawn by `initial_state`
    in training, so a carried state keeps its mask and a fresh one redraws it. Kept features are
    scaled by 1 / (1 - p); the identity outside training. Raises ArgumentError for p not in [0, 1).
    """

    def __init__(self, input_size: int, p: float = 0.5) -> None:
        super().__init__()
        check_probability("p", p)
        self.input_size = self.size = input_size
        self.p = p

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        return draw((batch_size, self.size), self.p, device, self.training)

    def wire(self, run: Run, x: Tree, state: State) -> tuple[Tree, State]:
        return (drop(x, state, self.p) if self.training else x), state

    def extra_repr(self) -> str:
        return f"{self.size}, p={self.p}"


@final
class RecurrentDropout(Wrapper):
    """The cell with one mask a sequence on the h that its recurrent products read.

    Gal and Ghahramani 2016 (arXiv 1512.05287), tied over gates. What the cell carries is left
    alone in Elman, LSTM and GRU; another cell sees the first leaf of its state under the mask.
    x, y as the cell's; the state is ``Held(state, mask)`` with a bool mask [B, R]. The identity
    outside training. Raises ArgumentError for p not in [0, 1), StateError for an empty state.
    """

    def __init__(self, cell: Cell, p: float = 0.5) -> None:
        super().__init__(cell)
        check_probability("p", p)
        if not _tree.leaves(cell.initial_state(1)):
            raise StateError(
                "cell",
                wanted="a cell with a state",
                got=type(cell).__name__,
                remedy="Use torch.nn.Dropout or HeldDropout on what has no recurrence.",
            )
        self.p = p

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        state = super().initial_state(batch_size, dtype=dtype, device=device)
        h = _tree.leaves(state)[0]
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
        h = _tree.leaves(before)[0]
        read = drop(h, mask, self.p)
        if isinstance(self.cell, GatedCell):
            y, after = self.cell.step(x, read, before)
        else:
            y, after = self.cell(x, _tree.map(lambda leaf: read if leaf is h else leaf, before))
        return y, Held(after, mask)

    def extra_repr(self) -> str:
        return f"p={self.p}"
