"""The definition: a Python loop over time. Every other backend is compared with it.

Without masks and resets it is these six lines::

    ys = []
    for x in xs.unbind(0):
        y, state = cell(x, state)
        ys.append(y)
    return torch.stack(ys), state

It runs any cell on any device and in any dtype, under functorch transforms, and can be
differentiated twice.
"""

from __future__ import annotations

from typing import ClassVar, cast, final

import torch
from torch import Tensor

from ostinato import _padding, _tree
from ostinato.backends.base import Backend, Run
from ostinato.backends.call import Call, in_autocast
from ostinato.cell import Cell, Lift
from ostinato.errors import DtypeError, ShapeError, StateError
from ostinato.typing import State, Tree


@final
class Eager(Backend):
    """The loop over time in Python."""

    name: ClassVar[str] = "eager"

    def accept(self, call: Call) -> Run:
        return Loop(call)


@final
class Loop(Run):
    """A call, step by step."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def describe(self) -> str:
        return "a Python loop over the steps"

    def run(self) -> tuple[Tree, State]:
        call = self.call
        xs, state = steps(call.masked(call.xs)), call.state
        masks = None if call.mask is None else call.mask.unbind(0)
        resets = None if call.resets is None else call.resets.unbind(0)
        ys: list[Tree] = [None] * len(xs)
        # a module that works in place may do so on a step of its own, not on one of the sequence
        lifted = isinstance(call.cell, Lift)
        order = range(len(xs))[::-1] if call.reverse else range(len(xs))
        for t in order:
            if resets is not None:
                state = select(resets[t], call.initial, state)
            x = _tree.map(torch.clone, xs[t]) if lifted else xs[t]
            made = call.cell(x, state)
            if t == order[0]:
                check_step(call.cell, state, made, call.batch_size)
            y, after = made
            state = after if masks is None else select(masks[t], after, state)
            ys[t] = y
        return call.masked(_tree.map(lambda *leaves: torch.stack(leaves), *ys)), state


def steps(xs: Tree) -> list[Tree]:
    """The T steps of a tree of [T, B, ...]. By unbind: x[t] would cost T^2 in the backward."""
    rows = [leaf.unbind(0) for leaf in _tree.leaves(xs)]
    if isinstance(xs, Tensor):
        return list(rows[0])

    def at(t: int) -> Tree:
        leaves = iter(rows)
        return _tree.map(lambda _: next(leaves)[t], xs)

    return [at(t) for t in range(len(rows[0]))]


def select(rows: Tensor, yes: State, no: State) -> State:
    """By row [B], the state ``yes`` where True and ``no`` where False.

    A leaf that is the same in both stays as it is, and so does one that all rows share.
    """

    def leaf(a: Tensor, b: Tensor) -> Tensor:
        if a is b or b.shape[0] != rows.shape[0]:
            return b
        return _padding.either(rows.reshape(-1, *(1,) * (b.dim() - 1)), a, b)

    return _tree.map(leaf, yes, no)


def check_step(cell: Cell, before: State, made: object, batch_size: int) -> None:
    """Raise where a step gave no pair, another form of the state, or a y without the batch."""
    if not isinstance(made, tuple) or len(cast("tuple[Tree, ...]", made)) != 2:
        raise DtypeError(
            f"forward of {type(cell).__name__}",
            wanted="a pair (y, state)",
            got=_tree.describe(made),
            remedy="End it with: return y, state.",
        )
    y, after = cast("tuple[Tree, State]", made)
    found = _tree.mismatch(before, after, "state")
    leaves = _tree.leaves(before)
    if found and not (found.of_dtype and leaves and in_autocast(leaves[0].device)):
        raise StateError(
            f"{found.path} after a step of {type(cell).__name__}",
            wanted=f"{found.wanted}, as before the step",
            got=found.got,
            remedy="A state keeps its tree, shapes and dtypes; mend forward or initial_state.",
        )
    for path, leaf in _tree.paths(y, "y"):
        if leaf.dim() == 0 or leaf.shape[0] != batch_size:
            raise ShapeError(
                f"{path} of {type(cell).__name__}",
                wanted=f"[{batch_size}, ...], one row for each of the batch",
                got=str(list(leaf.shape)),
                remedy="A cell must keep the rows of the batch apart.",
            )
