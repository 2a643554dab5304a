"""Independent sequences of any lengths, kept without padding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from ostinato._padding import zero_masked
from ostinato.data.batch import Batch
from ostinato.errors import ShapeError


@final
@dataclass(frozen=True, eq=False)
class Samples:
    """N sequences and what is wanted of each, or of each of its steps.

    All steps stand one after another: ``steps`` [S, ...] with S the sum of ``lengths`` [N];
    ``targets`` is [N, ...], or [S, ...] with ``per_step``. Raises ShapeError where they disagree.
    """

    steps: Tensor
    lengths: Tensor
    targets: Tensor
    per_step: bool = False

    def __post_init__(self) -> None:
        total = int(self.lengths.sum())
        _check("steps", self.steps, total, "the sum of the lengths")
        wanted = total if self.per_step else len(self.lengths)
        _check("targets", self.targets, wanted, "one a step" if self.per_step else "one a sequence")

    @classmethod
    def of(cls, batch: Batch) -> Samples:
        """The rows of a batch as samples, in order."""
        there = batch.mask.T  # [B, T]: row after row
        steps = batch.xs.transpose(0, 1)[there]
        targets = batch.targets.transpose(0, 1)[there] if batch.per_step else batch.targets
        return cls(steps, there.sum(1), targets, batch.per_step)

    def __len__(self) -> int:
        """Sequences N."""
        return len(self.lengths)

    @cached_property
    def starts(self) -> Tensor:
        """The place [N] of each sequence's first step."""
        return self.lengths.cumsum(0) - self.lengths

    @cached_property
    def _equal(self) -> bool:
        return bool((self.lengths == self.lengths[:1]).all())

    def take(self, rows: Tensor) -> Batch:
        """The sequences of these rows [B] as a batch, as long as the longest of them."""
        lengths = self.lengths[rows]
        steps = torch.arange(int(lengths.max()) if len(rows) else 0)[:, None]
        there = steps < lengths
        place = torch.where(there, self.starts[rows] + steps, 0)
        xs = zero_masked(self.steps[place], there)
        lengths = None if self._equal else lengths
        if not self.per_step:
            return Batch(xs, self.targets[rows], lengths)
        return Batch(xs, zero_masked(self.targets[place], there), lengths, per_step=True)

    def __getitem__(self, rows: slice | Tensor) -> Samples:
        """Some of the sequences, by a slice or by their numbers [n]."""
        rows = torch.arange(len(self))[rows]
        lengths = self.lengths[rows]
        # the place of a step here, less its place in the result, is the same for a whole sequence
        moved = self.starts[rows] - (lengths.cumsum(0) - lengths)
        place = torch.arange(int(lengths.sum())) + moved.repeat_interleave(lengths)
        targets = self.targets[place if self.per_step else rows]
        return Samples(self.steps[place], lengths, targets, self.per_step)

    def cut(self, most: int) -> Samples:
        """The first steps of each sequence, at most so many, with their targets."""
        place = torch.arange(len(self.steps)) - self.starts.repeat_interleave(self.lengths)
        kept = place < most
        targets = self.targets[kept] if self.per_step else self.targets
        return Samples(self.steps[kept], self.lengths.clamp(max=most), targets, self.per_step)

    def split(
        self, held_out: float, *, seed: int = 0, stratified: bool = False
    ) -> tuple[Samples, Samples]:
        """(to learn from, held out): a share of the sequences, at least one, drawn by the seed.

        ``stratified`` holds out this share of each class, where targets [N] are classes: at least
        one of a class that has two, and never all of one. Those that are alone in their class are
        a class together.
        """
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        if stratified and len(self) > 1:
            last = _share_of_each(self.targets[order], held_out)
            return self[order[~last]], self[order[last]]
        border = len(self) - max(1, round(held_out * len(self)))
        return self[order[:border]], self[order[border:]]


def _share_of_each(classes: Tensor, share: float) -> Tensor:
    """Which of classes [N] are among the last ones of their class, bool [N]."""
    alone = torch.bincount(classes) == 1
    classes = torch.where(alone[classes], len(alone), classes)
    count = torch.bincount(classes)
    least, most = (count > 1).long(), (count - 1).clamp(min=0)
    held_out = (share * count).round().long().maximum(least).minimum(most)
    by_class = classes.argsort(stable=True)
    starts = count.cumsum(0) - count
    place = torch.empty_like(classes)
    place[by_class] = torch.arange(len(classes)) - starts[classes[by_class]]
    return place >= (count - held_out)[classes]


def _check(argument: str, tensor: Tensor, size: int, meaning: str) -> None:
    if tensor.dim() == 0 or tensor.shape[0] != size:
        raise ShapeError(argument, wanted=f"[{size}, ...], {meaning}", got=str(list(tensor.shape)))
