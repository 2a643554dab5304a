"""How figures are written on the page."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from benchmarks.race import Ratio

NOTHING = "-"
"""In place of a figure that was not measured, because a peer is missing."""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table, and an empty one."""
    lines = [headings, ["---"] * len(headings), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def folded(title: str, lines: Sequence[str]) -> list[str]:
    """Lines that a reader opens when he wants them."""
    return ["<details>", f"<summary>{title}</summary>", "", *lines, "</details>", ""]


def times(ratio: Ratio | None) -> str:
    """A ratio and its middle half: ``1.42x (1.40 to 1.45)``."""
    if ratio is None:
        return NOTHING
    low, median, high = ratio
    digits = 2 if median < 10 else 1
    return f"{median:.{digits}f}x ({low:.{digits}f} to {high:.{digits}f})"


def mean_and_worst(ratios: Sequence[Ratio | None]) -> str:
    """Geometric mean and smallest of medians: ``1.42x, 0.98x``."""
    medians = [ratio[1] for ratio in ratios if ratio is not None]
    if not medians:
        return NOTHING
    return f"{statistics.geometric_mean(medians):.2f}x, {min(medians):.2f}x"


def numbers(size: Sequence[int]) -> str:
    """A size: ``10, 20, 1, 26``."""
    return ", ".join(map(str, size))


def rate(gflops: float) -> str:
    """GFLOP/s, with two digits at least."""
    return f"{gflops:.0f}" if gflops >= 10 else f"{gflops:.1f}"


def milliseconds(seconds: float) -> str:
    """Three digits of it."""
    return f"{seconds * 1e3:.3g}" if seconds < 0.1 else f"{seconds * 1e3:.0f}"
