"""Padding and separators that are told by zeros in the data."""

from __future__ import annotations

from torch import Tensor

from ostinato import _padding, _tree
from ostinato.errors import ShapeError
from ostinato.typing import Tree


def nonzero_rows(xs: Tree) -> Tensor:
    """The mask, bool [T, B], that is False where a row of xs [T, B, ...] is zero throughout.

    In a tree the first tensor decides; of indices [T, B], it is the index 0. With it zero rows
    both pad sequences and part them from each other, as Torch rnn's ``maskZero`` does::

        mask = nonzero_rows(xs)
        ys, state = unroll(cell, xs, mask=mask, resets=~mask)

    The number of steps of each row is ``mask.sum(0)``. Raises ShapeError where xs is no sequence.
    """
    found = _tree.paths(xs, "xs")
    if not found or found[0][1].dim() < 2:
        raise ShapeError(
            found[0][0] if found else "xs",
            wanted="[T, B, ...], time first, then the batch",
            got=_tree.describe(xs),
            remedy="Add a batch dimension with x[:, None] to a single sequence.",
        )
    return _padding.nonzero_rows(found[0][1], 2)
