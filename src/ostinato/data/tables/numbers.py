"""Columns of texts as numbers: what is one, what stands for a missing one, and what is neither."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ostinato.data.requirements import require
from ostinato.data.tables.cells import MISSING
from ostinato.data.tables.reader import Reader
from ostinato.data.tables.settings import ReadSettings, character, words
from ostinato.data.tables.table import Table, is_text
from ostinato.errors import ArgumentError

# Numbers that stand for a missing one in some files, where they are far from all others.
_SENTINELS = (-99, -999, -9999, -99999, -999999, -99.9, -999.9, -99.99, -999.99, 999, 9999, 99999)
_FAR, _OFTEN = 3, 3


@final
@dataclass(frozen=True)
class NumberStyle:
    """How numbers are written: the decimal mark, the mark of thousands, units, missing words."""

    decimal: str = "."
    thousands: str | None = None
    units: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: ReadSettings, decimal: str) -> NumberStyle:
        """The style of settings, with a decimal mark where they leave it open."""
        thousands = settings.thousands and character(settings.thousands)
        units, missing = tuple(words(settings.units)), tuple(words(settings.missing))
        return cls(settings.decimal or decimal, thousands, units, missing)


@final
@dataclass(frozen=True, eq=False)
class Numbers:
    """A column as numbers [N], NaN where one is missing or unreadable; ``bad`` [N] tells which.

    ``words`` counts the words that were taken for missing ones.
    """

    values: np.ndarray
    bad: np.ndarray
    words: dict[str, int]


def read_numbers(column: Any, style: NumberStyle) -> Numbers:
    """A column of texts or numbers as numbers."""
    polars = require("polars", "series")
    if not is_text(column):
        if not column.dtype.is_numeric() and column.null_count() < len(column):
            return Numbers(np.full(len(column), np.nan), ~column.is_null().to_numpy(), {})
        values = column.cast(polars.Float64).fill_null(float("nan")).to_numpy()
        return _without(style, Numbers(values, np.zeros(len(column), dtype=bool), {}))
    text = column.str.strip_chars().fill_null("")
    missing = text.str.to_lowercase().is_in([word.lower() for word in (*MISSING, *style.missing)])
    plain = _plain(text, style)
    is_number = plain.str.contains(_pattern(style.decimal))
    if style.decimal != ".":
        plain = plain.str.replace(style.decimal, ".", literal=True)
    # the pattern has decided; float of Python reads whatever it lets pass
    read = plain.set(~is_number, None).cast(polars.Float64, strict=False)
    values = read.set(missing, None).fill_null(float("nan")).to_numpy()
    counts = text.filter(missing).value_counts().rows()
    bad = ~(is_number | missing | (text == "")).to_numpy()
    return _without(style, Numbers(values, bad, dict(counts)))


def _without(style: NumberStyle, found: Numbers) -> Numbers:
    """Numbers less those that stand for missing ones, however they are written: -999.0 is -999."""
    values, words = found.values.copy(), dict(found.words)
    for word in style.missing:
        try:
            there = values == float(word)
        except ValueError:
            continue
        if there.any():
            words[word] = words.get(word, 0) + int(there.sum())
            values[there] = np.nan
    return Numbers(values, found.bad, words)


def _pattern(decimal: str) -> str:
    mark = re.escape(decimal)
    return rf"(?i)^[+-]?(?:(?:[0-9]+(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity)$"


def _plain(text: Any, style: NumberStyle) -> Any:
    """The texts without units, marks of thousands, and spaces inside a number's sign."""
    text = text.str.replace("^[\u2212\u2013]", "-")
    if style.units:
        units = "|".join(map(re.escape, sorted(style.units, key=len, reverse=True)))
        text = text.str.replace(rf"^([+-]?)\s*(?:{units})\s*([+-]?)", "$1$2")
        text = text.str.replace(rf"\s*(?:{units})$", "")
    if style.thousands:
        mark, decimal = re.escape(style.thousands), re.escape(style.decimal)
        if style.thousands == " ":  # also the ones that do not break
            mark = "[ \u00a0\u202f\u2009]"
        grouped = text.str.contains(
            rf"^[+-]?[0-9]{{1,3}}(?:{mark}[0-9]{{2,3}})*{mark}[0-9]{{3}}(?:{decimal}[0-9]*)?$"
        )
        text = text.str.replace_all(mark, "").zip_with(grouped, text)
    return text.str.replace(r"^([+-])\s+", "$1")


