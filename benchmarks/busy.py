"""A training step while other processes want the same cores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

from benchmarks.contestants import Layer, Size
from benchmarks.markdown import milliseconds, numbers, table, times
from benchmarks.part import Part, Row
from benchmarks.race import Effort, race

SIZES: tuple[Size, ...] = ((10, 20, 1, 26), (100, 32, 64, 64), (100, 64, 128, 128))
CONTESTANTS = {"fused": "`fused`", "torch": "`torch.nn`"}


def measure(effort: Effort) -> list[Row]:
    """A row for each size and number of processes beside."""
    # every step by itself: the longest one tells as much as the usual one
    effort = effort.but(turn=0.0, seconds=2.0)
    counts = (1,) if effort.quick else (0, 1, 2)
    return [row(size, count, effort) for size in effort.some(SIZES) for count in counts]


def row(size: Size, count: int, effort: Effort) -> Row:
    """Both at one size beside so many processes."""
    works = Layer("LSTM", size).training(tuple(CONTESTANTS))
    with spinning(count):
        found = race(works, effort)
    return {
        "size": size,
        "beside": count,
        "median": {name: found.seconds(name) for name in works},
        "longest": {name: found.longest(name) for name in works},
        "faster": found.ratio("fused", "torch"),
    }


@contextmanager
def spinning(count: int) -> Generator[None]:
    """So many processes that do nothing as fast as they can."""
    command = [sys.executable, "-c", "while True: pass"]
    started = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def show(rows: list[Row]) -> list[str]:
    """Every size."""
    lines = (
        [
            numbers(row["size"]),
            str(row["beside"]),
            *(
                f"{milliseconds(row['median'][name])}, {milliseconds(row['longest'][name])}"
                for name in CONTESTANTS
            ),
            times(row["faster"]),
        ]
        for row in rows
    )
    names = (f"{name}, ms: median, longest" for name in CONTESTANTS.values())
    return table(["T, B, I, H", "busy processes", *names, "faster"], lines)


PART = Part(
    "busy",
    "On a busy machine",
    "A training step of an LSTM while other processes spin on the same cores, step by step.",
    measure,
    show,
)
