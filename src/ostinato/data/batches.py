"""Samples in batches: in which order, of which lengths, and what becomes of the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from ostinato.data.batch import Batch
from ostinato.data.samples import Samples
from ostinato.data.settings import Settings, setting
from ostinato.errors import ArgumentError


@dataclass(frozen=True)
class BatchSettings(Settings):
    """How samples become batches."""

    batch_size: int = setting(32, "Sequences B in a batch.", least=1)
    last: str = setting(
        "keep",
        "A last batch that is not full is kept, dropped, padded with the first samples of the "
        "epoch, or rolled over: its samples then begin the next epoch.",
        choices=("keep", "drop", "pad", "roll"),
    )
    shuffle: bool = setting(True, "Draw another order in each epoch.")
    bucket: int = setting(
        1,
        "So many batches at a time are sorted by length, so that the sequences of a batch are "
        "nearly equally long; 1 sorts nothing.",
        least=1,
    )


def side_by_side(lengths: Tensor, most: int, steps: int) -> Iterator[Tensor]:
    """The numbers of sequences of these lengths [N] in batches for a model that is judged.

    They stay in order; a batch has at most ``most`` sequences, and with padding at most so many
    steps, unless one sequence alone has more.
    """
    rows, longest = list[int](), 0
    for row, length in enumerate(lengths.tolist()):
        longest = max(longest, length)
        if rows and (len(rows) == most or longest * (len(rows) + 1) > steps):
            yield torch.tensor(rows)
            rows, longest = list[int](), length
        rows.append(row)
    if rows:
        yield torch.tensor(rows)


@final
class Batches:
    """The batches of samples, epoch after epoch.

    What an epoch holds depends on the seed and on its number alone, so that training can be taken
    up at any batch. With ``last="keep"`` or ``"pad"`` an epoch has every sample; with ``"drop"``
    and a shuffle the samples that are left out differ from epoch to epoch; with ``"roll"`` batches
    are cut from the endless stream of all passes, so that each pass has every sample, and an epoch
    is as many full batches as fit in one pass. Raises ArgumentError where not even one fits.
    """

    def __init__(
        self, samples: Samples, settings: BatchSettings | None = None, *, seed: int = 0
    ) -> None:
        self.samples, self.settings, self.seed = samples, settings or BatchSettings(), seed
        size, total = self.settings.batch_size, len(samples)
        whole = self.settings.last in ("keep", "pad")
        self._number = -(-total // size) if whole else total // size
        if self._number < 1:
            raise ArgumentError(
                "batch_size",
                wanted=f"a batch that {total} samples can fill",
                got=str(size),
                remedy="Use more samples, a smaller `batch_size`, or `last=keep`.",
            )
        if self.settings.last == "pad" and self.settings.bucket > 1:
            raise ArgumentError(
                "bucket",
                wanted="1 with `last=pad`, whose padding is the end of the last batch",
                got=str(self.settings.bucket),
                remedy="Use `last=keep`, or `last=roll` for full batches.",
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._number

    @property
    def padding(self) -> int:
        """How many rows at the end of an epoch's last batch repeat its first ones (``pad``)."""
        padded = self.settings.last == "pad"
        return self._number * self.settings.batch_size - len(self.samples) if padded else 0

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, from number `start` on."""
        return (self.samples.take(rows) for rows in self.rows(epoch)[start:])

    def rows(self, epoch: int) -> list[Tensor]:
        """The numbers [B] of the samples of each batch; also a ``batch_sampler`` for torch."""
        order = self._epoch(epoch)
        if self.settings.bucket > 1:
            order = self._sorted_in_pools(order)
        size = self.settings.batch_size
        found = list(torch.from_numpy(order).split(size))
        if self.settings.shuffle and self.settings.bucket > 1:
            # sorted pools would otherwise always go from short to long
            places = np.random.default_rng([self.seed, epoch, 1]).permutation(len(found))
            found = [found[place] for place in places]
        return found

    def _epoch(self, epoch: int) -> np.ndarray:
        length = self._number * self.settings.batch_size
        if self.settings.last == "roll":
            return self._stream(epoch * length, length)
        order = self._pass(epoch)
        if self.settings.last == "pad":
            return np.resize(order, length)  # repeats from the first on
        return order[:length]

    def _stream(self, first: int, length: int) -> np.ndarray:
        """A piece of all passes, one after another."""
        total = len(self.samples)
        before = first // total
        passes = range(before, (first + length - 1) // total + 1)
        joined = np.concatenate([self._pass(number) for number in passes])
        return joined[first - before * total :][:length]

    def _pass(self, number: int) -> np.ndarray:
        total = len(self.samples)
        if not self.settings.shuffle:
            return np.arange(total)
        return np.random.default_rng([self.seed, number]).permutation(total)

    def _sorted_in_pools(self, order: np.ndarray) -> np.ndarray:
        lengths = self.samples.lengths.numpy()
        pool = self.settings.bucket * self.settings.batch_size
        pools = (order[first : first + pool] for first in range(0, len(order), pool))
        return np.concatenate([rows[np.argsort(lengths[rows], kind="stable")] for rows in pools])
