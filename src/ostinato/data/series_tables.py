"""Series from tables: rows with their times, brought to a grid that has all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import final

import numpy as np

from ostinato.data.clock import Clock, in_words
from ostinato.data.grids import Timeline
from ostinato.data.known import CALENDAR, KnownInputs
from ostinato.data.requirements import require
from ostinato.data.series import Series, label
from ostinato.data.series_columns import Columns, choose_columns
from ostinato.data.tables.dates import sounds_like_time
from ostinato.data.tables.reader import Reader
from ostinato.data.tables.table import Table, check_columns, is_text
from ostinato.data.tables.time_columns import (
    clocks_back,
    find_times,
    refuse_sideways,
    refuse_totals,
)
from ostinato.data.tables.times import Times
from ostinato.data.timeline import place_on_timeline
from ostinato.errors import ArgumentError


@final
@dataclass(frozen=True, eq=False)
class Observed:
    """What a file has of series, at the times that it names: one of each, rising.

    ``values`` [U, C] and ``known`` [U, S, K] as in `Series`; ``source`` and ``row``, which
    names the row of a time, are for errors. ``times`` are whole numbers where the rows are steps
    as they come.
    """

    times: np.ndarray
    values: np.ndarray
    columns: tuple[str, ...]
    names: tuple[str, ...]
    clock: Clock | None
    known: np.ndarray | None
    inputs: KnownInputs
    source: str
    row: Callable[[int], str]

    key: str = "series"

    def series(self) -> Series:
        """The series on the grid of its times."""
        if len(self.times) < 2:
            raise ArgumentError(self.source, wanted="at least two times", got=str(len(self.times)))
        timeline, numbers = place_on_timeline(self.times, self.source, self.row)
        return on_grid(self, timeline, numbers)


def on_grid(observed: Observed, timeline: Timeline, numbers: np.ndarray) -> Series:
    """Observed values on the grid on which their times have these numbers [U], rising from 0."""
    count = int(numbers[-1]) + 1
    values = np.full((count, len(observed.columns)), np.nan)
    values[numbers] = observed.values
    known = None
    if observed.known is not None:
        known = np.zeros((count, *observed.known.shape[1:]))
        known[numbers] = observed.known
        # steps with nothing but what is known are still to come
        seen = np.flatnonzero((~np.isnan(values)).any(axis=1))
        count = int(seen[-1]) + 1 if len(seen) else count
    return Series(
        values[:count],
        observed.columns,
        timeline.times(0, count),
        observed.clock,
        observed.names,
        known,
        observed.inputs,
        observed.key,
    )


def read_series(
    path: str | PathLike[str],
    *,
    time: str | None = None,
    columns: Sequence[str] = (),
    series: Sequence[str] = (),
    known: Sequence[str] = (),
    reader: Reader | None = None,
) -> Series:
    """Columns of a table (CSV and its like, Parquet, JSON lines) as a series, or as many.

    Args:
        path: the file.
        time: the column of times: dates in any usual form, or numbers; or several, a date and a
            time of day, or a year, a month and so on, as in ``"date,time"``. None takes the first
            column of dates; with ``""``, and where there is none, the rows are the steps as they
            come.
        columns: the columns to take; by default all that hold numbers and are quantities.
        series: the columns that name the series that a row belongs to, for a file of many.
        known: columns that are known ahead, and ``"calendar"``: what a model may read of a step
            before it tells it. Rows without values after the last one are steps to come.
        reader: how the file is read, and where what is decided about it is said.

    The rule of gaps: rows are sorted by time; times that the grid has (`place_on_timeline`) and the
    file lacks become steps without values; an empty field, null or NaN is a missing value. Nothing
    is filled in. Raises ArgumentError for a path or a name of a column that is wrong, with what is
    near; for a cell that is no number or no time where most are, by column and row; for what can be
    read in two ways; and for times that are missing, double, or not on the grid.
    """
    reader = reader or Reader()
    return observe(path, time, columns, series, known, reader).series()


def observe(
    path: str | PathLike[str],
    time: str | None,
    columns: Sequence[str],
    series: Sequence[str],
    known: Sequence[str],
    reader: Reader,
    *,
    before: Series | None = None,
) -> Observed:
    """What a file has, at the times that it names; as ``before`` had it where that is given.

    Raises ArgumentError as `read_series` does.
    """
    table = reader.table(path)
    inputs = [name for name in known if name != CALENDAR or name in table.columns]
    check_columns(series, table, "series", table.name)
    check_columns(inputs, table, "known", table.name)
    times = find_times(reader, table, time, [*series, *columns, *inputs])
    if times is None and time is None:
        refuse_sideways(table)
    _say_times(reader, table, times)
    taken = [*series, *inputs, *(times.names if times else ())]
    chosen = choose_columns(reader, table, columns, taken)
    spec = KnownInputs.fit(table, known, chosen.style) if before is None else before.inputs
    _check_calendar(spec, times)
    keys, names = _keys(reader, table, series, before)
    read = _Read(table, times, keys, names, tuple(series))
    return _pivoted(read, chosen, spec, None if before is None else before.clock)


def _say_times(reader: Reader, table: Table, times: Times | None) -> None:
    reader.found["time"] = ",".join(times.names) if times else ""
    if times is None:
        refuse_totals(table, [name for name in table.columns if is_text(table[name])])
    else:
        decided = {"date_format": times.format} if times.format else {}
        reader.say(f"{table.name}: {times.summary()}", **decided)


def _check_calendar(spec: KnownInputs, times: Times | None) -> None:
    if spec.calendar and (times is None or times.values.dtype.kind != "M"):
        raise ArgumentError(
            "known", wanted="dates, of which the calendar tells", got="rows or numbers as times"
        )


def _keys(
    reader: Reader, table: Table, series: Sequence[str], before: Series | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The number [R] of the series of each row, and their names; -1 for one not known before."""
    if not series:
        return np.zeros(len(table), dtype=np.int64), ()
    polars = require("polars", "series")
    texts = table[series[0]].cast(polars.String).fill_null("")
    for name in series:
        column = table[name]
        if column.null_count():
            place = int(column.is_null().arg_true()[0])
            raise ArgumentError(
                table.column(name),
                wanted="a series in every row",
                got=f"none in {table.row(place)}",
            )
    for name in series[1:]:
        texts = texts + " / " + table[name].cast(polars.String)
    different = tuple(texts.unique(maintain_order=True))
    names = different if before is None else before.names
    numbers = {name: number for number, name in enumerate(names)}
    new = [name for name in different if name not in numbers]
    if len(new) == len(different):
        raise ArgumentError(
            "series", wanted=f"one of {', '.join(names[:8])}", got=", ".join(new[:8])
        )
    if new:
        shown = ", ".join(new[:8]) + (f" and {len(new) - 8:,} more" if len(new) > 8 else "")
        reader.say(f"{table.name}: passed over, as the run does not know them: {shown}")
    return np.array([numbers.get(text, -1) for text in texts]), names


