"""Attention of a decoder to what its encoder gave, for all of its steps at once."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from ostinato._padding import mask_from_lengths


class Memory(NamedTuple):
    """What a decoder may look at: S steps of B sources."""

    values: Tensor
    """The encoder's outputs [S, B, W]."""
    keys: Tensor
    """What they are found by [S, B, H]."""
    there: Tensor
    """Which of them are no padding, bool [S, B]."""


@final
class Dot(nn.Module):
    """The product of y with each key: score = y . (K v); Luong et al. 2015, their "general"."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.keys = nn.Linear(width, size, bias=False)

    def forward(self, ys: Tensor, keys: Tensor) -> Tensor:
        """ys [U, B, H] and keys [S, B, H] to scores [U, B, S]."""
        return torch.einsum("ubh,sbh->ubs", ys, keys)


@final
class Additive(nn.Module):
    """A small network on y and each key: score = e . tanh(Q y + K v); Bahdanau et al. 2015."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.keys = nn.Linear(width, size, bias=False)
        self.query = nn.Linear(size, size)
        self.energy = nn.Linear(size, 1, bias=False)

    def forward(self, ys: Tensor, keys: Tensor) -> Tensor:
        """ys [U, B, H] and keys [S, B, H] to scores [U, B, S]."""
        both = self.query(ys)[:, :, None] + keys.transpose(0, 1)  # [U, B, S, H]
        return self.energy(both.tanh()).squeeze(-1)


SCORES: dict[str, type[Dot] | type[Additive]] = {"dot": Dot, "additive": Additive}
"""How a step of the target is compared with those of the source."""


@final
class Attention(nn.Module):
    """Adds to each output y of a decoder what it finds in the source, weighed by a softmax::

        a = softmax(score(y, keys))           # over the steps of the source
        y = tanh(M [y; sum of a * values])

    As it stands after the recurrent layers (Luong et al. 2015), and nothing of it is fed back into
    them, it treats each step alone: all steps of a target in one go, or beams in place of steps.
    Padding has a weight of exactly 0; a source without steps gives zeros.
    """

    def __init__(self, kind: str, size: int, width: int) -> None:
        super().__init__()
        self.score = SCORES[kind](size, width)
        self.mix = nn.Linear(size + width, size)

    def remember(self, values: Tensor, lengths: Tensor | None) -> Memory:
        """The memory of an encoder's outputs [S, B, W]."""
        steps, rows = values.shape[:2]
        if lengths is None:
            lengths = torch.full((rows,), steps, device=values.device)
        return Memory(values, self.score.keys(values), mask_from_lengths(lengths, steps))

    def forward(self, ys: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """ys [U, B, H] to (ys [U, B, H], weights [U, B, S])."""
        there, scores = memory.there.T, self.score(ys, memory.keys)
        scores = scores.masked_fill(~there, torch.finfo(scores.dtype).min)
        # where nothing is there the softmax is even
        weights = scores.softmax(-1) * there
        found = torch.einsum("ubs,sbw->ubw", weights, memory.values)
        return self.mix(torch.cat([ys, found], dim=-1)).tanh(), weights
