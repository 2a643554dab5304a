"""The curves of a run as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ostinato.data.pictures import save_picture
from ostinato.data.requirements import require
from ostinato.train.report import digits
from ostinato.train.run import Run

# Points of the training curve: a mean of many steps each, as single steps are noise.
_POINTS = 300
# Where the highest value is more times the lowest than this, the axis is logarithmic.
_FAR = 30
# A higher value is drawn as this: the axis of a run that explodes must end at some number.
_HIGHEST = 1e200
_TRAINING, _HELD_OUT, _RATE = "#9aa5b1", "#c2410c", "#2563eb"


def draw_curves(run: Run, figure: str, name: str) -> None:
    """Draw ``curves.png`` of a run from its metrics; ``figure`` is a key of them.

    Above: training (means over steps) and held-out values of the figure, the best one marked, on a
    logarithmic axis where they fall far; a training loss of another kind on an axis of its own.
    Below: the learning rate. Nothing is drawn for a run without metrics.
    """
    records = run.metrics()
    if not records:
        return
    picture = require("matplotlib.figure", "train").Figure(figsize=(8, 6), layout="constrained")
    above, below = picture.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    _draw_figure(above, records, figure)
    above.set_ylabel(name)
    above.set_title(str(run.folder), loc="left", fontsize=10)
    below.plot(*columns(records, "lr"), color=_RATE)
    below.set_ylabel("learning rate")
    below.set_ylim(bottom=0)
    below.set_xlabel("step")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    with run.writing():
        save_picture(picture, run.curves_path)


def _draw_figure(axes: Any, records: list[dict[str, Any]], figure: str) -> None:
    trained, losses = means(*columns(records, figure))
    steps, values = columns(records, f"held_out_{figure}")
    if trained:
        axes.plot(trained, losses, color=_TRAINING, label="training")
    else:
        beside = axes.twinx()
        beside.plot(*means(*columns(records, "loss")), color=_TRAINING)
        beside.set_ylabel("training loss, not comparable", color=_TRAINING)
        beside.spines["top"].set_visible(False)
    if falls_far([*losses, *values]):
        axes.set_yscale("log")
    if steps:
        axes.plot(steps, values, color=_HELD_OUT, marker=".", label="held-out")
        best = min(range(len(values)), key=values.__getitem__)
        axes.plot(steps[best], values[best], "o", color=_HELD_OUT, fillstyle="none", markersize=10)
        axes.annotate(
            digits(values[best]),
            (steps[best], values[best]),
            textcoords="offset points",
            xytext=(0, 12),
            ha="center",
            color=_HELD_OUT,
        )
    axes.legend(frameon=False)


def falls_far(values: Sequence[float]) -> bool:
    """Whether a curve on a linear axis would lie flat at its end."""
    return len(values) > 0 and 0 < min(values) < max(values) / _FAR


def columns(records: Sequence[dict[str, Any]], key: str) -> tuple[list[int], list[float]]:
    """The steps at which records have a value of this key, and the values, to be drawn."""
    there = [record for record in records if key in record]
    return [record["step"] for record in there], [min(record[key], _HIGHEST) for record in there]


def means(steps: Sequence[int], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """The curve as means over neighbouring steps, so that few points are left."""
    size = max(1, -(-len(values) // _POINTS))
    parts = range(0, len(values), size)
    return (
        [sum(steps[i : i + size]) / len(steps[i : i + size]) for i in parts],
        [sum(values[i : i + size]) / len(values[i : i + size]) for i in parts],
    )
