"""Every state of every step, such as all c_t of an LSTM."""

from __future__ import annotations

from typing import Any, final

from ostinato.cell import Cell
from ostinato.typing import State, Tree


@final
class EmitState(Cell):
    """y = (y, state): what the cell gives, and the state after the step.

    Unrolled over xs [T, B, ...], ys is then the pair of the cell's ys and of its states, a tree
    with leaves [T, B, ...]. Under a mask, masked steps give zeros in both.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell
        self.input_size = cell.input_size

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        return self.cell.initial_state(batch_size, dtype=dtype, device=device)

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        y, state = self.cell(x, state)
        return (y, state), state
