"""Truncated back-propagation through time: pieces of a sequence, and a state without its past."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ostinato import _tree
from ostinato.errors import ArgumentError, ShapeError
from ostinato.typing import State, Tree


def chunks(xs: Tree, length: int) -> Iterator[Tree]:
    """Pieces [<= length, B, ...] of xs [T, B, ...] in order; the last one may be shorter.

    xs may be a tuple or dict of tensors, which are cut alike. For truncated BPTT, carry the
    state by value from piece to piece::

        state = None
        for x, target in chunks((xs, targets), 35):
            ys, state = unroll(cell, x, state)
            loss(ys, target).backward()
            state = detach(state)

    Raises ArgumentError for a length below 1, and for tensors that differ in T.
    """
    if type(length) is not int or length < 1:
        raise ArgumentError(
            "length", wanted="at least 1 step", got=repr(length), remedy="It counts time steps."
        )
    leaves = _tree.paths(xs, "xs")
    for path, leaf in leaves:
        if leaf.dim() == 0:
            raise ShapeError(
                path, wanted="[T, ...], time first", got="[]", remedy="A number has no steps."
            )
    sizes = {leaf.shape[0] for _, leaf in leaves}
    if len(sizes) > 1:
        raise ArgumentError(
            "xs",
            wanted="tensors of one length T",
            got=f"lengths {sorted(sizes)}",
            remedy="Time is the first dimension of each.",
        )
    num_steps = sizes.pop() if sizes else 0
    return (_cut(xs, start, length) for start in range(0, num_steps, length))


def _cut(xs: Tree, start: int, length: int) -> Tree:
    return _tree.map(lambda leaf: leaf[start : start + length], xs)


def detach(state: State) -> State:
    """The values of a state with the graph behind them cut off.

    Raises StateError for what is no tree of tensors.
    """
    _tree.paths(state, "state")

    def leaf(tensor: Tensor) -> Tensor:
        return tensor.detach()

    return _tree.map(leaf, state)
