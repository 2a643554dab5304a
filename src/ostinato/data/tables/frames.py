"""The rows of a delimited text as columns: their names, and rows of one width."""

from __future__ import annotations

from collections import Counter

from ostinato.data.tables.rows import Row, Rows
from ostinato.errors import ArgumentError

# Fields of a row that an error shows.
_FIELDS = 6


def names_of(row: Row, source: str) -> list[str]:
    """The names of the columns. Raises ArgumentError for one that comes twice."""
    names = [(cell or "").strip() for cell in row]
    for name, count in Counter(names).items():
        if name and count > 1:
            raise ArgumentError(
                source,
                wanted="columns of different names",
                got=f"{name!r} for {count} of them",
                remedy="Rename them. If the first row is no names but data: --no-header.",
            )
    return names


def numbered(rows: list[Row]) -> list[str]:
    """Names for columns that have none, column_1 and so on, as many as most rows have fields."""
    width = Counter(map(len, rows)).most_common(1)[0][0]
    return [f"column_{number + 1}" for number in range(width)]


def even_rows(rows: Rows, begin: int, width: int, source: str) -> list[Row]:
    """The rows of data, all of one width; empty fields beyond it are left out."""
    data: list[Row] = []
    for place, row in enumerate(rows.rows[begin:], begin):
        if len(row) > width and not any(row[width:]):
            row = row[:width]
        if len(row) != width:
            raise _uneven(rows, place, begin, width, source)
        data.append(row)
    return data


def _uneven(rows: Rows, place: int, begin: int, width: int, source: str) -> ArgumentError:
    usual = Counter(map(len, rows.rows[begin:])).most_common(1)[0][0]
    if begin and usual != width:
        return ArgumentError(
            f"{source}, line {rows.lines[0]}",
            wanted=f"the names of {usual} columns, as most rows have {_counted(usual)}",
            got=f"{_counted(width)}: {row_words(rows.rows[0])}",
            remedy="Leave out what stands above the names, and give each column one; where decimal "
            "marks part fields, save the file with another separator.",
        )
    row = rows.rows[place]
    remedy = "Correct the row, or leave it out; --separator names what parts the fields."
    if len(row) > width:
        remedy = (
            "A field that holds what parts the fields stands in double quotes (--quotes where they "
            "are characters otherwise); --separator names another mark."
        )
    return ArgumentError(
        f"{source}, row {place - begin + 1} (line {rows.lines[place]})",
        wanted=f"{_counted(width)}, as {'the first row' if begin else 'most rows'}",
        got=f"{len(row)}: {row_words(row)}",
        remedy=remedy,
    )


def _counted(fields: int) -> str:
    return f"{fields} field{'' if fields == 1 else 's'}"


def row_words(row: Row) -> str:
    """The first fields of a row, for a message."""
    shown = ", ".join(repr(cell or "") for cell in row[:_FIELDS])
    return shown + (", ..." if len(row) > _FIELDS else "")
