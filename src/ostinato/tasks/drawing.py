"""Pictures in one style, as PNG files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ostinato.data.pictures import save_picture
from ostinato.data.requirements import require

TRUTH, OURS, FAINT = "#111827", "#c2410c", "#9aa5b1"
COLOURS = ("#c2410c", "#2563eb", "#15803d", "#a21caf", "#b45309", "#0e7490", "#4d7c0f", "#be123c")


@contextmanager
def picture(
    path: Path, rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (8, 5)
) -> Iterator[Any]:
    """Axes [rows][columns] to draw on; the file is there, whole, when the block ends well."""
    figure = require("matplotlib.figure", "train").Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for each in axes.flat:
        each.grid(alpha=0.3)
        each.spines[["top", "right"]].set_visible(False)
    yield axes
    save_picture(figure, path)
