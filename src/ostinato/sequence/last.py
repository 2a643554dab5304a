"""The last step of every row: from many to one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ostinato import _padding, _tree
from ostinato.sequence import check
from ostinato.typing import Tree


def last(ys: Tree, lengths: Tensor | Sequence[int] | None = None) -> Tree:
    """The last step of each row of ys [T, B, ...], as [B, ...].

    With ``lengths`` [B] it is step ``lengths[b] - 1`` of row b, and zeros for a row of length 0;
    without, step T - 1. Gradients reach that step alone. ys may be a tuple or dict of tensors.
    The ``SelectTerminal`` of the ``lstm`` rock. Raises ShapeError, DtypeError and ArgumentError
    as `ostinato.unroll` does.
    """
    num_steps, batch_size = check.sizes("ys", ys)
    device = _tree.leaves(ys)[0].device
    _, ends = check.mask(None, lengths, num_steps, batch_size, device)
    if num_steps == 0:
        return _tree.map(lambda leaf: leaf.sum(0).to(leaf.dtype), ys)  # zeros
    if ends is None:
        return _tree.map(lambda leaf: leaf[-1], ys)
    final, there = (ends - 1).clamp(min=0)[None], (ends > 0)[None]
    return _tree.map(
        lambda leaf: _padding.zero_masked(_padding.take_steps(leaf, final), there)[0], ys
    )
