"""The times in columns of a table, and the clock that tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from ostinato.data.clock import Clock
from ostinato.data.requirements import require
from ostinato.data.tables.dates import (
    DIGITS,
    FORMATS,
    REGULAR,
    Dates,
    allowed_formats,
    choose_dates,
    find_dates,
    refuse_dates,
    sounds_like_time,
)
from ostinato.data.tables.forms import EPOCHS, EXCEL, check_format
from ostinato.data.tables.numbers import NumberStyle, read_numbers
from ostinato.data.tables.reader import Reader
from ostinato.data.tables.table import Table, is_text
from ostinato.data.timeline import regularity
from ostinato.errors import ArgumentError

# Microseconds.
_ALMOST_A_DAY = 23 * 3_600_000_000
# Share of rows without a date, up to which a column of dates is still taken for the times.
EMPTY = 0.1
# Between these years a number may be a date without being named so.
_FIRST, _LAST = np.datetime64("1600-01-01", "us"), np.datetime64("2200-01-01", "us")
# What joins each part to those before it.
_JOINTS = ("", "-", "-", " ", ":", ":")


@final
@dataclass(frozen=True, eq=False)
class Times:
    """The time of each row: M8[us] as a clock shows it, or numbers.

    ``offsets`` are minutes from UTC, NaN where the file names none; ``zone`` is the name of a zone
    that a typed file has, whose times are then UTC. ``names`` are the columns, ``format`` the form.
    """

    names: tuple[str, ...]
    values: np.ndarray
    offsets: np.ndarray | None = None
    zone: str | None = None
    format: str = ""
    reason: str = ""

    def summary(self) -> str:
        """Where the times are, and how they are read, in words."""
        form = f", as {self.format}" if self.format else ""
        reason = f" ({self.reason})" if self.reason else ""
        return f"the times are in {', '.join(self.names)}{form}{reason}"

    @property
    def zoned(self) -> bool:
        """Whether the times have a zone."""
        return self.zone is not None or self.offsets is not None

    def by(self, local: bool | None = None) -> tuple[np.ndarray, Clock | None]:
        """The times to be put on a grid, and the clock that tells them.

        Steps shorter than a day are even in UTC, and longer ones by the clock on the wall;
        ``local`` says which.
        """
        if not self.zoned:
            return self.values, None
        universal = self.values
        if self.offsets is not None:
            universal = universal - (self.offsets * 60).astype(np.int64).astype("m8[s]")
        if local is None:
            steps = np.diff(np.unique(universal))
            # a day by the clock may have 23 hours
            local = len(steps) == 0 or bool(np.median(steps.astype(np.int64)) >= _ALMOST_A_DAY)
        if self.offsets is None:
            assert self.zone is not None
            shown = Clock(self.zone, local=False).shown(universal) if local else universal
            return shown, Clock(self.zone, local=local)
        grid = self.values if local else universal
        if self.format in EPOCHS or not self.offsets.any():
            return grid, Clock("Z", local=local)
        return grid, Clock.of(grid, self.offsets, local=local)


def formats_for(reader: Reader, formats: Sequence[str]) -> Sequence[str]:
    """The forms to be tried: the user's alone, or all."""
    given = reader.settings.date_format
    return formats if given is None else (check_format(given).format,)


def times_of(reader: Reader, table: Table, names: Sequence[str]) -> Times:
    """The times of columns that are known to have them: one, or a date and a time, or a year, a
    month and so on.

    Raises ArgumentError for a cell that is none, and for dates that can be read in several ways.
    """
    column = table[names[0]]
    if len(names) == 1 and not is_text(column):
        if str(column.dtype).startswith("Date"):
            return _typed(table, names[0])
        if not column.dtype.is_numeric():
            raise ArgumentError(
                table.column(names[0]),
                wanted="dates such as 1958-03-29, 1958-03-29 12:00 or 1958-03, or numbers",
                got=str(column.dtype),
            )
    if len(names) == 1:
        _refuse_empty(table, names[0])
        return _one_column(reader, table, names[0])
    return _joined(reader, table, names)


def _refuse_empty(table: Table, name: str) -> None:
    column = table[name]
    empty = column.is_null()
    if is_text(column):
        empty = empty | (column.str.strip_chars() == "").fill_null(True)
    if empty.any():
        raise ArgumentError(
            table.column(name),
            wanted="a time in every row",
            got=f"none in {table.row(int(empty.arg_true()[0]))}",
            remedy="Leave such rows out.",
        )


def _typed(table: Table, name: str) -> Times:
    _refuse_empty(table, name)
    column, zone = table[name], getattr(table[name].dtype, "time_zone", None)
    if zone:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    zone = "Z" if zone in ("UTC", "GMT", "Etc/UTC") else zone
    return Times((name,), column.to_numpy().astype("M8[us]"), zone=zone)


