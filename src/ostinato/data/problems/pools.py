"""Sequences drawn from the pool of their class: the class is in all steps together, not in one."""

from __future__ import annotations

import torch

from ostinato.data.batch import Batch


def drawn_from_pools(
    count: int, num_steps: int = 10, *, classes: int = 7, pool: int = 30, seed: int = 0
) -> Batch:
    """Ids xs [T, N] and classes, targets [N], of ``count`` sequences.

    Each class owns ``pool`` random ids below ``classes``, so classes share their ids and differ in
    how often they have each; a sequence is ``num_steps`` of them, drawn with replacement, and
    sorted. Always saying the same costs ln(classes). The pools depend on the seed: draw what is
    held out in the same call.

    Source: the example sequence-to-one of Element-Research/rnn, which counts from 1.
    """
    generator = torch.Generator().manual_seed(seed)
    pools = torch.randint(classes, (classes, pool), generator=generator)
    targets = torch.randint(classes, (count,), generator=generator)
    drawn = torch.randint(pool, (num_steps, count), generator=generator)
    return Batch(pools[targets, drawn].sort(dim=0).values, targets)
