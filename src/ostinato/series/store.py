"""A series kept in a file, and joined with what came after it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.data.arrays import DamagedError, read_arrays
from ostinato.data.clock import Clock, in_words
from ostinato.data.files import atomic
from ostinato.data.known import KnownInputs
from ostinato.data.series import Series
from ostinato.data.series_tables import Observed
from ostinato.data.timeline import check_size
from ostinato.errors import ArgumentError


def save_series(series: Series, path: Path) -> None:
    """Write a series as ``.npz``, whole or not at all."""
    told = {
        "clock": series.clock and asdict(series.clock),
        "names": series.names,
        "inputs": series.inputs.as_dict(),
        "key": series.key,
    }
    arrays: dict[str, Any] = {"values": series.values, "times": series.times}
    if series.known is not None:
        arrays["known"] = series.known
    columns, words = np.array(series.columns, "U"), np.array(json.dumps(told), "U")
    with atomic(path) as file:
        np.savez(file, columns=columns, told=words, **arrays)


def load_series(path: Path) -> Series:
    """Read what `save_series` wrote. Raises ArgumentError for a damaged file."""
    try:
        parts = read_arrays(path, ("values", "columns", "times"), optional=("known", "told"))
        columns, times, known = parts["columns"], parts["times"], parts.get("known")
        if columns.dtype.kind != "U" or times.dtype.kind not in "iufM" or times.ndim != 1:
            raise DamagedError("its columns or times are none")
        if parts["values"].dtype != np.float64 or not (times[:-1] < times[1:]).all():
            raise DamagedError("its values or times are no series")
        if known is not None and (known.dtype.kind != "f" or known.ndim < 2):
            raise DamagedError("what is known of its steps are no numbers")
        made = Series(parts["values"], tuple(columns.tolist()), times, known=known)
        return _told(made, json.loads(str(parts["told"]))) if "told" in parts else made
    # ours for a series that is none, and what JSON that tells something else leads to
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ArgumentError(
            str(path), wanted="the series of a run", got=f"another file ({error})"
        ) from error


def _told(series: Series, told: dict[str, Any]) -> Series:
    """A series with what the file tells of it beside its numbers."""
    clock = told["clock"]
    if clock is not None:
        changes = tuple((str(time), float(minutes)) for time, minutes in clock["changes"])
        clock = Clock(clock["zone"], clock["local"], changes)
    inputs = KnownInputs.from_dict(told["inputs"])
    return replace(series, clock=clock, names=tuple(told["names"]), inputs=inputs, key=told["key"])


def joined(old: Series, newer: Series | Observed, source: str) -> Series:
    """A series gone on with newer values; where both have a value, the newer one counts.

    Rows that are steps as they come, without times, go on after the last one. Raises
    ArgumentError where the columns differ, times of another kind meet, a time is not a step of the
    series or far beyond it, or nothing is newer; ``source`` names what is newer.
    """
    if newer.columns != old.columns:
        raise ArgumentError(
            source, wanted=f"the columns {', '.join(old.columns)}", got=", ".join(newer.columns)
        )
    numbers = _numbers(old, newer, source)
    later = numbers >= 0  # what was before the series is of no use to it
    count = max(len(old), int(numbers[-1]) + 1)
    values = np.full((count, len(old.columns)), np.nan)
    values[: len(old)] = old.values
    given = newer.values[later]
    there = values[numbers[later]]
    values[numbers[later]] = np.where(np.isnan(given), there, given)
    known = _known(old, newer, numbers, count)
    if known is not None:
        seen = np.flatnonzero((~np.isnan(values)).any(axis=1))
        count = int(seen[-1]) + 1
    return replace(
        old,
        values=values[:count],
        times=old.timeline.times(0, count),
        clock=old.clock and newer.clock and old.clock.then(newer.clock, old.times[-1]),
        known=known,
    )


def _numbers(old: Series, newer: Series | Observed, source: str) -> np.ndarray:
    """The number of the step of the old series at which each newer time is."""
    times = newer.times
    if times.dtype.kind != old.times.dtype.kind:
        raise ArgumentError(
            source,
            wanted=f"times such as {old.tell(old.times[-1])}",
            got=in_words(times[0], newer.clock),
        )
    if times.dtype.kind in "iu":
        return np.arange(len(times)) + len(old)
    if (old.clock is None) != (newer.clock is None):
        raise ArgumentError(
            source,
            wanted=f"times {'without' if old.clock is None else 'with'} a zone, as in the run",
            got=in_words(times[0], newer.clock),
        )
    exact = old.timeline.numbers(times)
    off = np.flatnonzero(np.isnan(exact))
    if len(off):
        raise ArgumentError(
            source,
            wanted=f"equally spaced times, {old.timeline} apart as the run has them",
            got=f"{in_words(times[off[0]], newer.clock)}{_row(newer, int(off[0]))}",
        )
    if exact[-1] < len(old) and not _ends_later(old, newer, exact):
        raise ArgumentError(
            source,
            wanted=f"values after {old.tell(old.times[-1])}, where the run's series ends",
            got=f"an end at {in_words(times[-1], newer.clock)}",
        )
    _refuse_far(old, newer, exact, source)
    return exact.astype(np.int64)


def _ends_later(old: Series, newer: Series | Observed, numbers: np.ndarray) -> bool:
    return newer.known is not None and numbers[-1] >= len(old)


def _refuse_far(old: Series, newer: Series | Observed, numbers: np.ndarray, source: str) -> None:
    fresh = numbers >= len(old)
    known = np.arange(len(old), dtype=float)
    times = np.concatenate([old.times, newer.times[fresh]])
    places = np.flatnonzero(fresh)

    def where(place: int) -> str:
        new = place - len(old)
        return _row(newer, int(places[new])).removeprefix(" in ") if new >= 0 else ""

    check_size(times, np.concatenate([known, numbers[fresh]]), old.timeline, source, where)


def _row(newer: Series | Observed, place: int) -> str:
    return f" in {newer.row(place)}" if isinstance(newer, Observed) else ""


def _known(
    old: Series, newer: Series | Observed, numbers: np.ndarray, count: int
) -> np.ndarray | None:
    """What is known of all steps of both, the newer one first."""
    if old.known is None or newer.known is None:
        return old.known
    known = np.zeros((max(count, len(old.known)), *old.known.shape[1:]))
    known[: len(old.known)] = old.known
    rows = newer.known
    if isinstance(newer, Series):  # whose steps go on beyond its values
        numbers = int(numbers[0]) + np.arange(len(rows))
        known = np.concatenate(
            [known, np.zeros((max(0, numbers[-1] + 1 - len(known)), *known.shape[1:]))]
        )
    later = numbers >= 0
    known[numbers[later]] = rows[later]
    return known