def _one_column(reader: Reader, table: Table, name: str) -> Times:
    texts = _as_texts(table[name])
    usual = reader.usual.date_format
    if usual is not None and reader.settings.date_format is None:
        known = find_dates(texts, [usual])
        if known and known[0].whole:
            return whole_times(table, (name,), known[0])
    found = find_dates(texts, formats_for(reader, FORMATS))
    if found:
        return _decided(reader, table, (name,), found)
    found = dates_in_digits(reader, table, name, named=True)
    if found is not None:
        return _decided(reader, table, (name,), [found])
    numbers = read_numbers(texts, NumberStyle())
    if numbers.bad.any() or np.isnan(numbers.values).any():
        wrong = numbers.bad | np.isnan(numbers.values)
        given = reader.settings.date_format
        raise ArgumentError(
            table.column(name),
            wanted=f"dates as {given}"
            if given
            else "dates such as 1958-03-29, 1958-03-29 12:00 or 1958-03, or numbers",
            got=table.cells(name, np.flatnonzero(wrong).tolist()),
            remedy="Name the form in which they are written: --date-format.",
        )
    return Times((name,), numbers.values)


def _as_texts(column: Any) -> Any:
    if is_text(column):
        return column
    polars = require("polars", "series")
    whole = column.cast(polars.Float64) == column.cast(polars.Float64).round()
    if column.dtype.is_float() and whole.all():
        column = column.cast(polars.Int64)
    return column.cast(polars.String)


def dates_in_digits(
    reader: Reader, table: Table, name: str, *, named: bool = False
) -> Dates | None:
    """A column of mere numbers as dates, where they make regular steps as such and its name or
    their order says that they are times."""
    column = table[name]
    if not is_text(column) and not column.dtype.is_numeric():
        return None
    texts = _as_texts(column).str.replace(r"^\s*([0-9]{4})\.0+\s*$", "$1")
    given = reader.settings.date_format
    if given is not None and given not in (*DIGITS, EXCEL):
        return None
    digits = texts.str.strip_chars().str.contains(r"^[0-9]{4,19}(\.[0-9]+)?$").fill_null(False)
    if digits.mean() <= 1 - EMPTY:
        return None
    formats = allowed_formats(name) if given is None else [given]
    found = [dates for dates in find_dates(texts, formats) if dates.bad.mean() <= EMPTY]
    hinted = named or given is not None or sounds_like_time(name)
    likely = [dates for dates in found if _likely(dates, hinted=hinted)]
    if not likely:
        return None
    if not likely[0].whole:
        raise refuse_dates(table, name, likely[0])
    return choose_dates(table, name, likely)


def _likely(dates: Dates, *, hinted: bool) -> bool:
    times = dates.read.times[~np.isnat(dates.read.times)]
    if not len(times) or times.min() < _FIRST or times.max() > _LAST:
        return False
    if len(np.unique(times)) < 3:  # too few to tell of steps
        return hinted or dates.form.format == "%Y%m%d"
    if regularity(times) < REGULAR:
        return False
    steps = np.diff(times)
    zero = np.timedelta64(0, "us")
    return hinted or bool((steps > zero).all() or (steps < zero).all())


def _decided(reader: Reader, table: Table, names: tuple[str, ...], found: Sequence[Dates]) -> Times:
    chosen = choose_dates(table, names[0], found)
    if not chosen.whole:
        raise refuse_dates(table, names[0], chosen)
    return whole_times(table, names, chosen)


def whole_times(table: Table, names: tuple[str, ...], dates: Dates) -> Times:
    """Times of dates that all are read. Raises ArgumentError where one is missing."""
    if dates.empty.any():
        _refuse_empty(table, names[0])
    offsets = dates.read.offsets
    without = np.isnan(offsets)
    if without.all():
        return Times(names, dates.read.times, format=dates.form.format, reason=dates.reason)
    if without.any():
        place = int(without.argmax())
        raise ArgumentError(
            table.column(names[0]),
            wanted="an offset such as +01:00 at every time, or at none",
            got=table.cells(names[0], [place]),
        )
    return Times(names, dates.read.times, offsets, format=dates.form.format, reason=dates.reason)


def _joined(reader: Reader, table: Table, names: Sequence[str]) -> Times:
    """Times of several columns: a date and a time of day, or a year, a month, a day and so on."""
    polars = require("polars", "series")
    for name in names:
        _refuse_empty(table, name)
    columns = [_as_texts(table[name]).str.strip_chars() for name in names]
    years = columns[0].str.contains("^[0-9]{4}$").all()
    joints = _JOINTS if years else ("", " ", " ", " ", " ", " ")
    text = columns[0]
    for column, joint in zip(columns[1:], joints[1:], strict=False):
        text = text + joint + column
    whole = table.frame.with_columns(polars.Series(" ".join(names), text))
    made = Table(table.name, whole, table.lines, table.header)
    times = _one_column(reader, made, " ".join(names))
    if times.values.dtype.kind != "M":
        raise ArgumentError(
            "time", wanted="a date and a time, or a year, a month and so on", got=", ".join(names)
        )
    return replace(times, names=tuple(names))
