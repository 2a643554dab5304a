"""Pairs of sequences: what a decoder reads and says of each, side by side with its source.

Of the special tokens <bos> stands before a target, <eos> after it, and <unk> for what a vocabulary
lacks, as in `ostinato.text.Tokenizer`. Padding needs none, as lengths tell it.
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor

from ostinato.data.samples import Samples

SPECIAL = ("<bos>", "<eos>", "<unk>")
BOS, EOS, UNKNOWN = range(3)
NOTHING = -100
"""The target where a row has ended, which torch's criteria leave out."""


class PairBatch(NamedTuple):
    """B pairs side by side, sources of S steps and targets of U, with padding at the end."""

    source: Tensor
    """Ids [S, B]."""
    lengths: Tensor
    """Steps [B] of each source."""
    inputs: Tensor
    """What the decoder reads, ids [U, B]: <bos>, then the target."""
    targets: Tensor
    """What it is to say, ids [U, B]: the target, <eos>, then -100."""

    @property
    def wanted(self) -> Tensor:
        """Which steps of the targets are there, bool [U, B]."""
        return self.targets != NOTHING

    def to(self, device: torch.device | str) -> PairBatch:
        """The batch on a device."""
        return PairBatch(*(part.to(device) for part in self))


@final
class Pairs:
    """N pairs as ids, kept without padding."""

    def __init__(self, source: Samples, target: Samples) -> None:
        self.source, self.target = source, target

    def __len__(self) -> int:
        """Pairs N."""
        return len(self.source)

    def take(self, rows: Tensor) -> PairBatch:
        """The pairs of these rows [B] as a batch."""
        ids, lengths = self.target.take(rows).xs, self.target.lengths[rows]
        steps = torch.arange(len(ids) + 1)[:, None]
        after = torch.cat([ids, ids.new_zeros(1, len(rows))])
        after = after.masked_fill(steps == lengths, EOS).masked_fill(steps > lengths, NOTHING)
        before = torch.cat([ids.new_full((1, len(rows)), BOS), ids])
        return PairBatch(self.source.take(rows).xs, self.source.lengths[rows], before, after)
