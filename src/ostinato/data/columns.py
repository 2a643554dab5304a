"""A long stream cut into contiguous columns: the batches of truncated back-propagation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ostinato.data.settings import Settings, setting
from ostinato.errors import ArgumentError


@dataclass(frozen=True)
class ColumnSettings(Settings):
    """How a stream becomes batches [T, B, ...]."""

    batch_size: int = setting(16, "Columns B that are read side by side.", least=1)
    bptt: int = setting(100, "Steps T between two updates (truncated back-propagation).", least=1)
    shift: bool = setting(True, "Start the columns at another place in each epoch.")


class Columns:
    """Cuts a stream [N, ...] into B contiguous columns and reads them in pieces of T steps.

    Each column goes on where its last piece ended, so a state that is carried from batch to batch
    has seen what stands before it. A target is what stands ``ahead`` steps after its input: 1 for
    the next token, 0 for the token itself, as a bidirectional language model wants. What does not
    fill a whole piece of every column is left out, with ``shift`` at places that differ from epoch
    to epoch. Raises ArgumentError for a stream that is too short.
    """

    def __init__(
        self, stream: np.ndarray, settings: ColumnSettings, *, seed: int = 0, ahead: int = 1
    ) -> None:
        self.stream, self.settings, self.seed, self.ahead = stream, settings, seed, ahead
        # A shift of less than one piece: enough to move the borders of the pieces everywhere.
        self._room = settings.bptt if settings.shift else 1
        self.column = (len(stream) - ahead - self._room + 1) // settings.batch_size
        self.steps = min(settings.bptt, self.column)
        if self.column < 1:
            least = settings.batch_size + ahead + self._room - 1
            raise ArgumentError(
                "batch_size",
                wanted=f"at least {least:,} steps of data for {settings.batch_size:,} columns",
                got=f"{len(stream):,}",
                remedy="Use more data, or a smaller `batch_size` and `bptt`.",
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.column // self.steps

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """(inputs, targets) [T, B, ...] of one epoch, from batch number `start` on.

        Whole numbers come as int64, others as they are. An epoch's batches depend on the seed and
        on its number alone, so that training can be taken up at any of them.
        """
        first = self._offset(epoch)
        inputs, targets = self._columns(first), self._columns(first + self.ahead)
        for number in range(start, len(self)):
            piece = slice(number * self.steps, (number + 1) * self.steps)
            yield _steps_first(inputs[:, piece]), _steps_first(targets[:, piece])

    def _columns(self, first: int) -> np.ndarray:
        size = self.settings.batch_size
        cut = self.stream[first : first + size * self.column]
        return cut.reshape(size, self.column, *cut.shape[1:])

    def _offset(self, epoch: int) -> int:
        if self._room == 1:
            return 0
        generator = np.random.default_rng([self.seed, epoch])
        return int(generator.integers(self._room))


def _steps_first(columns: np.ndarray) -> Tensor:
    # [B, T, ...] of the file to [T, B, ...]: this is where a batch is read from the disk.
    dtype = np.int64 if columns.dtype.kind in "iu" else columns.dtype
    return torch.from_numpy(np.ascontiguousarray(columns.swapaxes(0, 1), dtype=dtype))
