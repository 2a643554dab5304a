"""What is known of times to come: a calendar, and columns such as promotions or holidays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self, final

import numpy as np

from ostinato.data.requirements import require
from ostinato.data.tables.numbers import NumberStyle, read_numbers
from ostinato.data.tables.table import Table, is_text
from ostinato.data.tables.way_out import refuse_cells
from ostinato.errors import ArgumentError

CALENDAR = "calendar"
"""The name that stands for the hour, the weekday and the time of the year."""

_TRUTHS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}
# Different texts of a column at most: each is a number that the model reads.
_WORDS = 50


@final
@dataclass(frozen=True)
class KnownColumn:
    """How a column becomes numbers: scaled ("number"), 0 and 1 ("truth"), or one place a word."""

    name: str
    kind: str
    mean: float = 0.0
    deviation: float = 1.0
    words: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Numbers that it becomes."""
        return len(self.words) if self.kind == "word" else 1


@final
@dataclass(frozen=True)
class KnownInputs:
    """What a model reads of a step that it is to tell, beside what went before."""

    columns: tuple[KnownColumn, ...] = ()
    calendar: bool = False

    @property
    def width(self) -> int:
        """Numbers K of a step that come from columns."""
        return sum(column.width for column in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    @classmethod
    def fit(cls, table: Table, names: Sequence[str], style: NumberStyle) -> Self:
        """How the columns of a table become numbers. What is known needs no training part."""
        columns = [name for name in names if name != CALENDAR or name in table.columns]
        calendar = CALENDAR in names and CALENDAR not in table.columns
        return cls(tuple(_fit(table, name, style) for name in columns), calendar)

    def encode(self, table: Table, style: NumberStyle) -> np.ndarray:
        """The numbers [R, K] of the rows of a table.

        Raises ArgumentError for a number that is missing: what is known is known in every row. A
        text that is missing, or new, is none of the words.
        """
        parts = [_encode(table, column, style) for column in self.columns]
        return np.concatenate([np.zeros((len(table), 0)), *parts], axis=1)

    def as_dict(self) -> dict[str, Any]:
        """What `from_dict` takes, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inputs that `as_dict` gave."""
        made = (
            KnownColumn(**{**each, "words": tuple(each["words"])}) for each in values["columns"]
        )
        return cls(tuple(made), values["calendar"])


NOTHING_KNOWN = KnownInputs()
CALENDAR_WIDTH = 11
"""Numbers of a step that `calendar_of` gives."""


def calendar_of(times: np.ndarray) -> np.ndarray:
    """The hour, the weekday and the time of the year [N, 11] of dates, each as places on a circle
    or one of seven."""
    day = times.astype("M8[D]")
    hours = (times - day).astype("m8[s]").astype(float) / 86_400
    year = day.astype("M8[Y]")
    length = ((year + 1).astype("M8[D]") - year.astype("M8[D]")).astype(float)
    through = (day - year.astype("M8[D]")).astype(float) / length
    circles = [wave(2 * np.pi * part) for part in (hours, through) for wave in (np.sin, np.cos)]
    weekday = (day.astype(np.int64) + 3) % 7
    return np.concatenate([np.stack(circles, axis=1), np.eye(7)[weekday]], axis=1)


def _fit(table: Table, name: str, style: NumberStyle) -> KnownColumn:
    column = table[name]
    if str(column.dtype) == "Boolean":
        return KnownColumn(name, "truth")
    if is_text(column):
        words = column.drop_nulls().str.strip_chars().unique().sort().to_list()
        if words and all(word.lower() in _TRUTHS for word in words):
            return KnownColumn(name, "truth")
        numbers = read_numbers(column, style)
        if words and numbers.bad.sum() * 2 > len(words):
            return _of_words(table, name, words)
        if numbers.bad.any():
            if len(words) <= _WORDS and numbers.bad.mean() > 0.2:
                return _of_words(table, name, words)
            raise refuse_cells(table, name, numbers.bad, style)
    numbers = read_numbers(column, style)
    if numbers.bad.any():
        raise refuse_cells(table, name, numbers.bad, style)
    values = numbers.values[~np.isnan(numbers.values)]
    if not len(values):
        raise ArgumentError(table.column(name), wanted="something that is known", got="nothing")
    deviation = float(values.std())
    return KnownColumn(name, "number", float(values.mean()), deviation or 1.0)


def _of_words(table: Table, name: str, words: list[str]) -> KnownColumn:
    if len(words) > _WORDS:
        raise ArgumentError(
            table.column(name),
            wanted=f"numbers, true and false, or at most {_WORDS} different words",
            got=f"{len(words):,} different ones",
        )
    return KnownColumn(name, "word", words=tuple(words))


def _encode(table: Table, known: KnownColumn, style: NumberStyle) -> np.ndarray:
    column = table[known.name]
    polars = require("polars", "series")
    if known.kind == "number":
        numbers = read_numbers(column, style)
        if numbers.bad.any():
            raise refuse_cells(table, known.name, numbers.bad, style)
        missing = np.isnan(numbers.values)
        if missing.any():
            raise ArgumentError(
                table.column(known.name),
                wanted="a number in every row, as it is to be known ahead",
                got=f"none in {table.row(int(missing.argmax()))}",
            )
        return ((numbers.values - known.mean) / known.deviation)[:, None]
    texts = column.cast(polars.String).str.strip_chars()
    if known.kind == "word":
        return np.stack(
            [(texts == word).fill_null(False).to_numpy() for word in known.words], axis=1
        ).astype(float)
    lower = texts.str.to_lowercase()
    wrong = (~lower.is_in(list(_TRUTHS)) & ~lower.is_null()).to_numpy()
    if wrong.any():
        raise ArgumentError(
            table.column(known.name),
            wanted="true or false",
            got=table.cells(known.name, np.flatnonzero(wrong).tolist()),
        )
    return lower.is_in(["true", "yes"]).fill_null(False).to_numpy().astype(float)[:, None]
