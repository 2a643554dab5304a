"""What is traced for a file: modules that take plain tensors and give plain tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from torch import Tensor, nn

from ostinato import _tree
from ostinato.backends.call import initial_state
from ostinato.cell import Cell
from ostinato.export.states import carried, completed
from ostinato.sequence import unroll
from ostinato.typing import State, Tree


@final
class Flat(nn.Module):
    """A module and what is called of it: ``call(*tensors)``, whose result is given leaf by leaf."""

    def __init__(self, module: nn.Module, call: Callable[..., Tree]) -> None:
        super().__init__()
        self.module, self.call = module, call

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        # a graph must not give out what came in
        return tuple(leaf.clone() for leaf in _tree.leaves(self.call(*given)))


@final
class Over(nn.Module):
    """A cell, a step of it or a sequence, between plain tensors.

    Takes the leaves of x [B, ...], or of xs [T, B, ...] where ``steps`` says so, the lengths where
    there are some, and the leaves of the carried state; gives those of y and of the state after.
    """

    def __init__(self, cell: Cell, x: Tree, names: Sequence[str], *, steps: bool, lengths: bool):
        super().__init__()
        self.cell, self.form, self.names = cell, x, tuple(names)
        self.steps, self.lengths = steps, lengths

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        leaves = iter(given)
        x = _tree.map(lambda _: next(leaves), self.form)
        lengths = next(leaves) if self.lengths else None
        sample = given[0]
        fresh = initial_state(self.cell, sample, sample.shape[int(self.steps)])
        state = completed(fresh, dict(zip(self.names, leaves, strict=True)))
        y, after = self._run(x, state, lengths)
        # a graph must not give out what came in
        return tuple(leaf.clone() for leaf in _tree.leaves((y, carried(after))))

    def _run(self, x: Tree, state: State, lengths: Tensor | None) -> tuple[Tree, State]:
        if self.steps:
            return unroll(self.cell, x, state, lengths=lengths)
        return self.cell(x, state)
