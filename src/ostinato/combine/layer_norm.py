"""Layer normalisation round any cell."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn

from ostinato import _tree
from ostinato.cell import Cell
from ostinato.typing import State, Tree


@final
class LayerNorm(Cell):
    """The cell with its output normalised, wherever it goes: as y, and as the h carried on.

    y' = LayerNorm(y) over the n = ``size`` features, with learned gain and bias (Ba, Kiros and
    Hinton 2016, arXiv 1607.06450); a leaf of the new state that is y itself, as h is in all
    standard cells, becomes y' too. To normalise the pre-activations inside Elman, LSTM or GRU, as
    that paper does for LSTM, use their ``layer_norm=True``. x, y and state as the cell's.
    """

    def __init__(self, cell: Cell, size: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.cell = cell
        self.norm = nn.LayerNorm(size, eps=eps)
        self.input_size = cell.input_size

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        return self.cell.initial_state(batch_size, dtype=dtype, device=device)

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        y, after = self.cell(x, state)
        normed: Tensor = self.norm(y)

        def replaced(leaf: Tensor) -> Tensor:
            return normed if leaf is y else leaf

        return normed, _tree.map(replaced, after)
