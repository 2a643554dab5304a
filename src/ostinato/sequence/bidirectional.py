"""Two cells over one sequence, in both directions."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, cast, final

import torch
from torch import Tensor, nn

from ostinato import _padding, _tree
from ostinato._exporting import exporting
from ostinato.backends import in_graph
from ostinato.backends.dynamo import closed
from ostinato.backends.scan import scan
from ostinato.cell import Cell, OverTime, as_cell
from ostinato.errors import ArgumentError, ShapeError
from ostinato.sequence import check
from ostinato.sequence.unroll import unroll
from ostinato.typing import State, Tree

AXES = ((0, 1), (0,), (0, 1), (0, 1), (0,))
"""Where T and B, or B alone, stand in xs, lengths, mask, resets, and a state."""


class BothWays(OverTime, ABC):
    """Base of `BiSequencer` and `BiSequencerLM`: a cell forward, a cell backward, and a merge."""

    min_steps: ClassVar[int] = 0
    """The least T that makes sense."""

    def __init__(
        self,
        forward: nn.Module,
        backward: nn.Module | None = None,
        merge: str | nn.Module = "concat",
    ) -> None:
        super().__init__()
        if not isinstance(merge, nn.Module) and merge not in ("concat", "sum"):
            raise ArgumentError(
                "merge",
                wanted='"concat", "sum" or a module of two arguments',
                got=repr(merge),
                remedy="Write any other merge as a module.",
            )
        self.forward_cell = as_cell(forward)
        self.backward_cell = redrawn(self.forward_cell) if backward is None else as_cell(backward)
        self.merge = merge

    def forward(
        self,
        xs: Tree,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        mask: Tensor | None = None,
        resets: Tensor | None = None,
        checkpoint: int | None = None,
    ) -> Tree:
        """xs [T, B, ...] to ys [T, B, ...].

        ``resets`` [T, B] mark the first step of a new sequence; the backward cell starts again
        on the other side of the same border. The options are else those of `ostinato.unroll`.
        """
        given = (xs, lengths, mask, resets)
        if in_graph.compiling():
            return in_graph.run(BothWays._run, self, given, AXES, (checkpoint,))[0]
        return self._run(*given, checkpoint)[0]

    @closed
    def _run(
        self,
        xs: Tree,
        lengths: Tensor | Sequence[int] | None,
        mask: Tensor | None,
        resets: Tensor | None,
        checkpoint: int | None,
    ) -> tuple[Tree, State]:
        """ys [T, B, ...], and no state."""
        num_steps, batch_size = check.sequence(self.forward_cell, xs)
        # a graph that is exported is for any T
        if not exporting() and num_steps < self.min_steps:
            raise ShapeError(
                "xs",
                wanted=f"at least {self.min_steps} steps for {type(self).__name__}",
                got=f"{num_steps}",
                remedy="Each step is told from those before and after it.",
            )
        device = _tree.leaves(xs)[0].device
        mask, _ = check.mask(mask, lengths, num_steps, batch_size, device)
        before = None
        if resets is not None:
            resets = check.flags("resets", resets, num_steps, batch_size, device)
            before = torch.cat([resets[1:], resets.new_zeros(min(num_steps, 1), batch_size)])
        given = mask if lengths is None else None
        run = partial(unroll, xs=xs, lengths=lengths, mask=given, checkpoint=checkpoint)
        ahead, _ = run(self.forward_cell, resets=resets)
        back, _ = run(self.backward_cell, resets=before, reverse=True)
        return self._merged(*self.contexts(ahead, back, mask, resets), mask), ()

    @abstractmethod
    def contexts(
        self, ahead: Tree, back: Tree, mask: Tensor | None, resets: Tensor | None
    ) -> tuple[Tree, Tree]:
        """What is merged, from what the two cells gave [T, B, ...]."""

    def _merged(self, ahead: Tree, back: Tree, mask: Tensor | None) -> Tree:
        if isinstance(self.merge, nn.Module):
            ys: Tree = self.merge(ahead, back)
        elif self.merge == "concat":
            ys = _tree.map(lambda a, b: torch.cat([a, b], dim=-1), ahead, back)
        else:
            ys = _tree.map(torch.add, ahead, back)
        if mask is None or not isinstance(self.merge, nn.Module):
            return ys
        return _tree.map(lambda leaf: _padding.zero_masked(leaf, mask), ys)

    def extra_repr(self) -> str:
        return f"merge={self.merge!r}" if isinstance(self.merge, str) else ""


@final
class BiSequencer(BothWays):
    """One cell forward and one backward in time, merged: xs [T, B, ...] to ys [T, B, ...].

    Schuster and Paliwal 1997; Torch rnn's ``BiSequencer``. ``backward`` defaults to a copy of
    ``forward`` with parameters drawn anew. ``merge`` is ``"concat"`` (features side by side),
    ``"sum"``, or a module that is called with both outputs [T, B, ...]. Under lengths and masks
    the backward cell starts at each row's own last step, and ys is zero at masked steps. Neither
    cell remembers: a backward one would have to know the future. Raises ArgumentError for an
    unknown merge, or where the copy cannot be drawn anew.
    """

    def contexts(
        self, ahead: Tree, back: Tree, mask: Tensor | None, resets: Tensor | None
    ) -> tuple[Tree, Tree]:
        return ahead, back


@final
class BiSequencerLM(BothWays):
    """Each step from all others: ys[t] merges what is before xs[t] with what is after it.

    As `BiSequencer`, but for the forward cell's output one step earlier and the backward cell's
    one step later, zero where there is none, so that ys[t] never sees xs[t]: the target of
    position t is xs[t] itself. Torch rnn's ``BiSequencerLM``, for pseudo-likelihoods and gaps to
    be filled. Neighbours are found past masked steps, and not beyond a reset. Stack layers inside
    ``forward`` and ``backward``; a second `BiSequencerLM` on top would see xs[t] through its
    neighbours. xs [T, B, ...] with T >= 2 to ys [T, B, ...]; ShapeError for fewer steps, other
    errors are those of `BiSequencer`.
    """

    min_steps: ClassVar[int] = 2

    def contexts(
        self, ahead: Tree, back: Tree, mask: Tensor | None, resets: Tensor | None
    ) -> tuple[Tree, Tree]:
        sample = _tree.leaves(ahead)[0]
        there = mask if mask is not None else sample.new_ones(sample.shape[:2], dtype=torch.bool)
        part = torch.zeros_like(there) if resets is None else resets
        parts = part.cumsum(0)  # which sequence of its row a step belongs to

        def pick(ys: Tree, steps: Tensor) -> Tree:
            inside = steps.clamp(0, steps.shape[0] - 1)
            found = there & (steps == inside) & (parts.gather(0, inside) == parts)
            return _tree.map(
                lambda leaf: _padding.zero_masked(_padding.take_steps(leaf, inside), found), ys
            )

        return pick(ahead, steps_before(there)), pick(back, steps_after(there))


def steps_before(mask: Tensor) -> Tensor:
    """[T, B]: for each step the last one in the mask before it, -1 where there is none."""
    steps = torch.arange(mask.shape[0], device=mask.device)[:, None]
    seen = running_most(torch.where(mask, steps, -1))
    # a slice of T - 1 steps would be another size to a graph that is exported
    before = seen.gather(0, (steps - 1).clamp(min=0).expand_as(seen))
    return torch.where(steps > 0, before, -1)


def running_most(steps: Tensor) -> Tensor:
    """The largest number so far of [T, B], for each step; -1 at least."""
    if not exporting():
        return steps.cummax(0).values

    def larger(most: list[Tensor], now: list[Tensor], _: list[Tensor]):
        found = torch.maximum(most[0], now[0])
        return [found], [found.clone()]

    # ONNX has no cummax
    return scan(larger, [torch.full_like(steps[0], -1)], [steps], [])[1][0]


def steps_after(mask: Tensor) -> Tensor:
    """[T, B]: for each step the first one in the mask after it, T where there is none."""
    return mask.shape[0] - 1 - steps_before(mask.flip(0)).flip(0)


def redrawn(cell: Cell) -> Cell:
    """A copy of a cell with its parameters drawn anew by their modules' ``reset_parameters``."""
    twin = copy.deepcopy(cell)
    modules = cast("Iterator[tuple[str, nn.Module]]", twin.named_modules())
    for name, module in modules:
        own = list(module.parameters(recurse=False))
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
        elif own:
            raise ArgumentError(
                "backward",
                wanted=f"a cell, as {type(module).__name__} ({name or 'the cell itself'}) has "
                "no reset_parameters() to draw a copy anew",
                got="None",
                remedy="Pass BiSequencer(forward, backward).",
            )
    return twin
