"""Pictures of forecasts: the truth, what was said of it, and the interval round that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ostinato.data.pictures import save_picture
from ostinato.data.requirements import require
from ostinato.data.series import Series
from ostinato.series.forecast import Forecast

_TRUTH, _OURS = "#1f2933", "#c2410c"
# Steps of the past that a picture shows, at least, and for each step of the forecast.
_PAST, _PAST_PER_STEP = 24, 3
# Columns that fit below each other; the picture leaves out the others.
_MOST = 8


def draw_forecast(path: Path, series: Series, said: Forecast, title: str) -> None:
    """Draw what comes after a series, a panel for each of its first eight columns, as PNG."""
    past = max(_PAST, _PAST_PER_STEP * len(said.times))
    _draw(path, series, [said], max(0, len(series) - past), title)


def draw_test(path: Path, series: Series, pieces: list[Forecast], title: str) -> None:
    """Draw forecasts of a part that is known, one after another, and the truth, as PNG."""
    first = int(np.searchsorted(series.times, pieces[0].times[0]))
    steps = len(pieces[0].times)
    _draw(path, series, pieces, max(0, first - max(_PAST, steps)), title)


def left_out(series: Series) -> str:
    """What a picture of a series does not show, to be added to its title."""
    count = len(series.columns)
    return f"; the first {_MOST} of {count:,} columns" if count > _MOST else ""


def _draw(path: Path, series: Series, pieces: list[Forecast], first: int, title: str) -> None:
    columns = series.columns[:_MOST]
    size = (8, 1.0 + (3.2 if len(columns) == 1 else 2.0 * len(columns)))
    picture = require("matplotlib.figure", "train").Figure(figsize=size, layout="constrained")
    panels = picture.subplots(len(columns), 1, sharex=True, squeeze=False)[:, 0]
    for column, axes in enumerate(panels):
        times, values = _shown(series, series.times[first:]), series.values[first:, column]
        axes.plot(times, values, color=_TRUTH, marker=".", markersize=3, lw=1, label="truth")
        for number, piece in enumerate(pieces):
            _draw_piece(axes, series, piece, column, named=number == 0)
        axes.set_ylabel(columns[column])
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, loc="upper left", fontsize=9)
    panels[0].set_title(f"{title}{left_out(series)}", loc="left", fontsize=10)
    save_picture(picture, path)


def _shown(series: Series, times: np.ndarray) -> np.ndarray:
    return times if series.clock is None else series.clock.shown(times)


def _draw_piece(axes: Any, series: Series, piece: Forecast, column: int, *, named: bool) -> None:
    times = _shown(series, piece.times)
    axes.fill_between(
        times,
        piece.low[:, column],
        piece.high[:, column],
        color=_OURS,
        alpha=0.2,
        lw=0,
        label="interval" if named else None,
    )
    axes.plot(
        times,
        piece.values[:, column],
        color=_OURS,
        lw=1.5,
        label="forecast" if named else None,
    )
    axes.axvline(times[0], color=_OURS, lw=0.6, ls=":")
