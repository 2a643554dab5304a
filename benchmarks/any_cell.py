"""Cells that nobody tuned for, on the fused backend: against their plain loop, and the LSTM."""

from __future__ import annotations

from pathlib import Path
from statistics import geometric_mean

import torch
from torch.utils.flop_counter import FlopCounterMode

import ostinato
from benchmarks import pictures
from benchmarks.cells import CELLS, RELATIVES
from benchmarks.contestants import Size, check_agreement, fused, loop, no_grad, training_step
from benchmarks.markdown import folded, mean_and_worst, milliseconds, numbers, rate, table, times
from benchmarks.part import Part, Row
from benchmarks.race import Effort, race

SIZES: tuple[Size, ...] = (
    (10, 20, 1, 26),
    (100, 32, 64, 64),
    (100, 64, 128, 128),
    (50, 20, 200, 200),
    (200, 1, 128, 128),
)
HEADINGS = (
    "cell", "T, B, I, H", "`fused`, ms", "GFLOP/s", "against the loop", "time of the LSTM",
    "of its GFLOP/s",
)  # fmt: skip


def measure(effort: Effort) -> list[Row]:
    """A row for each cell and size."""
    return [
        row(name, size, effort) for name in effort.some(list(CELLS)) for size in effort.some(SIZES)
    ]


def row(name: str, size: Size, effort: Effort) -> Row:
    """A cell on the fused backend, in its plain loop, and the fused plain LSTM beside it."""
    torch.manual_seed(0)
    num_steps, batch_size, input_size, hidden_size = size
    cell = CELLS[name](input_size, hidden_size)
    lstm = ostinato.cells.LSTM(input_size, hidden_size)
    xs = torch.randn(num_steps, batch_size, input_size, requires_grad=True)
    check(cell, xs)
    dy, dy_lstm = torch.randn_like(loop(cell, xs)), torch.randn(*xs.shape[:2], hidden_size)
    found = race(
        {
            "fused": training_step(lambda: fused(cell, xs), cell, xs, dy),
            "loop": training_step(lambda: loop(cell, xs), cell, xs, dy),
            "lstm": training_step(lambda: fused(lstm, xs), lstm, xs, dy_lstm),
        },
        effort,
    )
    gflops, lstm_gflops = (
        3e-9 * num_steps * operations(c, xs[0].detach()) / found.seconds(contestant)
        for c, contestant in ((cell, "fused"), (lstm, "lstm"))
    )
    return {
        "cell": name,
        "size": size,
        "seconds": {contestant: found.seconds(contestant) for contestant in found.times},
        "loop": found.ratio("fused", "loop"),
        "time of the LSTM": found.ratio("lstm", "fused"),
        "gflops": gflops,
        "rate of the LSTM": gflops / lstm_gflops,
    }


def check(cell: ostinato.Cell, xs: torch.Tensor) -> None:
    """The first steps agree, without noise; later ones may be chaotic, as of layer norm."""
    cell.eval()
    few = xs.detach()[:4]
    check_agreement(
        {"loop": no_grad(lambda: loop(cell, few)), "fused": no_grad(lambda: fused(cell, few))}
    )
    cell.train()


def operations(cell: ostinato.Cell, x: torch.Tensor) -> int:
    """Additions and multiplications in the products of a step, as torch counts them."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        cell(x, cell.initial_state(len(x)))
    return counter.get_total_flops()


def show(rows: list[Row]) -> list[str]:
    """What it comes to for each cell, and every size."""
    names = list(dict.fromkeys(row["cell"] for row in rows))
    by_cell = {name: [row for row in rows if row["cell"] == name] for name in names}
    return [
        *table(
            ["geometric mean, worst", "against the loop", "time of the LSTM", "of its GFLOP/s"],
            [*(summary(name, mine) for name, mine in by_cell.items()), summary("all", rows)],
        ),
        *folded("Every size", table(HEADINGS, map(line, rows))),
    ]


def summary(name: str, rows: list[Row]) -> list[str]:
    """The cell over all sizes."""
    slower = [row["time of the LSTM"][1] for row in rows]
    rates = [row["rate of the LSTM"] for row in rows]
    return [
        name,
        mean_and_worst([row["loop"] for row in rows]),
        f"{geometric_mean(slower):.2f}x, {max(slower):.2f}x",
        f"{geometric_mean(rates):.2f}, {min(rates):.2f}",
    ]


def line(row: Row) -> list[str]:
    """A row of the table."""
    return [
        row["cell"],
        numbers(row["size"]),
        milliseconds(row["seconds"]["fused"]),
        rate(row["gflops"]),
        times(row["loop"]),
        times(row["time of the LSTM"]),
        f"{row['rate of the LSTM']:.2f}",
    ]


def draw(rows: list[Row], path: Path) -> None:
    """How many times faster than its loop each cell is, a series a size."""
    names = list(dict.fromkeys(row["cell"] for row in rows))
    series: dict[str, list[float]] = {}
    for row in rows:
        series.setdefault(numbers(row["size"]), []).append(row["loop"][1])
    pictures.dots({"": (names, series)}, "times faster than the plain loop", path)


PART = Part(
    "cells",
    "Cells that nobody tuned for",
    "A training step of the fused backend against the plain loop over the same cell, and against\n"
    "the fused plain LSTM of the same size: how many times its time, and which share of its\n"
    f"GFLOP/s of products. The first {len(RELATIVES)} are an LSTM with something more; the cells "
    "from the\nminimal gated unit on are plain modules (x, h) -> h in a `Recurrence`.",
    measure,
    show,
    draw,
)
