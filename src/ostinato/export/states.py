"""The tensors of a state by names, and a state of such tensors again."""

from __future__ import annotations

import re

from torch import Tensor

from ostinato import _tree
from ostinato.backends.call import initial_state
from ostinato.cell import Cell
from ostinato.combine.dropout import Held
from ostinato.combine.norm_penalty import Penalised
from ostinato.typing import State, Tree


def named(tree: Tree, name: str) -> dict[str, Tensor]:
    """The leaves of a tree by names that any language can write: state, state_0, state_h."""
    return {plain(path): leaf for path, leaf in _tree.paths(tree, name)}


def plain(path: str) -> str:
    """A path such as ``state[0].h`` as a name, ``state_0_h``."""
    return re.sub(r"\W+", "_", path).strip("_")


def carried(state: State) -> State:
    """The state without what matters in training alone: masks of dropout, sums of penalties."""
    if isinstance(state, Held):
        return carried(state.state)
    if isinstance(state, Penalised):
        return ()
    nodes = _tree.children(state)
    if nodes is None:
        return state
    return _tree.rebuild(state, [carried(node) for _, node in nodes])


def completed(fresh: State, leaves: dict[str, Tensor]) -> State:
    """A fresh state with the tensors of a carried one, as `named` gives them, in their places."""
    given = iter(leaves.values())

    def fill(node: State) -> State:
        if isinstance(node, Held):
            return Held(fill(node.state), node.mask)
        if isinstance(node, Penalised):
            return node
        nodes = _tree.children(node)
        if nodes is None:
            return next(given)
        return _tree.rebuild(node, [fill(inner) for _, inner in nodes])

    return fill(fresh)


def start(cell: Cell, sample: Tensor, batch_size: int) -> dict[str, Tensor]:
    """The tensors of the cell's initial state by their names; ``sample`` tells the device."""
    return named(carried(initial_state(cell, sample, batch_size)), "state")
