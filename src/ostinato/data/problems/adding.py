"""The adding problem: remember two numbers among many."""

from __future__ import annotations

import torch

from ostinato.data.batch import Batch
from ostinato.errors import ArgumentError


def adding(count: int, num_steps: int = 30, *, high: float = 1.0, seed: int = 0) -> Batch:
    """xs [T, N, 2] and targets [N, 1] of ``count`` problems of ``num_steps`` steps.

    Channel 0 is uniform in [0, high]; channel 1 is 1 at exactly two places, drawn anywhere, and 0
    elsewhere; the target is the sum of the two marked numbers. Its variance is high² / 6, which
    is the mean squared error of always saying its mean, ``high``. Raises ArgumentError for fewer
    than two steps.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997, with the marks anywhere
    instead of one in each half.
    """
    if num_steps < 2:
        raise ArgumentError(
            "num_steps", wanted="at least 2, to mark two of them", got=str(num_steps)
        )
    generator = torch.Generator().manual_seed(seed)
    numbers = high * torch.rand(num_steps, count, generator=generator)
    first = torch.randint(num_steps, (count,), generator=generator)
    # the second among the other steps: those from the first on move up by one
    second = torch.randint(num_steps - 1, (count,), generator=generator)
    second += second >= first
    places = torch.stack([first, second])
    marks = torch.zeros(num_steps, count).scatter_(0, places, 1.0)
    return Batch(torch.stack([numbers, marks], dim=-1), numbers.gather(0, places).sum(0)[:, None])
