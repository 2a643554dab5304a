"""Memory over long use: a stream of many steps, and trainings of ever other sizes."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

import ostinato
from benchmarks.trust.check import Check, Outcome
from ostinato import Recursor, Stack, cells

# Bytes that may come and go with the sizes of the blocks that lie ready.
ROOM = 40_000_000
# Steps of training after which memory is looked at.
_LOOK = 500


def used() -> int:
    """Bytes of memory that this process has now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def growth(times: int, chance: random.Random) -> Iterator[Outcome]:
    """Steps of a stream, a tenth as many of training, and as many cells that are dropped."""
    yield from _stream(times)
    yield from _training(max(20, times // 10), chance)
    yield from _dropped(max(10, times // 200))


def _stream(times: int) -> Iterator[Outcome]:
    stream = Recursor(cells.LSTM(8, 32), nn.Linear(32, 8), backend="auto").eval()
    with torch.no_grad():
        for _ in range(min(times, 2000)):
            stream(torch.randn(1, 8))
        before = used()
        for number in range(times):
            stream(torch.randn(1, 8))
            if number % 1000 == 999 or number == times - 1:
                yield _judged("thousands of steps of a stream", before)


def _training(times: int, chance: random.Random) -> Iterator[Outcome]:
    model = Stack(cells.GRU(8, 32), nn.Linear(32, 8))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.001)
    before = 0
    for number in range(times):
        steps, rows = chance.randint(1, 60), chance.randint(1, 40)
        lengths = [chance.randint(0, steps) for _ in range(rows)] if number % 2 else None
        ys, _ = ostinato.unroll(model, torch.randn(steps, rows, 8), lengths=lengths)
        assert isinstance(ys, torch.Tensor)
        optimiser.zero_grad()
        ys.square().mean().backward()
        optimiser.step()
        if number == min(times // 2, 1000):
            before = used()
        if before and (number % _LOOK == _LOOK - 1 or number == times - 1):
            yield _judged("hundreds of steps of training, of changing sizes", before)


def _dropped(times: int) -> Iterator[Outcome]:
    """Cells of ever other sizes, each compiled, used once and dropped."""
    before = 0
    with torch.no_grad():
        for number in range(times):
            cell = cells.GRU(1 + number % 40, 1 + number // 40)
            ostinato.unroll(cell, torch.randn(2, 2, cell.input_size or 1), backend="fused")
            # as many as are kept in memory
            if number == min(times // 2, 300):
                before = used()
        yield _judged("hundreds of cells that are dropped", before)


def _judged(case: str, before: int) -> Outcome:
    more = used() - before
    return Outcome(case, "flat" if more < ROOM else "grows", f"{more / 1e6:.1f} MB more")


MEMORY = Check(
    "memory",
    "Memory over long use",
    "A compiled stream of 100,000 steps; 10,000 steps of training with batches of ever other sizes "
    f"and lengths; 500 cells that are compiled and dropped. Memory may grow by {ROOM // 10**6} MB "
    "after the first ones, which is the room of the blocks that lie ready.",
    100_000,
    400,
    growth,
)
