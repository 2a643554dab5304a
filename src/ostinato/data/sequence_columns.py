"""Many sequences one after another in each column: sentences, documents, episodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from ostinato.data.columns import ColumnSettings
from ostinato.errors import ArgumentError


@final
@dataclass(frozen=True, eq=False)
class Piece:
    """T steps of B columns: ``unroll(cell, xs, state, mask=mask, resets=resets)``.

    ``xs`` and ``targets`` are [T, B, ...]; both are 0 where ``mask`` [T, B] is False, between
    sequences and after the last of a column. ``resets`` [T, B] marks the first step of a sequence.
    """

    xs: Tensor
    targets: Tensor
    mask: Tensor
    resets: Tensor

    def to(self, device: torch.device | str) -> Piece:
        """The piece on a device."""
        parts = (self.xs, self.targets, self.mask, self.resets)
        return Piece(*(part.to(device) for part in parts))


@final
class SequenceColumns:
    """Reads whole sequences in B columns, in pieces of T steps; a column holds one after another.

    ``stream`` [M, ...] is all sequences joined, and ``starts`` [N] where each begins; both may be
    mapped into memory. The target of a step is the next one of its sequence. So the last step of a
    sequence has no target: it is masked, and separates the sequence from the next. The columns
    differ by less than the longest sequence. With ``shift`` a column reads its sequences in
    another order in each epoch. Raises ArgumentError for starts that do not fit.

    Source: the MultiSequence loader of Element-Research/dataload.
    """

    def __init__(
        self,
        stream: np.ndarray,
        starts: np.ndarray,
        settings: ColumnSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        _check_starts(starts, len(stream))
        self.stream, self.settings, self.seed = stream, settings or ColumnSettings(), seed
        self.starts = np.asarray(starts, dtype=np.int64)
        self.lengths = np.diff(self.starts, append=len(stream))
        size = self.settings.batch_size
        equal = -(-len(stream) // size)
        # A sequence belongs to the column in whose equal share of the stream it begins.
        self._column = np.minimum(self.starts // equal, size - 1)
        heights = np.bincount(self._column, self.lengths, size).astype(np.int64)
        self.height = int(heights.max())
        self._tops = np.concatenate([[0], heights.cumsum()])
        self.steps = min(self.settings.bptt, self.height)

    def __len__(self) -> int:
        """Pieces in an epoch; the last one may be shorter."""
        return -(-self.height // self.steps)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Piece]:
        """The pieces of one epoch, from number `start` on; the same for the same epoch."""
        order = self._order(epoch)
        ends = self.lengths[order].cumsum()
        for number in range(start, len(self)):
            first = number * self.steps
            steps = np.arange(first, min(first + self.steps, self.height))
            yield self._piece(steps[:, None], order, ends)

    def _order(self, epoch: int) -> np.ndarray:
        """The sequences column by column, in the order in which the columns read them."""
        if not self.settings.shift:
            return np.arange(len(self.starts))
        drawn = np.random.default_rng([self.seed, epoch]).random(len(self.starts))
        return np.lexsort((drawn, self._column))

    def _piece(self, steps: np.ndarray, order: np.ndarray, ends: np.ndarray) -> Piece:
        place = self._tops[:-1] + steps  # [T, B] in the columns joined
        there = place < self._tops[1:]
        place = np.where(there, place, 0)
        nth = ends.searchsorted(place, side="right")
        sequence = order[nth]
        within = place - (ends[nth] - self.lengths[sequence])
        mask = there & (within < self.lengths[sequence] - 1)
        source = np.where(mask, self.starts[sequence] + within, 0)
        return Piece(
            xs=_read(self.stream, source, mask),
            targets=_read(self.stream, np.where(mask, source + 1, 0), mask),
            mask=torch.from_numpy(mask),
            resets=torch.from_numpy(there & (within == 0)),
        )


def _read(stream: np.ndarray, source: np.ndarray, mask: np.ndarray) -> Tensor:
    steps = stream[source]
    steps = steps.astype(np.int64) if steps.dtype.kind in "iu" else steps
    steps[~mask] = 0
    return torch.from_numpy(steps)


def _check_starts(starts: np.ndarray, total: int) -> None:
    inside = len(starts) > 0 and starts[0] == 0 and starts[-1] < total
    if not inside or bool((np.diff(starts.astype(np.int64)) < 1).any()):
        raise ArgumentError(
            "starts",
            wanted=f"rising places in the stream's {total} steps, the first of them 0",
            got=f"{starts[:5].tolist()}{'' if len(starts) <= 5 else ' ...'}",
            remedy="Of tokens with <bos> they are np.flatnonzero(tokens == BOS).",
        )
