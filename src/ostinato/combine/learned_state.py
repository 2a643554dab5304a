"""A learned initial state."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn

from ostinato import _tree
from ostinato.cell import Cell
from ostinato.combine.composite import Run, Wrapper
from ostinato.typing import State, Tree


@final
class LearnedState(Wrapper):
    """The cell, with an initial state that is trained: one vector a leaf, shared by all rows.

    The floating leaves of the cell's initial state become parameters, at its values; others
    (masks) are the cell's. x, y and the state have the cell's shapes.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)
        found = _tree.leaves(cell.initial_state(1))
        self.start = nn.ParameterList(leaf.clone() for leaf in found if leaf.is_floating_point())

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        learned = iter(self.start)

        def leaf(made: Tensor) -> Tensor:
            if not made.is_floating_point():
                return made
            return next(learned).to(made).expand_as(made)

        made = self.cell.initial_state(batch_size, dtype=dtype, device=device)
        return _tree.map(leaf, made)

    def wire(self, run: Run, x: Tree, state: State) -> tuple[Tree, State]:
        return run(self.cell, x, state)
