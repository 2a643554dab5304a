"""A table as it stands in a file: columns of texts, or of what a typed file says they are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from ostinato.data.requirements import require
from ostinato.errors import ArgumentError

# Cells that an error shows of those that are wrong.
_SHOWN = 3


@final
@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a file.

    Attributes: ``name``, the file as errors call it; ``frame``, a `polars.DataFrame`, whose columns
    are texts where the file is delimited text, None for an empty field; ``lines``, on which line of
    the file each row begins, empty where it has none; ``header``, whether the file names its
    columns; ``after_blank``, rows that blank lines stand before.
    """

    name: str
    frame: Any
    lines: Sequence[int] = ()
    header: bool = True
    after_blank: Sequence[int] = field(default=())

    def __len__(self) -> int:
        """Rows."""
        return self.frame.height

    def __getitem__(self, name: str) -> Any:
        """A column."""
        return self.frame[name]

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self.frame.columns

    def column(self, name: str) -> str:
        """A column as errors call it."""
        return f"column {name} of {self.name}"

    def row(self, place: int) -> str:
        """A row as errors call it, its place counted from 0: "row 3 (line 4)"."""
        line = f" (line {self.lines[place]})" if len(self.lines) else ""
        return f"row {place + 1}{line}"

    def cells(self, name: str, places: Iterable[int]) -> str:
        """Some cells of a column as errors call them: "'?' in row 3 (line 4) and 2 more"."""
        places = list(places)
        column = self[name]
        shown = [f"{column[place]!r} in {self.row(place)}" for place in places[:_SHOWN]]
        more = len(places) - len(shown)
        return ", ".join(shown) + (f" and {more:,} more" if more else "")


def check_columns(names: Iterable[str], table: Any, argument: str, path: object) -> None:
    """Raise ArgumentError for a name that is no column of a table, with the one that is near."""
    for name in names:
        if name in table.columns:
            continue
        near = difflib.get_close_matches(name, table.columns, n=1, cutoff=0.5)
        remedy = f"Did you mean {near[0]}? " if near else ""
        if isinstance(table, Table) and len(table.lines):
            remedy += (
                "If the first row is no names but data: --no-header."
                if table.header
                else f"The columns have no names in the file: --{argument} {table.columns[0]}."
            )
        raise ArgumentError(
            argument,
            wanted=f"a column of {path}: {', '.join(table.columns)}",
            got=repr(name),
            remedy=remedy.strip(),
        )


def is_text(column: Any) -> bool:
    """Whether a column holds texts."""
    return column.dtype == require("polars", "series").String


def refuse_missing(table: Table, name: str) -> None:
    """Raise ArgumentError where a column has nothing in a row."""
    empty = table[name].is_null()
    if empty.any():
        raise ArgumentError(
            table.column(name),
            wanted="something in every row",
            got=f"nothing in {table.row(int(empty.arg_true()[0]))}",
            remedy="Leave such rows out.",
        )
