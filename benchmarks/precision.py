"""The standard layers in float64: one training step against torch.nn."""

from __future__ import annotations

import torch

from benchmarks.contestants import LAYERS, SIZES, Layer, Size, check_agreement
from benchmarks.markdown import folded, mean_and_worst, milliseconds, numbers, table, times
from benchmarks.part import Part, Row
from benchmarks.race import Effort, race

HEADINGS = ("layer", "T, B, I, H", "`fused`, ms", "against `torch.nn`")


def measure(effort: Effort) -> list[Row]:
    """A row for each layer and size."""
    return [
        row(name, size, effort) for name in effort.some(list(LAYERS)) for size in effort.some(SIZES)
    ]


def row(name: str, size: Size, effort: Effort) -> Row:
    """Ours and torch's at one size."""
    works = Layer(name, size, torch.float64).training(("fused", "torch"))
    check_agreement(works, tolerance=1e-9)
    found = race(works, effort)
    return {
        "layer": name,
        "size": size,
        "seconds": found.seconds("fused"),
        "faster": found.ratio("fused", "torch"),
    }


def show(rows: list[Row]) -> list[str]:
    """What it comes to, and every size."""
    layers = {name: [row["faster"] for row in rows if row["layer"] == name] for name in LAYERS}
    lines = (
        [row["layer"], numbers(row["size"]), milliseconds(row["seconds"]), times(row["faster"])]
        for row in rows
    )
    return [
        *table(list(layers), [[mean_and_worst(ratios) for ratios in layers.values()]]),
        *folded("Every size", table(HEADINGS, lines)),
    ]


PART = Part(
    "float64",
    "Layers: one training step in float64",
    "Against `torch.nn`: geometric mean, worst size, and all of them.",
    measure,
    show,
)
