"""Rows of zeros that pad, and that part one sequence from the next."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn

from ostinato import _padding, _tree
from ostinato._exporting import exporting
from ostinato.cell import Cell, as_cell
from ostinato.combine.dropout import first, keep_masks
from ostinato.combine.norm_penalty import check_no_penalty
from ostinato.errors import ShapeError
from ostinato.typing import State, Tree


@final
class MaskZero(Cell):
    """The cell, for which a row of zeros in x is no step but the end of a sequence.

    Torch rnn's ``MaskZero`` and ``maskZero()``. Where a row of x [B, ...] is zero (in a tree, a
    row of its first tensor; of indices [B], the index 0), y is zero and the row starts again from
    the initial state; that row has no part in any gradient. ``trim=True`` leaves such rows out of
    the batch before the cell is called (Torch rnn's ``TrimZero``), with the same results: for
    modules that cannot take a row of zeros or that mix rows, as batch normalisation does. It runs
    in Python; what is fastest where much is padding is the same from outside, for one call:
    ``unroll(cell, xs, mask=mask, resets=~mask)`` with ``mask = nonzero_rows(xs)``. Takes a
    stateless module as well. x, y and state as the cell's. Raises ShapeError for an x without rows.
    """

    def __init__(self, cell: nn.Module, *, trim: bool = False) -> None:
        super().__init__()
        check_no_penalty("MaskZero", cell)
        self.cell = as_cell(cell)
        self.trim = trim
        self.input_size = self.cell.input_size

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        return self.cell.initial_state(batch_size, dtype=dtype, device=device)

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        there = rows_there(x)
        y, after = self._step(x, state, there)

        def there_or(leaf: Tensor, otherwise: Tensor) -> Tensor:
            if leaf.shape[0] != there.shape[0]:  # the rows share it
                return leaf
            return _padding.either(there.reshape(-1, *(1,) * (leaf.dim() - 1)), leaf, otherwise)

        blank = _tree.map(lambda leaf: leaf.new_zeros(()), y)
        return _tree.map(there_or, y, blank), _tree.map(there_or, after, self._fresh(state, there))

    def _step(self, x: Tree, state: State, there: Tensor) -> tuple[Tree, State]:
        """A step whose y and state stand where a row is there; elsewhere anything may stand."""
        # a graph that is exported cannot depend on how many rows are there
        if not self.trim or exporting() or not there.any():
            return self.cell(x, state)
        batch_size = there.shape[0]
        rows = there.nonzero()[:, 0]

        def taken(leaf: Tensor) -> Tensor:
            return leaf[rows] if leaf.shape[0] == batch_size else leaf

        def spread(leaf: Tensor) -> Tensor:
            return leaf.new_zeros(batch_size, *leaf.shape[1:]).index_copy(0, rows, leaf)

        def spread_state(leaf: Tensor, before: Tensor) -> Tensor:
            return spread(leaf) if before.shape[0] == batch_size else leaf

        y, after = self.cell(_tree.map(taken, x), _tree.map(taken, state))
        return _tree.map(spread, y), _tree.map(spread_state, after, state)

    def _fresh(self, state: State, there: Tensor) -> State:
        """The initial state, with the masks that hold for a sequence as they are."""
        h = first(state)
        dtype = None if h is None else h.dtype
        made = self.cell.initial_state(there.shape[0], dtype=dtype, device=there.device)
        return keep_masks(made, state)

    def extra_repr(self) -> str:
        return "trim=True" if self.trim else ""


def rows_there(x: Tree) -> Tensor:
    """bool [B]: which rows of the first tensor of x [B, ...] are not zero."""
    found = _tree.paths(x, "x")
    if not found or found[0][1].dim() == 0:
        raise ShapeError(
            "x",
            wanted="one step [B, ...], whose rows may be zero",
            got="a number" if found else "no tensor",
            remedy="Add a batch dimension with x[None] to a single row.",
        )
    return _padding.nonzero_rows(found[0][1], 1)
