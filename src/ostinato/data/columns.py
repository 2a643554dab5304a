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
    """How a stream of tokens becomes batches [T, B]."""

    batch_size: int = setting(16, "Columns B that are read side by side.", least=1)
    bptt: int = setting(100, "Steps T between two updates (truncated back-propagation).", least=1)
    shift: bool = setting(True, "Start the columns at another place in each epoch.")


class Columns:
    """Cuts tokens [N] into B contiguous columns and reads them in pieces of T steps.

    Each column goes on where its last piece ended, so a state that is carried from batch to batch
    has seen the text before it. A target is the token after its input. What does not fill a whole
    piece of every column is left out, with ``shift`` at places that differ from epoch to epoch.
    """

    def __init__(self, tokens: np.ndarray, settings: ColumnSettings, *, seed: int = 0) -> None:
        self.tokens, self.settings, self.seed = tokens, settings, seed
        # A shift of less than one piece: enough to move the borders of the pieces everywhere.
        self._room = settings.bptt if settings.shift else 1
        self.column = (len(tokens) - self._room) // settings.batch_size
        self.steps = min(settings.bptt, self.column)
        if self.column < 1:
            raise ArgumentError(
                "batch_size",
                wanted=f"columns that the {len(tokens)} tokens of the text can fill",
                got=str(settings.batch_size),
                remedy="Use a longer text or a smaller batch_size and bptt.",
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.column // self.steps

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """(inputs, targets), int64 [T, B], of one epoch, from batch number `start` on.

        An epoch's batches depend on the seed and on its number alone, so that training can be
        taken up at any of them.
        """
        size, steps = self.settings.batch_size, self.steps
        first = self._offset(epoch)
        inputs = self.tokens[first : first + size * self.column].reshape(size, self.column)
        targets = self.tokens[first + 1 : first + 1 + size * self.column]
        targets = targets.reshape(size, self.column)
        for number in range(start, len(self)):
            piece = slice(number * steps, (number + 1) * steps)
            yield _steps_first(inputs[:, piece]), _steps_first(targets[:, piece])

    def _offset(self, epoch: int) -> int:
        if self._room == 1:
            return 0
        generator = np.random.default_rng([self.seed, epoch])
        return int(generator.integers(self._room))


def _steps_first(columns: np.ndarray) -> Tensor:
    # [B, T] of the file to int64 [T, B]: this is where a batch is read from the disk.
    return torch.from_numpy(np.ascontiguousarray(columns.T, dtype=np.int64))
