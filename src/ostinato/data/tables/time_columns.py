"""Which columns of a table are its times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ostinato.data.requirements import require
from ostinato.data.tables.cells import kind_of_column
from ostinato.data.tables.dates import FORMATS, REGULAR, find_dates, sounds_like_time
from ostinato.data.tables.forms import month_numbers
from ostinato.data.tables.numbers import NumberStyle, read_numbers
from ostinato.data.tables.reader import Reader
from ostinato.data.tables.settings import words
from ostinato.data.tables.table import Table, check_columns, is_text
from ostinato.data.tables.times import (
    EMPTY,
    Times,
    dates_in_digits,
    formats_for,
    times_of,
    whole_times,
)
from ostinato.data.timeline import regularity
from ostinato.errors import ArgumentError

# Columns that are called by times, from which on the table is taken to lie on its side.
_SIDEWAYS = 4
_CLOCK = (
    r"^\s*[0-9]{1,2}(:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?|\.[0-9]{2}\.[0-9]{2})"
    r"\s*([AaPp]\.?[Mm]\.?)?\s*$"
)
# The parts of a date as columns of their own are called, from years to seconds.
_PARTS = (
    ("year", "yr", "yyyy", "jahr"),
    ("month", "mon", "mo", "mm"),
    ("day", "dom", "dd", "mday"),
    ("hour", "hr", "hh"),
    ("minute", "min"),
    ("second", "sec"),
)
_TOTAL = re.compile(
    r"(grand |sub)?-?(total|sum|summe|gesamt|average|mean|totals)\s*:?", re.IGNORECASE
)


def find_times(
    reader: Reader, table: Table, wanted: str | None, taken: Iterable[str] = ()
) -> Times | None:
    """The times of a table: of the columns ``wanted`` (``a`` or ``a,b``), or of the first of dates.

    None for ``""``, and where there is none. Raises ArgumentError for a cell that is no time where
    most are, and for dates that can be read in several ways.
    """
    if wanted == "":
        return None
    if wanted is not None:
        names = [wanted] if wanted in table.columns else words(wanted)
        check_columns(names, table, "time", table.name)
        return times_of(reader, table, names)
    left = [name for name in table.columns if name not in set(taken)]
    first = _first_dates(reader, table, left)
    if first is not None:
        clock = _clock_beside(table, first, left)
        return times_of(reader, table, [first, clock] if clock else [first])
    parts = _parts(table, left)
    if len(parts) > 1:
        return times_of(reader, table, parts)
    for name in left:
        found = dates_in_digits(reader, table, name)
        if found is not None:
            return whole_times(table, (name,), found)
    for name in left:
        if sounds_like_time(name) and _counts_on(table[name]):
            return Times((name,), read_numbers(table[name], NumberStyle()).values)
    _refuse_unread(reader, table, left)
    return None


def _refuse_unread(reader: Reader, table: Table, names: Sequence[str]) -> None:
    """Raise ArgumentError for a column of texts that is called as times are and has none."""
    for name in names:
        column = table[name]
        if (
            is_text(column)
            and sounds_like_time(name)
            and kind_of_column(column.to_list())
            not in (
                "",
                "number",
            )
        ):
            form = reader.settings.date_format
            raise ArgumentError(
                table.column(name),
                wanted=f"dates as {form}" if form else "dates in a form that is known",
                got=table.cells(name, [0]),
                remedy="Name their form (--date-format), another column (--time), or take the rows "
                'as they come: --time "".',
            )


def refuse_sideways(table: Table) -> None:
    """Raise ArgumentError for a table without times whose columns are called by them."""
    polars = require("polars", "series")
    names = polars.Series([name for name in table.columns if re.search("[0-9]{4}", name)])
    if len(names) < _SIDEWAYS or 2 * len(names) < len(table.columns):
        return
    for dates in find_dates(names, (*FORMATS, "%Y", "%Y%m", "%Y%m%d")):
        if dates.whole and regularity(dates.read.times) >= REGULAR:
            raise ArgumentError(
                table.name,
                wanted="a row for each time",
                got=f"columns that are times, {names[0]} to {names[-1]}",
                remedy="Turn the table: a row for each time, a column for each series. To take the "
                'rows as steps all the same: --time "".',
            )


def _counts_on(column: Any) -> bool:
    """Whether a column has numbers that only rise, in regular steps but for gaps."""
    numbers = read_numbers(column, NumberStyle())
    values = numbers.values
    if numbers.bad.any() or np.isnan(values).any() or len(values) < 3:
        return False
    return bool((np.diff(values) > 0).all()) and regularity(values) >= REGULAR


def _first_dates(reader: Reader, table: Table, names: Sequence[str]) -> str | None:
    """The first column of dates, one with a date in nearly every row first."""
    sparse: list[str] = []
    for name in names:
        column = table[name]
        if not is_text(column):
            if str(column.dtype).startswith("Date"):
                return name
            continue
        if not column.str.contains("[0-9]").any():
            continue
        found = find_dates(column, formats_for(reader, FORMATS))
        if found and found[0].empty.mean() <= EMPTY:
            return name
        sparse += [name] if found else []
    return sparse[0] if sparse else None


def _clock_beside(table: Table, first: str, names: Sequence[str]) -> str | None:
    """A column of hours that tells the rows of one date apart."""
    if not is_text(table[first]) or table[first].n_unique() == len(table):
        return None
    if table[first].str.contains(":[0-9]{2}").any():
        return None
    for name in names:
        if name == first:
            continue
        column = table[name]
        if is_text(column) and column.null_count() == 0 and column.str.contains(_CLOCK).all():
            return name
        if name.lower() in _PARTS[3] and _small_numbers(column, 24):
            return name
    return None


def _small_numbers(column: Any, most: int) -> bool:
    numbers = read_numbers(column, NumberStyle())
    values = numbers.values
    return not numbers.bad.any() and bool(
        ((values >= 0) & (values <= most) & (values == np.rint(values))).all()
    )


def _month_names(column: Any) -> bool:
    return is_text(column) and column.null_count() == 0 and not (month_numbers(column) < 0).any()


def _parts(table: Table, names: Sequence[str]) -> list[str]:
    """The columns of years, months, and so on, as far as one follows the other."""
    found: list[str] = []
    for part in _PARTS:
        name = next((name for name in names if name.strip().lower() in part), None)
        if name is None or not (_small_numbers(table[name], 9999) or _month_names(table[name])):
            break
        found.append(name)
    return found


def clocks_back(times: np.ndarray) -> bool:
    """Whether double times (M8[us]) are those of an hour that autumn repeats on one night."""
    days = np.unique(times.astype("M8[D]"))
    hours = (times - times.astype("M8[D]")).astype("m8[h]").astype(np.int64)
    months = days.astype("M8[M]").astype(np.int64) % 12 + 1
    sunday = (days.astype(np.int64) + 3) % 7 == 6
    return bool(sunday.all() and np.isin(months, (3, 4, 10, 11)).all() and (hours <= 3).all())


def refuse_totals(table: Table, names: Iterable[str]) -> None:
    """Raise ArgumentError for a last row that sums up the others, by the word in it."""
    last = len(table) - 1
    for name in names:
        cell = table[name][last]
        if isinstance(cell, str) and _TOTAL.fullmatch(cell.strip()):
            raise ArgumentError(
                table.column(name),
                wanted="a row for each time, and none that sums them up",
                got=table.cells(name, [last]),
                remedy="Leave the row out.",
            )
