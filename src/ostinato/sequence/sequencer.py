"""A whole sequence a call, with the state kept inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, final

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato.backends.eager import steps
from ostinato.errors import ShapeError
from ostinato.sequence import check
from ostinato.sequence.remember import Remembering
from ostinato.sequence.unroll import unroll
from ostinato.typing import Tree


@final
class Sequencer(Remembering):
    """Runs a cell, or a stack of modules, over a sequence: xs [T, B, ...] to ys [T, B, ...].

    ``Sequencer(*modules, remember="neither")``. Where it remembers, a call starts from the state
    of the call before by value: gradients do not flow back into that call, so that a long
    sequence fed in pieces is truncated BPTT. Torch rnn's ``Sequencer``: a list of steps [B, ...]
    gives a list of steps. A batch of another size than the remembered state raises StateError;
    other errors are those of `ostinato.unroll`.
    """

    def __init__(self, *modules: nn.Module, remember: str = "neither") -> None:
        super().__init__(modules, remember)

    def forward(
        self,
        xs: Tree | list[Tree],
        *,
        lengths: Tensor | Sequence[int] | None = None,
        mask: Tensor | None = None,
        resets: Tensor | None = None,
        reverse: bool = False,
        checkpoint: int | None = None,
    ) -> Tree | list[Tree]:
        """xs [T, B, ...] to ys [T, B, ...]; the options are those of `ostinato.unroll`."""
        listed = isinstance(xs, list)
        if listed and not xs:
            return []
        xs = stacked(cast("list[Tree]", xs)) if listed else xs
        _, batch_size = check.sequence(self.cell, xs)
        ys, state = unroll(
            self.cell,
            xs,
            self._before(batch_size, cut=True),
            lengths=lengths,
            mask=mask,
            resets=resets,
            reverse=reverse,
            checkpoint=checkpoint,
        )
        self._after(state)
        return steps(ys) if listed else ys


def stacked(xs: list[Tree]) -> Tree:
    """Steps [B, ...] as one sequence [T, B, ...]; ShapeError where they differ."""
    for t, x in enumerate(xs):
        _tree.paths(x, f"xs[{t}]")  # raises where it holds no tensors
        found = _tree.mismatch(xs[0], x, f"xs[{t}]")
        if found is not None:
            raise ShapeError(
                found.path,
                wanted=f"{found.wanted}, as in xs[0]",
                got=found.got,
                remedy="For rows of different lengths, pad the batch and pass lengths.",
            )
    return _tree.map(lambda *leaves: torch.stack(leaves), *xs)
