"""torch.compile of the plain loop, where it finishes."""

from __future__ import annotations

import tempfile
import time

import torch

from benchmarks import child
from benchmarks.contestants import Layer, Size, loop, training_step
from benchmarks.markdown import NOTHING, milliseconds, numbers, table, times
from benchmarks.part import Part, Row
from benchmarks.race import Effort, race

CASES: tuple[tuple[str, Size], ...] = (
    ("RNN", (10, 20, 1, 26)),
    ("LSTM", (10, 20, 1, 26)),
    ("GRU", (10, 20, 1, 26)),
    ("LSTM", (10, 80, 300, 300)),
    ("LSTM", (30, 32, 128, 128)),
)
LIMIT = 60.0
"""Seconds for compiling and measuring."""
HEADINGS = (
    "layer", "T, B, I, H", "compiling", "compiled loop, ms", "faster than the loop",
    "`fused` against it",
)  # fmt: skip


def measure(effort: Effort) -> list[Row]:
    """A row for each case, in a process that is stopped when it takes too long."""
    return [row(name, size, effort) for name, size in effort.some(CASES)]


def row(name: str, size: Size, effort: Effort) -> Row:
    """How it ended, and the figures where it did."""
    found: Row = {"layer": name, "size": size}
    # a try sees how a stopped process looks, which costs less than compiling
    limit = 1.0 if effort.quick else LIMIT
    with tempfile.TemporaryDirectory() as cache:
        try:
            figures = child.call(
                compete, name, size, effort.seconds, limit=limit, TORCHINDUCTOR_CACHE_DIR=cache
            )
        except (child.Stopped, child.Failed) as end:
            return {**found, "end": str(end)}
    return {**found, "end": "", **figures}


def compete(name: str, size: list[int], seconds: float) -> Row:
    """Compile the loop for training, and let it run in turn with the others."""
    layer = Layer(name, (size[0], size[1], size[2], size[3]))
    cell, xs = layer.cell, layer.xs
    compiled = torch.compile(lambda xs: loop(cell, xs))
    step = training_step(lambda: compiled(xs), cell, xs, layer.dy)
    start = time.perf_counter()
    step()
    compile_seconds = time.perf_counter() - start
    works = {**layer.training(("fused", "loop")), "compiled": step}
    found = race(works, Effort(seconds=seconds))
    return {
        "compile": compile_seconds,
        "seconds": {work: found.seconds(work) for work in works},
        "fused": found.ratio("fused", "compiled"),
        "loop": found.ratio("compiled", "loop"),
    }


def show(rows: list[Row]) -> list[str]:
    """Every case, with what happened."""
    return table(HEADINGS, map(line, rows))


def line(row: Row) -> list[str]:
    """A row of the table."""
    head = [row["layer"], numbers(row["size"])]
    if row["end"]:
        return [*head, row["end"], *[NOTHING] * 3]
    return [
        *head,
        f"{row['compile']:.0f} s",
        milliseconds(row["seconds"]["compiled"]),
        times(row["loop"]),
        times(row["fused"]),
    ]


PART = Part(
    "compile",
    "`torch.compile` of the loop",
    "The plain loop over the cell under `torch.compile`, for training, each in a fresh process\n"
    f"with an empty cache, which is stopped after {LIMIT:.0f} s.",
    measure,
    show,
)
