"""A sequence from its end."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ostinato import _padding, _tree
from ostinato.sequence import check
from ostinato.typing import Tree


def reverse(xs: Tree, lengths: Tensor | Sequence[int] | None = None) -> Tree:
    """xs [T, B, ...] with the order of the steps reversed, in each row by itself.

    With ``lengths`` [B], row b has its first ``lengths[b]`` steps reversed and zeros after them,
    so that padding stays at the end; without, all steps. Reversing again gives the first steps
    back. xs may be a tuple or dict of tensors, which are reversed alike. Torch rnn's
    ``SeqReverseSequence``. To run a cell backward in time there is no need for it:
    ``unroll(cell, xs, lengths=lengths, reverse=True)``. Raises ShapeError, DtypeError and
    ArgumentError as `ostinato.unroll` does.
    """
    num_steps, batch_size = check.sizes("xs", xs)
    device = _tree.leaves(xs)[0].device
    mask, _ = check.mask(None, lengths, num_steps, batch_size, device)
    if mask is None:
        return _tree.map(lambda leaf: leaf.flip(0), xs)
    order = _padding.running_order(mask, reverse=True)
    return _tree.map(lambda leaf: _padding.zero_masked(_padding.take_steps(leaf, order), mask), xs)
