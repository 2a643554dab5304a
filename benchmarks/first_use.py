"""What the first call of a cell costs: recording, planning, compiling, or loading from the disk."""

from __future__ import annotations

import tempfile
import time

import torch

from benchmarks import child
from benchmarks.cells import CELLS
from benchmarks.contestants import fused, training_step
from benchmarks.markdown import NOTHING, table
from benchmarks.part import Part, Row
from benchmarks.race import Effort
from ostinato.cells import LSTM

MADE = {"LSTM": LSTM, **CELLS}
NAMES = ("bistable cell", "reset-before GRU", "layer-norm LSTM")
STATES = ("in an empty cache", "new", "from the cache")


def measure(effort: Effort) -> list[Row]:
    """A row for each cell, with a cache of its own, all calls in fresh processes."""
    return [row(name, effort) for name in effort.some(NAMES)]


def row(name: str, effort: Effort) -> Row:
    """Seconds until the first step is done, beyond those of a later step."""
    with tempfile.TemporaryDirectory() as empty:
        # what all cells share is compiled once on a machine
        first = child.call(first_step, name, OSTINATO_CACHE=empty)
        again = child.call(first_step, name, OSTINATO_CACHE=empty)
    if effort.quick:
        return {"cell": name, "seconds": dict(zip(STATES, (first, None, again), strict=True))}
    with tempfile.TemporaryDirectory() as used:
        child.call(first_step, "LSTM", OSTINATO_CACHE=used)
        new = child.call(first_step, name, OSTINATO_CACHE=used)
    return {"cell": name, "seconds": dict(zip(STATES, (first, new, again), strict=True))}


def first_step(name: str) -> float:
    """By how many seconds the first training step is longer than the second, at a small size."""
    cell = MADE[name](32, 48)
    xs = torch.randn(10, 4, 32, requires_grad=True)
    y, _ = cell(xs[0], cell.initial_state(xs.shape[1]))
    step = training_step(lambda: fused(cell, xs), cell, xs, torch.randn(len(xs), *y.shape))
    # the first backward from a tensor of any torch program loads SymPy, which takes 0.15 seconds
    xs.relu().backward(torch.ones_like(xs))
    start = time.perf_counter()
    step()
    middle = time.perf_counter()
    step()
    return (middle - start) - (time.perf_counter() - middle)


def show(rows: list[Row]) -> list[str]:
    """Every cell."""
    lines = (
        [row["cell"], *(NOTHING if s is None else f"{s:.2f}" for s in row["seconds"].values())]
        for row in rows
    )
    return table(["cell", *(f"{state}, s" for state in STATES)], lines)


PART = Part(
    "first-use",
    "First use of a cell",
    "What the first training step in a fresh process takes beyond a later one: with an empty\n"
    "cache, which is so once on a machine; for a cell that is new where others were compiled\n"
    "before; and for one that another process has compiled. What torch itself loads for the\n"
    "first backward of a process is loaded before.",
    measure,
    show,
)
