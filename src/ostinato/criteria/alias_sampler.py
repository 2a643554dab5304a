"""Random classes with given frequencies, in a time that does not grow with their number."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from ostinato.errors import ArgumentError


@final
class AliasSampler(nn.Module):
    """Draws indices of ``weights`` [V] with probabilities in proportion to them, with replacement.

    The alias method (Walker 1977): V boxes of equal size hold an index and a part of another one,
    its alias; a draw takes a box and then one of the two. ``torch.multinomial`` sums all V weights
    at every call instead: on one CPU core, 40 times as slow for 100 draws out of a million, and 5
    times for 6400 out of 100 000. Raises ArgumentError for weights that are negative, not finite,
    or all zero.
    """

    keep: Tensor
    alias: Tensor

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        check_weights("weights", weights)
        keep, alias = boxes(weights.double())
        self.register_buffer("keep", keep.float())
        self.register_buffer("alias", alias)

    def forward(self, *size: int) -> Tensor:
        """Indices of this size, int64 [*size]."""
        box = torch.randint(len(self.alias), size, device=self.alias.device)
        return torch.where(
            torch.rand_like(box, dtype=self.keep.dtype) < self.keep[box], box, self.alias[box]
        )


def boxes(weights: Tensor) -> tuple[Tensor, Tensor]:
    """The share [V] that a box keeps for its own index, and the index [V] that has the rest of it.

    One sweep (Hübschle-Schneider and Sanders 2019, arXiv 1903.00227), here by sums in place of a
    loop: indices lighter than a box are filled up by the heavy ones in turn, each of which gives
    until less than a box is left of it, and is then filled up by the next.
    """
    size = weights * (len(weights) / weights.sum())
    full = size >= size.max().clamp(
        max=1
    )  # one at least, also where all should be 1 and round down
    light, heavy = (~full).nonzero()[:, 0], full.nonzero()[:, 0]
    zero = size.new_zeros(1)
    asked = torch.cat([zero, (1 - size[light]).cumsum(0)])  # by the light ones up to each
    spare = (size[heavy] - 1).cumsum(0)  # of the heavy ones up to each
    alias = torch.arange(len(size), device=size.device)
    giver = torch.searchsorted(spare, asked[:-1]).clamp(max=len(heavy) - 1)
    alias[light] = heavy[giver]
    alias[heavy[:-1]] = heavy[1:]
    # the first light one that asks for more than a heavy one and those before it could give
    empties = torch.searchsorted(asked[1:], spare, right=True)
    left = 1 + spare - torch.cat([asked[1:], zero])[empties]
    keep = size.clone()
    keep[heavy] = torch.where(empties < len(light), left, torch.ones_like(left))
    keep[heavy[-1:]] = 1.0  # exactly, where rounding says a little less
    return keep.clamp(0, 1), alias


def check_weights(argument: str, weights: Tensor) -> None:
    """Raise ArgumentError where weights are no vector of frequencies."""
    right = weights.dim() == 1 and bool((weights.isfinite() & (weights >= 0)).all())
    if not right or not weights.any():
        raise ArgumentError(
            argument,
            wanted="a vector of finite numbers of at least 0, not all of them 0",
            got=f"shape {list(weights.shape)}" if weights.dim() != 1 else describe(weights),
            remedy="Counts of the classes will do, as torch.bincount gives them.",
        )


def describe(weights: Tensor) -> str:
    """The range of a vector, in words."""
    if weights.numel() == 0:
        return "no number"
    return f"numbers from {weights.min().item()} to {weights.max().item()}"
