"""A series kept in a file, and joined with what came after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ostinato.data.arrays import DamagedError, read_arrays
from ostinato.data.files import atomic
from ostinato.data.series import Series
from ostinato.data.timeline import in_words, place_on_timeline
from ostinato.errors import ArgumentError


def save_series(series: Series, path: Path) -> None:
    """Write a series as ``.npz``, whole or not at all."""
    with atomic(path) as file:
        np.savez(
            file, values=series.values, columns=np.array(series.columns, "U"), times=series.times
        )


def load_series(path: Path) -> Series:
    """Read what `save_series` wrote. Raises ArgumentError for a damaged file."""
    try:
        parts = read_arrays(path, ("values", "columns", "times"))
        columns, times = parts["columns"], parts["times"]
        if columns.dtype.kind != "U" or times.dtype.kind not in "iufM" or times.ndim != 1:
            raise DamagedError("its columns or times are none")
        if parts["values"].dtype != np.float64 or not (times[:-1] < times[1:]).all():
            raise DamagedError("its values or times are no series")
        return Series(parts["values"], tuple(columns.tolist()), times)
    except (ValueError, TypeError) as error:  # ours for a series that is none, too
        raise ArgumentError(
            str(path), wanted="the series of a run", got=f"another file ({error})"
        ) from error


def joined(old: Series, newer: Series, source: str) -> Series:
    """A series with all steps of both; where both have one, the newer values count.

    Rows that are steps as they come, without times, go on after the last one. Raises
    ArgumentError where the columns differ, times of another kind meet, the grids do not fit, or
    nothing is newer; ``source`` names what is newer.
    """
    if newer.columns != old.columns:
        raise ArgumentError(
            source,
            wanted=f"the columns {', '.join(old.columns)}",
            got=", ".join(newer.columns),
        )
    if newer.times.dtype.kind != old.times.dtype.kind:
        raise ArgumentError(
            source,
            wanted=f"times such as {in_words(old.times[-1])}",
            got=in_words(newer.times[0]),
        )
    after = newer.times
    if after.dtype.kind in "iu":
        after = after + old.times[-1] + 1
    elif after[-1] <= old.times[-1]:
        raise ArgumentError(
            source,
            wanted=f"values after {in_words(old.times[-1])}, where the run's series ends",
            got=f"an end at {in_words(after[-1])}",
        )
    return _on_one_grid(old, newer.values, after, source)


def _on_one_grid(old: Series, values: np.ndarray, times: np.ndarray, source: str) -> Series:
    kept = ~np.isin(old.times, times)
    all_times = np.concatenate([old.times[kept], times])
    order = np.argsort(all_times, kind="stable")
    timeline, numbers = place_on_timeline(all_times[order], source)
    filled = np.full((int(numbers[-1]) + 1, len(old.columns)), np.nan)
    filled[numbers] = np.concatenate([old.values[kept], values])[order]
    return Series(filled, old.columns, timeline.times(0, len(filled)))