@final
@dataclass(frozen=True, eq=False)
class _Read:
    """The rows of a table: their times, the number of the series of each, and all their names."""

    table: Table
    times: Times | None
    keys: np.ndarray
    names: tuple[str, ...]
    series: tuple[str, ...]

    @property
    def source(self) -> str:
        """What errors about times call the file."""
        if self.times is None:
            return self.table.name
        return f"column {', '.join(self.times.names)} of {self.table.name}"


def _pivoted(read: _Read, chosen: Columns, spec: KnownInputs, clock: Clock | None) -> Observed:
    """Rows put side by side by their series, one row for each time."""
    local = None if clock is None else clock.local
    grid, clock = (_counted(read.keys), None) if read.times is None else read.times.by(local)
    known = spec.encode(read.table, chosen.style)
    there = np.flatnonzero(read.keys >= 0)
    order = there[np.lexsort((read.keys[there], grid[there]))]
    _refuse_double(read, grid, order)
    unique, first, place = np.unique(grid[order], return_index=True, return_inverse=True)
    count, keys = max(1, len(read.names)), read.keys[order]
    filled = np.full((len(unique), count, len(chosen.names)), np.nan)
    filled[place, keys] = chosen.values[order]
    ahead = np.zeros((len(unique), count, known.shape[1]))
    ahead[place, keys] = known[order]
    labels = [label(name, target) for name in read.names for target in chosen.names]
    return Observed(
        times=unique,
        values=filled.reshape(len(unique), -1),
        columns=tuple(labels) or chosen.names,
        names=read.names,
        clock=clock,
        known=ahead if spec.columns else None,
        inputs=spec,
        source=read.source,
        row=lambda number: read.table.row(int(order[first[number]])),
        key=", ".join(read.series) or "series",
    )


def _counted(keys: np.ndarray) -> np.ndarray:
    """The number [R] of each row among those of its series."""
    seen: dict[int, int] = {}
    numbers = np.zeros(len(keys), dtype=np.int64)
    if not keys.any():
        return np.arange(len(keys))
    for row, key in enumerate(keys.tolist()):
        numbers[row] = seen.get(key, 0)
        seen[key] = int(numbers[row]) + 1
    return numbers


def _refuse_double(read: _Read, grid: np.ndarray, order: np.ndarray) -> None:
    """Raise ArgumentError for two rows of one time, with what may tell them apart."""
    times, keys = grid[order], read.keys[order]
    double = np.flatnonzero((times[1:] == times[:-1]) & (keys[1:] == keys[:-1]))
    if read.times is None or not len(double):
        return
    one, two = (int(order[double[0] + step]) for step in (0, 1))
    of = f" of {read.names[read.keys[one]]}" if read.names else ""
    raise ArgumentError(
        read.source,
        wanted=f"one row for each time{of}",
        got=f"two for {in_words(grid[one])}, {read.table.row(one)} and {read.table.row(two)}",
        remedy=_apart(read, read.times, grid, times[double]),
    )


def _apart(read: _Read, times: Times, grid: np.ndarray, double: np.ndarray) -> str:
    """What to do about times that come twice."""
    if grid.dtype.kind == "M" and not times.zoned and clocks_back(double):
        return (
            "It is the hour that the end of summer time repeats: write the offset beside the "
            "times, as in 2024-10-27T02:00+01:00, or leave one of them out."
        )
    if not read.names:
        for name in read.table.columns:
            if name not in times.names and _tells_apart(read.table, name, grid):
                if sounds_like_time(name):
                    return (
                        f"If {name} tells the time of day: --time {','.join(times.names)},{name}."
                    )
                return f"If {name} names several series: --series {name}."
    return "Leave one of them out, or name the column that tells them apart: --series."


def _tells_apart(table: Table, name: str, grid: np.ndarray) -> bool:
    """Whether no two rows have one time and one value of a column with few values."""
    column = table[name]
    if column.dtype.is_float() or column.dtype.is_nested() or column.null_count():
        return False
    values = column.rank("dense").to_numpy().astype(np.int64)
    if values.max() > max(2, len(values) // 2):
        return False
    pairs = np.stack([np.unique(grid, return_inverse=True)[1], values], axis=1)
    return len(np.unique(pairs, axis=0)) == len(pairs)
