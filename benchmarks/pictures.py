"""The pictures of the page: small SVG files that come out the same from the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

Series = Mapping[str, Sequence[float]]

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ostinato",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


def dots(panels: Mapping[str, tuple[Sequence[str], Series]], title: str, path: Path) -> None:
    """Labels downwards, a mark for each series, a logarithmic scale of ratios, a line at 1."""
    height = 0.8 + 0.2 * max(len(labels) for labels, _ in panels.values())
    with matplotlib.rc_context(STYLE):
        figure, axes = grid(len(panels), height, sharex=True, sharey=True)
        for axis, (name, (labels, series)) in zip(axes, panels.items(), strict=True):
            for marker, (label, values) in zip("osD^v", series.items(), strict=False):
                axis.plot(values, labels, marker, label=label, markersize=4)
            axis.axvline(1, color="black", linewidth=0.8)
            scale(axis.set_xscale, axis.xaxis)
            axis.set_title(name)
            axis.set_xlabel(title)
        axes[0].invert_yaxis()
        save(figure, axes[0], path)


def lines(panels: Mapping[str, tuple[Sequence[float], Series]], title: str, path: Path) -> None:
    """Values to numbers, a line for each series, both scales logarithmic."""
    with matplotlib.rc_context(STYLE):
        figure, axes = grid(len(panels), 2.4, sharey=True)
        for axis, (name, (values, series)) in zip(axes, panels.items(), strict=True):
            for label, points in series.items():
                axis.plot(values, points, "o-", label=label, markersize=3, linewidth=1)
            scale(axis.set_xscale, axis.xaxis)
            scale(axis.set_yscale, axis.yaxis)
            axis.set_xlabel(name)
        axes[0].set_ylabel(title)
        save(figure, axes[0], path)


def grid(count: int, height: float, **shared: bool) -> tuple[Any, list[Any]]:
    """A figure with so many panels side by side. No window is opened for it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height + 0.4), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False, **shared)[0])


def scale(choose: Any, axis: Any) -> None:
    """A logarithmic scale with plain numbers on it."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    choose("log")
    axis.set_major_locator(LogLocator(subs=(1, 3)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def save(figure: Any, axis: Any, path: Path) -> None:
    """With the legend of the first panel, below all."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
