"""Series: numbers at equally spaced times, with gaps, from tables or from arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any, final

import numpy as np

from ostinato.data.requirements import require
from ostinato.data.tables import check_columns, first_row, is_text, read_table
from ostinato.data.timeline import Timeline, in_words, place_on_timeline
from ostinato.errors import ArgumentError, ShapeError

# Words that stand for a missing number in CSV files, beside the empty field.
MISSING = ("NA", "N/A", "NaN", "nan", "null", "NULL", "None", ".", "-")


@final
@dataclass(frozen=True, eq=False)
class Series:
    """Values [N, C] at N equally spaced times, C columns; NaN where a value is missing.

    ``times`` [N] are dates (datetime64) or numbers. Raises ShapeError where the sizes disagree, and
    ArgumentError for fewer than two steps and for infinite values.
    """

    values: np.ndarray
    columns: tuple[str, ...]
    times: np.ndarray

    def __post_init__(self) -> None:
        wanted = (len(self.times), len(self.columns))
        if self.values.shape != wanted:
            raise ShapeError(
                "values",
                wanted=f"{list(wanted)}, times by columns",
                got=str(list(self.values.shape)),
                remedy="A single column is [N, 1].",
            )
        if len(self) < 2:
            raise ArgumentError("times", wanted="at least two steps", got=str(len(self)))
        if np.isinf(self.values).any():
            row, column = np.argwhere(np.isinf(self.values))[0]
            raise ArgumentError(
                f"column {self.columns[column]}",
                wanted="finite numbers",
                got=f"{self.values[row, column]} at {in_words(self.times[row])}",
                remedy="Leave out what is missing.",
            )

    def __len__(self) -> int:
        """Steps N."""
        return len(self.times)

    @property
    def seen(self) -> np.ndarray:
        """bool [N, C]: which values are there."""
        return ~np.isnan(self.values)

    @cached_property
    def timeline(self) -> Timeline:
        """The grid of the times."""
        return place_on_timeline(self.times, "times")[0]

    def future(self, count: int) -> np.ndarray:
        """The ``count`` times after the last one."""
        return self.timeline.times(len(self), count)

    def summary(self) -> str:
        """The size in words."""
        lacking = int((~self.seen).sum())
        gaps = f"; {lacking:,} of {self.values.size:,} values are missing" if lacking else ""
        first, last = in_words(self.times[0]), in_words(self.times[-1])
        return (
            f"{len(self):,} steps of {self.timeline} from {first} to {last}, "
            f"{', '.join(self.columns)}{gaps}"
        )


def read_series(
    path: str | PathLike[str],
    *,
    time: str | None = None,
    columns: Sequence[str] = (),
) -> Series:
    """Columns of a CSV, TSV, Parquet or JSON-lines file as a series.

    Args:
        path: the file.
        time: the column of times: dates, dates with hours (UTC where they name a zone), months
            such as 1958-03, or numbers. None takes the first column of dates; with ``""``, and
            where there is none, the rows are the steps as they come.
        columns: the columns to take; by default all that hold numbers.

    The rule of gaps: rows are sorted by time; the step is the median distance of successive times,
    by the calendar for dates that go by months; times that the grid has and the file lacks become
    steps without values; an empty field, null or NaN is a missing value. Nothing is filled in.
    Raises ArgumentError for a path or a name of a column that is wrong, with what is near, for a
    column without numbers, and for times that are missing, double, or not on the grid.
    """
    table = read_table(path, missing=MISSING)
    if time is None:
        time = _first_dates(table)
    check_columns([time] if time else [], table, "time", path)
    names = tuple(columns) or _numeric(table, time)
    check_columns(names, table, "columns", path)
    for name in names:
        _check_numbers(table[name], path)
    if not names:
        raise ArgumentError("columns", wanted="a column of numbers", got=", ".join(table.columns))
    values = np.stack([table[name].cast(float).to_numpy() for name in names], axis=1)
    times = _times(table[time], path) if time else np.arange(len(values))
    return _regular(times, values, names, f"column {time} of {path}")


def _regular(times: np.ndarray, values: np.ndarray, names: tuple[str, ...], source: str) -> Series:
    """The values put on a grid of times that has all of them."""
    order = np.argsort(times, kind="stable")
    times = times[order]
    double = times[1:] == times[:-1]
    if double.any():
        raise ArgumentError(
            source,
            wanted="one row for each time",
            got=f"two for {in_words(times[1:][double][0])}",
            remedy="Several series in one file go into columns of their own (polars: pivot).",
        )
    if len(times) < 2:
        raise ArgumentError(source, wanted="at least two times", got=str(len(times)))
    timeline, numbers = place_on_timeline(times, source)
    filled = np.full((int(numbers[-1]) + 1, len(names)), np.nan)
    filled[numbers] = values[order]
    return Series(filled, names, timeline.times(0, len(filled)))


def _numeric(table: Any, time: str) -> tuple[str, ...]:
    dtypes = zip(table.columns, table.dtypes, strict=True)
    return tuple(name for name, dtype in dtypes if dtype.is_numeric() and name != time)


def _check_numbers(column: Any, path: str | PathLike[str]) -> None:
    # a column of nulls alone has a type of its own
    if not column.dtype.is_numeric() and column.null_count() < len(column):
        raise ArgumentError(
            f"column {column.name} of {path}",
            wanted="numbers",
            got=f"{column.dtype}, such as {column.drop_nulls()[0]!r}",
            remedy=f"A missing value is an empty field or one of {', '.join(MISSING)}.",
        )


def _times(column: Any, path: str | PathLike[str]) -> np.ndarray:
    if column.null_count():
        raise ArgumentError(
            f"column {column.name} of {path}",
            wanted="a time in every row",
            got=f"none in row {first_row(column.is_null())}",
        )
    if column.dtype.is_numeric():
        return column.to_numpy().astype(np.float64)
    dates = _dates(column)
    if dates is None or dates.null_count():
        row = 1 if dates is None else first_row(dates.is_null())
        raise ArgumentError(
            f"column {column.name} of {path}",
            wanted="dates such as 1958-03-29, 1958-03-29 12:00 or 1958-03, or numbers",
            got=f"{column[row - 1]!r} in row {row}",
        )
    return dates.to_numpy().astype("M8[us]")


def _first_dates(table: Any) -> str:
    """The name of the first column of dates, or nothing."""
    for name in table.columns:
        dates = _dates(table[name])
        if dates is not None and dates.null_count() == table[name].null_count():
            return name
    return ""


def _dates(column: Any) -> Any | None:
    """A column as dates without a zone, null where a text is none; None for other columns."""
    if is_text(column):
        months = column.str.contains(r"^\d{4}-\d{2}$").all()
        try:
            column = (column + "-01" if months else column).str.to_datetime(strict=False)
        except require("polars.exceptions", "series").PolarsError:  # nothing like a date in it
            return None
    if not str(column.dtype).startswith("Date"):
        return None
    if getattr(column.dtype, "time_zone", None):
        return column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column
