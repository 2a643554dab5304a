"""Cells that are no numbers: the error for them, and the flag that would read them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ostinato.data.tables.cells import MISSING
from ostinato.data.tables.numbers import NumberStyle
from ostinato.data.tables.table import Table
from ostinato.errors import ArgumentError

_MISSING = re.compile(
    r"[?*]+|-{2,}|n\.?\s?[adk]\.?|#.*|missing|unknown|none|nil|void|empty", re.IGNORECASE
)
# A number with a sign of money before it, or of that or a unit after it.
_CURRENCIES = "USD|EUR|GBP|JPY|CHF|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|BRL|RUB|KRW|ZAR|MXN|TRY"
_UNIT = re.compile(
    rf"[+\-\u2212]?\s*(?P<before>{_CURRENCIES}|[A-Z]{{0,3}}[^\w\s.,+\-\u2212()]{{1,2}})?\s*"
    r"[+\-\u2212]?[0-9.,'\s]*[0-9][0-9.,]*\s*(?P<after>[^\d\s.,()+\-\u2212]{1,8})?"
)


def refuse_cells(table: Table, name: str, bad: np.ndarray, style: NumberStyle) -> ArgumentError:
    """The error for the ``bad`` [R] cells of a column, which are no numbers."""
    places: Sequence[int] = np.flatnonzero(bad).tolist()
    return ArgumentError(
        table.column(name),
        wanted="numbers",
        got=table.cells(name, places),
        remedy=way_out(str(table[name][places[0]]).strip(), style),
    )


def way_out(cell: str, style: NumberStyle) -> str:
    """What to do about a cell that is no number: the flag that would make it one."""
    unit = unit_of(cell)
    units = f" --units '{unit}'" if unit and unit not in style.units else ""
    plain = re.sub(r"^[^0-9]+|[^0-9]+$", "", cell)
    decimal = re.escape(style.decimal)
    grouped = re.fullmatch(
        rf"[0-9]{{1,3}}(([.,'\u2019 \u00a0\u202f])[0-9]{{3}})+({decimal}[0-9]+)?", plain
    )
    if _MISSING.fullmatch(cell):
        return f"If it stands for a missing number: --missing '{cell}'."
    if grouped and grouped[2] != style.decimal:
        mark = f'"{grouped[2]}"' if grouped[2] == "'" else f"'{grouped[2]}'"
        return f"If {grouped[2]!r} parts thousands: --thousands {mark}{units}."
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{3})+(,[0-9]+)?", plain):
        return f"If '.' parts thousands: --thousands . --decimal ,{units}."
    other = "," if style.decimal == "." else "."
    if re.fullmatch(rf"[0-9]+{re.escape(other)}[0-9]+", plain):
        return f"If {other!r} is the decimal mark: --decimal {other}{units}."
    if units:
        return f"To leave the sign out:{units}."
    if re.fullmatch(r"\([0-9.,]+\)|[0-9.,]+-", cell):
        return "If it is a negative number, its sign stands before it."
    return (
        f"A missing number is an empty field, one of {', '.join(MISSING)}, or what --missing "
        "names; --columns names the columns to take."
    )


def unit_of(cell: str) -> str:
    """The signs of money or of a unit beside a number, as --units takes them; empty for none."""
    match = _UNIT.fullmatch(cell)
    return ",".join(sign for sign in (match.groups() if match else ()) if sign)
