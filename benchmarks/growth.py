"""How the time of a training step grows with T, B and H."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

from benchmarks import pictures
from benchmarks.contestants import Layer, Size
from benchmarks.markdown import table
from benchmarks.part import Part, Row
from benchmarks.race import Effort, race

T, B, H = 100, 32, 128
AXES = {
    "T": (10, 30, 100, 300, 1000, 3000),
    "B": (1, 2, 4, 8, 16, 32, 64, 128, 256),
    "H": (16, 32, 64, 128, 256, 512, 1024),
}
CONTESTANTS = {"fused": "fused", "torch": "torch.nn"}


def measure(effort: Effort) -> list[Row]:
    """A row for each point on each axis."""
    axes = {"T": (2, 4)} if effort.quick else AXES
    return [row(axis, value, effort) for axis, values in axes.items() for value in values]


def row(axis: str, value: int, effort: Effort) -> Row:
    """A fused LSTM and torch's, the other sizes as usual."""
    found = race(Layer("LSTM", size(axis, value)).training(tuple(CONTESTANTS)), effort)
    return {
        "axis": axis,
        "value": value,
        "seconds": {name: found.seconds(name) for name in CONTESTANTS},
    }


def size(axis: str, value: int) -> Size:
    """(T, B, I, H) where one of them is changed, and I = H."""
    t, b, h = (
        value if axis == name else usual for name, usual in zip("TBH", (T, B, H), strict=True)
    )
    return t, b, h, h


def show(rows: list[Row]) -> list[str]:
    """The exponents."""
    axes = list(dict.fromkeys(row["axis"] for row in rows))
    return table(
        ["time grows as", "over", *(f"`{name}`" for name in CONTESTANTS.values())],
        [exponents(axis, [row for row in rows if row["axis"] == axis]) for axis in axes],
    )


def exponents(axis: str, rows: list[Row]) -> list[str]:
    """The slope of the upper half of the points, both scales logarithmic."""
    upper = rows[len(rows) // 2 - 1 :]
    found = [slope(upper, name) for name in CONTESTANTS]
    values = [row["value"] for row in upper]
    return [f"{axis} to the power of", f"{values[0]} to {values[-1]}", *(f"{p:.2f}" for p in found)]


def slope(rows: list[Row], name: str) -> float:
    """The exponent that fits best."""
    values = [math.log(row["value"]) for row in rows]
    seconds = [math.log(row["seconds"][name]) for row in rows]
    return statistics.linear_regression(values, seconds).slope


def draw(rows: list[Row], path: Path) -> None:
    """A panel an axis, a line a contestant."""
    panels = {}
    for axis in dict.fromkeys(row["axis"] for row in rows):
        mine = [row for row in rows if row["axis"] == axis]
        values = [row["value"] for row in mine]
        times = {
            title: [row["seconds"][name] * 1e3 for row in mine]
            for name, title in CONTESTANTS.items()
        }
        panels[axis] = (values, times)
    pictures.lines(panels, "ms a training step", path)


PART = Part(
    "growth",
    "How time grows",
    f"A training step of an LSTM with T = {T}, B = {B} and I = H = {H}, where one of them is "
    "changed\n(I with H). Both scales of the picture are logarithmic.",
    measure,
    show,
    draw,
)