def grouped_like(text: Any, mark: str) -> Any:
    """Which of the texts are numbers in groups of three digits with such a mark, as 1,234 is."""
    return text.str.strip_chars().str.contains(
        rf"^[+-]?[1-9][0-9]{{0,2}}(?:{re.escape(mark)}[0-9]{{3}})+$"
    )


def number_style(reader: Reader, table: Table, names: Iterable[str]) -> NumberStyle:
    """How the numbers of a table are written: as is said, as before, or as they show."""
    settings = reader.decided
    if settings.decimal is None:
        separator = character(settings.separator or ",")
        mark = _decimal_mark(table, names, settings, separator)
        words = f"{table.name}: {mark!r} is the decimal mark"
        reader.say(words if mark != "." else "", decimal=mark)
    return NumberStyle.of(reader.decided, ".")


def _decimal_mark(
    table: Table, names: Iterable[str], settings: ReadSettings, separator: str
) -> str:
    """The decimal mark of a table, by all columns of numbers in it.

    Raises ArgumentError where the columns contradict each other, and where all that could be
    decimals could as well be thousands.
    """
    if settings.thousands in (".", ","):
        return "," if settings.thousands == "." else "."
    found: dict[str, tuple[str, int]] = {}
    doubtful: tuple[str, int, str] | None = None
    for name in names:
        column = table[name]
        if not is_text(column):
            continue
        for mark, other in ((".", ","), (",", ".")):
            place = _shows(column, NumberStyle.of(settings, mark), mark, other)
            if place is None:
                continue
            may_be_groups = mark == "," or separator == ";"
            marked = column.str.contains(mark, literal=True).fill_null(False)
            if may_be_groups and bool(grouped_like(column.filter(marked), mark).all()):
                doubtful = doubtful or (name, place, mark)
            else:
                found.setdefault(mark, (name, place))
    if len(found) == 2:
        (one, at), (two, there) = found["."], found[","]
        raise ArgumentError(
            table.name,
            wanted="one decimal mark in all columns",
            got=f"{table.cells(one, [at])} of {one} and {table.cells(two, [there])} of {two}",
            remedy="Name it: --decimal . or --decimal , with --thousands for the other.",
        )
    if doubtful is not None and not found and settings.thousands is None:
        name, place, mark = doubtful
        raise ArgumentError(
            table.column(name),
            wanted="numbers that can be read in one way",
            got=f"{table.cells(name, [place])}, a decimal or a thousand",
            remedy=f"Say which: --decimal {mark} or --thousands {mark}.",
        )
    return next(iter(found), ".")


def _shows(column: Any, style: NumberStyle, mark: str, other: str) -> int | None:
    """The first row that shows this decimal mark, where the column can be read by it at all."""
    marked = column.str.contains(mark, literal=True).fill_null(False).to_numpy()
    if not marked.any():
        return None
    ours = read_numbers(column, style)
    readable = marked & ~ours.bad & ~np.isnan(ours.values)
    return int(readable.argmax()) if readable.sum() > (marked & ours.bad).sum() else None


def sentinel(values: np.ndarray) -> float | None:
    """A number that is far from all other values [N], and such as -999 or there more than once;
    None where there is none."""
    there = values[~np.isnan(values)]
    if not len(there):
        return None
    for number in (*_SENTINELS, there.min(), there.max()):
        if number not in _SENTINELS and (there == number).sum() < _OFTEN:
            continue
        others = there[there != number]
        if 0 < len(there) - len(others) < len(there) / 2:
            low, high = others.min(), others.max()
            room = _FAR * max(high - low, abs(low), abs(high))
            if number < low - room or number > high + room:
                return float(number)
    return None
