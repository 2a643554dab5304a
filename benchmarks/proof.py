"""What it costs that the compiler proves itself: the verifier of its passes, and the trial."""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import child
from benchmarks.markdown import table
from benchmarks.part import Part, Row
from benchmarks.race import Effort
from ostinato import cells
from ostinato.backends.call import Call
from ostinato.backends.fused import pipeline, recordings
from ostinato.backends.stepping import FUSED

MADE: dict[str, Callable[[int], cells.GatedCell]] = {
    "RNN": lambda n: cells.Elman(n, n),
    "LSTM": lambda n: cells.LSTM(n, n),
    "GRU": lambda n: cells.GRU(n, n),
    "layer-norm LSTM": lambda n: cells.LSTM(n, n, layer_norm=True),
    "MuFuRu": lambda n: cells.MuFuRu(n, n),
}
SIZES = [("RNN", 64), ("LSTM", 64), ("LSTM", 512), ("GRU", 1024), ("layer-norm LSTM", 64),
         ("MuFuRu", 64)]  # fmt: skip


def measure(effort: Effort) -> list[Row]:
    """A row for each cell and size, each in a process and a cache of its own."""
    rows: list[Row] = []
    for name, size in effort.some(SIZES):
        with tempfile.TemporaryDirectory() as used:
            turns = [child.call(costs, name, size, OSTINATO_CACHE=used + str(i)) for i in range(3)]
        kinds = turns[0]
        rows.append(
            {"cell": name, "size": size}
            | {kind: statistics.median(turn[kind] for turn in turns) for kind in kinds}
        )
    return rows


def costs(name: str, size: int) -> dict[str, float]:
    """Seconds to compile a cell for training, and of these for the verifier and the trial.

    Another cell comes first, so that what all cells share is there.
    """
    spent = {"verify": 0.0, "self_check": 0.0}
    for module, part in ((pipeline, "verify"), (recordings, "self_check")):
        setattr(module, part, timed(getattr(module, part), spent, part))
    begun = 0.0
    for cell in (cells.MGU(3, 4), MADE[name](size)):
        spent |= dict.fromkeys(spent, 0.0)
        width = cell.input_size
        assert width is not None
        xs = torch.randn(4, 3, width)
        # what torch loads for the first backward of a process is no cost of ours
        xs.clone().requires_grad_().sum().backward()
        begun = time.perf_counter()
        taken = FUSED.accept(Call(cell, xs, cell.initial_state(3)))
        assert not isinstance(taken, str), taken
    return {"total": time.perf_counter() - begun, **spent}


def timed(run: Callable[..., Any], spent: dict[str, float], name: str) -> Callable[..., Any]:
    """A function whose time is added up."""

    @functools.wraps(run)
    def wrapper(*args: Any) -> Any:
        start = time.perf_counter()
        try:
            return run(*args)
        finally:
            spent[name] += time.perf_counter() - start

    return wrapper


def show(rows: list[Row]) -> list[str]:
    """Milliseconds, and shares of the whole."""

    def part(row: Row, kind: str) -> str:
        return f"{1000 * row[kind]:.1f} ms, {100 * row[kind] / row['total']:.1f} %"

    lines = (
        [f"{row['cell']}, {row['size']}", f"{row['total']:.2f}", part(row, "verify"),
         part(row, "self_check")]
        for row in rows
    )  # fmt: skip
    return table(["cell, I = H", "compiled in, s", "verified in", "tried in"], lines)


PART = Part(
    "proof",
    "What proof costs",
    "Of the time to compile a new cell for training: the verifier, which follows every plan, and\n"
    "the trial of the compiled loops against the plain one, which is made once on a machine. Each\n"
    "the median of three processes with caches of their own.",
    measure,
    show,
)
