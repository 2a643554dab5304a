"""Which columns of a table are forecast, and why the others are not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from ostinato.data.tables.cells import kind_of_cell
from ostinato.data.tables.dates import DIGITS, REGULAR, find_dates, sounds_like_time
from ostinato.data.tables.numbers import (
    Numbers,
    NumberStyle,
    number_style,
    read_numbers,
    sentinel,
)
from ostinato.data.tables.reader import Reader
from ostinato.data.tables.table import Table, check_columns, is_text
from ostinato.data.tables.way_out import refuse_cells, unit_of
from ostinato.data.timeline import regularity
from ostinato.errors import ArgumentError

# Share of the cells of a column that look like numbers, from which on it is one of numbers.
_MOST = 0.5
_ID = re.compile(
    r"(id|idx|zip|zip.?code|post.?code|rownames|unnamed.*)|.*[_ .-](id|key|code|nr|no)|id[_ .-].*"
)
_CALENDAR = re.compile(
    r"(year|yr|quarter|month|week|weekday|day|dow|doy|day.?of.?(week|month|year)|hour|hr|minute"
    r"|wday|mday|yday|week.?of.?year)",
    re.IGNORECASE,
)
_ID_CASE = re.compile(r".*[a-z](Id|ID|Key|Code)")
# Different values up to which a number is a truth whatever it is called, as in yes_no.
_TRUTH = 2


@final
@dataclass(frozen=True, eq=False)
class Columns:
    """The columns to forecast, and their values [R, C] in the rows of the table."""

    names: tuple[str, ...]
    values: np.ndarray
    style: NumberStyle


def choose_columns(
    reader: Reader, table: Table, wanted: Sequence[str], taken: Iterable[str]
) -> Columns:
    """The columns ``wanted``, or all that hold numbers and are not ``taken`` for something else.

    Left out, and said, are texts, and what is no quantity: what counts the rows, names things, or
    tells the time. Raises ArgumentError for cells that are no numbers where most of a column are,
    and where nothing is left.
    """
    check_columns(wanted, table, "columns", table.name)
    left = list(wanted) or [name for name in table.columns if name not in set(taken)]
    style = number_style(reader, table, [name for name in left if _may_hold_numbers(table, name)])
    read = {name: read_numbers(table[name], style) for name in left}
    if wanted:
        for name in wanted:
            if read[name].bad.any():
                raise refuse_cells(table, name, read[name].bad, style)
        chosen, out = list(wanted), dict[str, str]()
    else:
        chosen, out = _sorted_out(reader, table, read, style)
    _say(reader, table, chosen, out, read)
    values = np.stack([read[name].values for name in chosen], axis=1)
    return Columns(tuple(chosen), values, style)


def _may_hold_numbers(table: Table, name: str) -> bool:
    column = table[name]
    return is_text(column) and bool(column.str.contains("[0-9]").any())


def _sorted_out(
    reader: Reader, table: Table, read: dict[str, Numbers], style: NumberStyle
) -> tuple[list[str], dict[str, str]]:
    """The columns of quantities, and the reason for each other one."""
    numeric: list[str] = []
    out: dict[str, str] = {}
    for name, numbers in read.items():
        if _is_numeric(table, name, numbers, style):
            numeric.append(name)
        else:
            out[name] = "empty" if table[name].null_count() == len(table) else "no numbers"
    if not numeric:
        raise ArgumentError("columns", wanted="a column of numbers", got=", ".join(table.columns))
    odd = {name: reason for name in numeric if (reason := _oddity(table, name, read[name]))}
    if len(odd) == len(numeric):
        if len(odd) == 1 and next(iter(odd.values())) == _COUNTS:
            reader.say(f"{table.name}: {numeric[0]} {_COUNTS}, and is all there is to forecast")
            return numeric, out
        told = "; ".join(f"{name} ({reason})" for name, reason in odd.items())
        raise ArgumentError(
            "columns",
            wanted="a column of quantities to forecast",
            got=told,
            remedy=f"To forecast it all the same: --columns {numeric[0]}.",
        )
    return [name for name in numeric if name not in odd], {**out, **odd}


def _is_numeric(table: Table, name: str, numbers: Numbers, style: NumberStyle) -> bool:
    """Whether a column holds numbers. Raises ArgumentError where most cells do, and some do not."""
    column = table[name]
    if not is_text(column):
        return column.dtype.is_numeric() and column.null_count() < len(column)
    there = ~(np.isnan(numbers.values) & ~numbers.bad)
    if not numbers.bad.any():
        return bool(there.any())
    bad = np.flatnonzero(numbers.bad)
    near = _near(column.filter(numbers.bad).to_list())
    if there.sum() - len(bad) + near < _MOST * there.sum():
        return False
    raise refuse_cells(table, name, numbers.bad, style)


def _near(cells: list[str]) -> int:
    """How many cells are numbers but for marks of money or thousands, or the unit of most."""
    units = Counter(unit for cell in cells if (unit := unit_of(cell.strip())))
    usual = {unit for unit, count in units.items() if count > _MOST * len(cells)}
    return sum(kind_of_cell(cell) == "number" or unit_of(cell.strip()) in usual for cell in cells)


_COUNTS = "counts the rows"


def _oddity(table: Table, name: str, numbers: Numbers) -> str | None:
    """Why a column of numbers is no quantity; None for one that is."""
    values = numbers.values
    whole = bool((values[~np.isnan(values)] == np.rint(values[~np.isnan(values)])).all())
    named = _ID.fullmatch(name.lower()) or _ID_CASE.fullmatch(name)
    if whole and named and len(np.unique(values[~np.isnan(values)])) > _TRUTH:
        return "an identifier, by its name"
    if whole and _CALENDAR.fullmatch(name):
        return "a part of a date, by its name"
    if _is_time(table, name, values):
        return "reads as times"
    steps = np.diff(values)
    if len(steps) > 1 and whole and (steps == steps[0]).all() and abs(steps[0]) == 1:
        return _COUNTS
    return None


def _is_time(table: Table, name: str, values: np.ndarray) -> bool:
    """Whether numbers in order are dates, as YYYYMMDD is, or are called so and only rise."""
    if np.isnan(values).any() or len(values) < 3:
        return False
    steps = np.diff(values)
    if not ((steps >= 0).all() or (steps <= 0).all()) or (steps == 0).all():
        return False
    if sounds_like_time(name) and (steps > 0).all():
        return True
    if not (values == np.rint(values)).all() or values.min() < 1000:
        return False
    texts = table[name].cast(str).str.strip_chars() if not is_text(table[name]) else table[name]
    for dates in find_dates(texts, DIGITS):
        times = dates.read.times
        inside = dates.whole and str(times.min()) > "1900" and str(times.max()) < "2100"
        if inside and regularity(times) >= REGULAR:
            return True
    return False


def _say(
    reader: Reader,
    table: Table,
    chosen: Sequence[str],
    out: dict[str, str],
    read: dict[str, Numbers],
) -> None:
    if out:
        shown = [f"{name} ({reason})" for name, reason in list(out.items())[:8]]
        more = f" and {len(out) - 8} more" if len(out) > 8 else ""
        reader.say(
            f"{table.name}: not forecast: {', '.join(shown)}{more} (--columns takes what it names)"
        )
    counts: dict[str, int] = {}
    for name in chosen:
        for word, count in read[name].words.items():
            counts[word] = counts.get(word, 0) + count
    for name in chosen:
        number = sentinel(read[name].values)
        if number is not None:
            reader.say(
                f"{table.name}: {name} has {number:g}, far from all other values: if it stands for "
                f"a missing number: --missing={number:g}"
            )
    if counts:
        told = ", ".join(f"{word} ({count:,})" for word, count in sorted(counts.items()))
        reader.say(f"{table.name}: read as missing: {told}")
