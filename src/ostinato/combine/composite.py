"""Cells whose wiring touches each time step alone, so that whole layers can run at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

from ostinato import _tree
from ostinato.cell import Cell
from ostinato.typing import State, Tree

Run: TypeAlias = Callable[[Cell, Tree, State], tuple[Tree, State]]
"""Runs a cell: over one step, or over a whole sequence; ``(cell, x, state) -> (y, state)``."""


class Composite(Cell):
    """A cell made of cells, said once for a step and for a sequence.

    `wire` passes tensors between inner cells and calls ``run(cell, x, state)`` for each of them.
    It may do anything that acts on the trailing dimensions alone and leaves the leading ones
    be, such as adding, multiplying by [B, n], or ``cat(-1)``. Parts of the state are
    handed on as they stand, so that resets can find where they begin again. Then unrolling it
    layer by layer equals unrolling it step by step, and each layer can run on the backend that
    suits it.
    """

    @abstractmethod
    def wire(self, run: Run, x: Tree, state: State) -> tuple[Tree, State]:
        """x [..., n] and the state before to y [..., m] and the state after."""

    @property
    def layered(self) -> bool:
        """Whether `wire` tells the whole step just now; a composite may say no in training."""
        return True

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        return self.wire(step, x, state)


def step(cell: Cell, x: Tree, state: State) -> tuple[Tree, State]:
    """The `Run` of a single time step."""
    y, after = cell(x, state)
    return _tree.apart(y, after), after


class Wrapper(Composite):
    """A composite round one cell, with that cell's input size and, unless said, its state."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell
        self.input_size = cell.input_size

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        return self.cell.initial_state(batch_size, dtype=dtype, device=device)
