"""One step a call, with the state kept inside: streaming."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import nn

from ostinato import _tree
from ostinato._exporting import exporting
from ostinato.backends.call import initial_state
from ostinato.backends.dynamo import closed
from ostinato.backends.plan import check_name, resolve
from ostinato.backends.stepping import Part, live, may_stream, step
from ostinato.combine.norm_penalty import collect
from ostinato.errors import ShapeError
from ostinato.sequence import check
from ostinato.sequence.chunk import detach
from ostinato.sequence.remember import Remembering
from ostinato.sequence.unroll import Explanation
from ostinato.typing import Tree


@final
class Recursor(Remembering):
    """Runs a cell, or a stack of modules, a step a call: x [B, ...] to y [B, ...].

    ``Recursor(*modules, remember="both", backend="auto")``. T calls equal one call of a `Sequencer`
    on the whole sequence. The state is carried with its graph, so that back-propagation reaches
    all steps since the last `forget` or `detach`; under ``torch.no_grad()`` memory stays constant,
    and what the fused backend takes runs as a stream: compiled, with the state in memory of its
    own, which is nowhere as fast as for a batch of one. ``backend`` is as in `ostinato.unroll`.
    Torch rnn's ``Recursor``. A batch of another size than the carried state raises StateError, a
    state that was set and does not fit too; a backend that was asked for by name and refuses
    raises BackendError.
    """

    def __init__(self, *modules: nn.Module, remember: str = "both", backend: str = "auto") -> None:
        super().__init__(modules, remember)
        check_name(backend)
        self._backend = backend
        self._part: Part | None = None
        """Who runs the steps without gradients."""

    @closed
    def forward(self, x: Tree) -> Tree:
        """One step: x [B, ...] to y [B, ...]."""
        going = self._live
        if going is not None and self._carries() and self._current() is not None:
            y = going.advance(x)
            if y is not None:
                return y
        return self._begin(x)

    def _current(self) -> Part | None:
        """Who runs the steps, if that is for this cell and backend."""
        part = self._part
        if part is None or part.cell is not self._modules["cell"]:
            return None
        return part if part.name == resolve(self._backend) else None

    def _begin(self, x: Tree) -> Tree:
        """One step from a state that is there as tensors, or from the initial one."""
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
        name = resolve(self._backend)
        if torch.is_grad_enabled() or exporting() or not may_stream(name):
            y, after = step(self.cell, x, state, name)
            collect(state, after, None)
            self._after(after)
            return _tree.apart(y, after)
        part = self._part = self._current() or Part(self.cell, name)
        y, state = part.step(x, state)
        going = live(part, x, state)
        self._after(state if going is None else None, going)
        return _tree.apart(y, state) if going is None else y

    def explain(self, x: Tree) -> Explanation:
        """Who would run a step x [B, ...] without gradients, and why not somebody faster.

        Runs one from the initial state, which leaves the carried state and the random state alone.
        """
        sample = _tree.leaves(x)[0]
        part = Part(self.cell, resolve(self._backend))
        with torch.no_grad(), torch.random.fork_rng():  # pyright: ignore[reportUnknownMemberType]
            state = initial_state(self.cell, sample, sample.shape[0])
            if may_stream(part.name):
                part.step(x, state)
            return Explanation(tuple(part.segments()))

    def __getstate__(self) -> dict[str, Any]:
        # a copy makes streams of its own
        return {**super().__getstate__(), "_part": None}

    def detach(self) -> None:
        """Cut the graph behind the state, as truncated BPTT does between two pieces."""
        # not by setting it: a state that was given stays given
        state = self.state
        if state is not None:
            self._state = detach(state)
