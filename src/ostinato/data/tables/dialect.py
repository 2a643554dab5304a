"""What parts the fields of a text, and whether its first row names the columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ostinato.data.tables.cells import kind_of_cell, kind_of_column
from ostinato.data.tables.rows import Row, Rows, split_rows
from ostinato.errors import ArgumentError

_CANDIDATES = (",", ";", "\t", "|")
# Rows, and characters, of the beginning of a text that are looked at.
_ROWS, _CHARACTERS = 200, 1 << 17
# Share of the rows that have one width, from which on a separator may be meant.
_EVEN = 0.9
# Share of cells that are numbers or dates, from which on white space may be meant to part them.
_TYPED = 0.6
# Names in a row of numbers, such as years, from which on they may be names.
_FEW = 3


def find_separator(text: str, usual: Sequence[str], *, quotes: bool | None) -> str:
    """The separator with which a text has rows of one width, of more than one field.

    Where several do, the one whose cells are numbers and dates; then the first of ``usual``. Where
    none does, the first of ``usual``.
    """
    beginning, whole = text[:_CHARACTERS], len(text) <= _CHARACTERS
    found: list[tuple[float, float, int, str]] = []
    for separator in dict.fromkeys([*usual, *_CANDIDATES]):
        rows = _sample(beginning, separator, whole, quotes=quotes)
        even = _evenness(rows)
        if even >= _EVEN:
            place = -usual.index(separator) if separator in usual else -len(usual)
            found.append((round(even, 2), round(_typed(rows), 2), place, separator))
    if found:
        return max(found)[-1]
    rows = _sample(beginning, " ", whole, quotes=quotes)
    if _evenness(rows) == 1 and _typed(rows[1:]) >= _TYPED:
        return " "
    return usual[0]


def _sample(text: str, separator: str, whole: bool, *, quotes: bool | None) -> list[Row]:
    rows = split_rows(text, separator, quotes=quotes is not False).rows
    return (rows if whole else rows[:-1])[:_ROWS]


def _evenness(rows: list[Row]) -> float:
    """The share of rows that have as many fields as the first, 0 where that has only one."""
    if not rows or len(rows[0]) < 2:
        return 0.0
    return sum(len(row) == len(rows[0]) for row in rows) / len(rows)


def _typed(rows: list[Row]) -> float:
    kinds = [kind_of_cell(cell) for row in rows for cell in row]
    return sum(kind in ("number", "date") for kind in kinds) / max(1, len(kinds))


def has_header(rows: Rows, source: str) -> bool | None:
    """Whether the first row names the columns, by its look beside that of the others.

    It does where a column of numbers or dates begins with a text, and does not where columns of
    numbers or dates begin with their kind; None where all is text, which tells nothing. Raises
    ArgumentError for what may be either: numbers one after another, such as years, over numbers.
    """
    first, others = rows.rows[0], rows.rows[1 : _ROWS + 1]
    names = data = 0
    for place, cell in enumerate(first):
        kind = kind_of_column(row[place] for row in others if place < len(row))
        if kind in ("number", "date"):
            own = kind_of_cell(cell)
            names += own == "text"
            data += own == kind
    if names or not data:
        return True if names else None
    if _one_after_another(first):
        raise ArgumentError(
            source,
            wanted="a first row that is plainly names, or data",
            got=f"numbers one after another over numbers: {', '.join(map(str, first[:5]))}",
            remedy="Say which: --header or --no-header.",
        )
    return False


def _one_after_another(row: Row) -> bool:
    numbers = [
        int(cell) for cell in row if cell and cell.strip().isascii() and cell.strip().isdigit()
    ]
    steps = {second - first for first, second in pairwise(numbers)}
    return len(numbers) >= _FEW and len(steps) == 1 and steps != {0}
