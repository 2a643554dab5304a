"""One step a call, with the state kept inside: streaming."""

from __future__ import annotations

from typing import final

from torch import nn

from ostinato import _tree
from ostinato.backends.call import initial_state
from ostinato.errors import ShapeError
from ostinato.sequence import check
from ostinato.sequence.chunk import detach
from ostinato.sequence.remember import Remembering
from ostinato.typing import Tree


@final
class Recursor(Remembering):
    """Runs a cell, or a stack of modules, a step a call: x [B, ...] to y [B, ...].

    ``Recursor(*modules, remember="both")``. T calls equal one call of a `Sequencer` on the whole
    sequence. The state is carried with its graph, so that back-propagation reaches all steps
    since the last `forget` or `detach`; under ``torch.no_grad()`` memory stays constant. Torch
    rnn's ``Recursor``. A batch of another size than the carried state raises StateError, a state
    that was set and does not fit too.
    """

    def __init__(self, *modules: nn.Module, remember: str = "both") -> None:
        super().__init__(modules, remember)

    def forward(self, x: Tree) -> Tree:
        """One step: x [B, ...] to y [B, ...]."""
        found = _tree.paths(x, "x")
        if not found or found[0][1].dim() == 0:
            got = "a number" if found else "no tensor"
            raise ShapeError("x", wanted="one step [B, ...]", got=got, remedy="Use x[None].")
        sample = found[0][1]
        batch_size = sample.shape[0]
        given = self._given
        state = self._before(batch_size, cut=False)
        if state is None:
            state = initial_state(self.cell, sample, batch_size)
        elif given:
            check.state(self.cell, state, sample, batch_size)
        y, state = self.cell(x, state)
        self._after(state)
        return y

    def detach(self) -> None:
        """Cut the graph behind the state, as truncated BPTT does between two pieces."""
        if self._state is not None:
            self._state = detach(self._state)
