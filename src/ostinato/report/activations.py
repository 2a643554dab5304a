"""What the hidden units of a model do while it reads a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ostinato import NormPenalty, _tree, unroll
from ostinato.cell import Cell, as_cell
from ostinato.combine.composite import Composite
from ostinato.typing import State, Tree


@dataclass(frozen=True, eq=False)
class Activations:
    """The outputs of each recurrent layer over T steps of one sequence.

    ``layers`` has the outputs [T, H] of each layer by its name, the first first; ``inputs`` [T, I]
    are the numbers that are read, None where they are words; ``rows`` has what stands under the
    steps, T texts for each name; without rows, steps are counted.
    """

    about: str
    """Which sequence it is."""
    layers: Mapping[str, Tensor]
    inputs: Tensor | None = None
    rows: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


@torch.no_grad()
def run_and_record(model: nn.Module, xs: Tree) -> tuple[Tree, list[Tensor]]:
    """What a cell gives for xs [T, B, ...], and the outputs [T, B, H] of its recurrent layers.

    Layers are found by the wiring of composites (see `Composite.wire`): each inner cell that has
    numbers in its state, and is no composite itself, is one. The model is to be in evaluation
    mode; torch's random state is left as it was.
    """
    found: list[Tensor] = []

    def run(cell: Cell, xs: Tree, state: State) -> tuple[Tree, State]:
        if isinstance(cell, Composite) and cell.layered:
            return cell.wire(run, xs, state)
        ys, after = unroll(cell, xs, state)
        # what passes its input on shows nothing of its own
        if _remembers(state) and isinstance(ys, Tensor) and not isinstance(cell, NormPenalty):
            found.append(ys)
        return ys, after

    first = _tree.leaves(xs)[0]
    with torch.random.fork_rng():
        cell = as_cell(model)
        ys, _ = run(cell, xs, cell.initial_state(first.shape[1], device=first.device))
    return ys, found


def _remembers(state: State) -> bool:
    # a held dropout mask is a state of bools
    return any(leaf.is_floating_point() for leaf in _tree.leaves(state))
