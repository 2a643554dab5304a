"""A batch: sequences side by side, what is wanted of them, and how long each is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ostinato._padding import mask_from_lengths, take_steps


@final
@dataclass(frozen=True, eq=False)
class Batch:
    """Sequences xs [T, B, ...], time first, padded with zeros at the end.

    ``targets`` is what is wanted: one for each sequence, [B, ...], or with ``per_step`` one for
    each step, [T, B, ...]. ``lengths`` [B] counts the steps of each row; None where all have T.
    """

    xs: Tensor
    targets: Tensor
    lengths: Tensor | None = None
    per_step: bool = False

    def __len__(self) -> int:
        """Rows B."""
        return self.xs.shape[1]

    @property
    def mask(self) -> Tensor:
        """bool [T, B]: which steps are there."""
        steps, rows = self.xs.shape[:2]
        if self.lengths is None:
            return torch.ones(steps, rows, dtype=torch.bool, device=self.xs.device)
        return mask_from_lengths(self.lengths, steps)

    def to(self, device: torch.device | str) -> Batch:
        """The batch on a device."""
        lengths = None if self.lengths is None else self.lengths.to(device)
        return Batch(self.xs.to(device), self.targets.to(device), lengths, self.per_step)

    def left_padded(self) -> tuple[Tensor, Tensor]:
        """(xs [T, B, ...], mask [T, B]) with the padding before each sequence.

        So that step T - 1 is the last one of every row, as models want that read one output.
        """
        if self.lengths is None:
            return self.xs, self.mask
        steps = self.xs.shape[0]
        order = torch.arange(steps, device=self.xs.device)[:, None] + self.lengths
        return take_steps(self.xs, order % max(1, steps)), order >= steps
