"""The rows of a delimited text: fields between separators, in quotes or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

Row = list[str | None]
"""The fields of a row; None for one that is empty and not in quotes."""


@final
@dataclass(frozen=True)
class Rows:
    """The rows of a text that are not blank, and the line, from 1, on which each of them begins.

    ``after_blank`` counts the blank lines before a row, by its place. The other lists have places
    of rows: ``spanning`` those of several lines, ``swallowed`` those of several lines of which each
    would be a whole row if quotes were characters, ``loose`` those with a quote that opens a field
    and does not close it: such a quote is a character.
    """

    rows: list[Row] = field(default_factory=list[Row])
    lines: list[int] = field(default_factory=list[int])
    after_blank: dict[int, int] = field(default_factory=dict[int, int])
    spanning: list[int] = field(default_factory=list[int])
    swallowed: list[int] = field(default_factory=list[int])
    loose: list[int] = field(default_factory=list[int])

    def __len__(self) -> int:
        """Rows."""
        return len(self.rows)


def split_rows(text: str, separator: str, *, quotes: bool) -> Rows:
    """The rows of a text. A space as separator stands for any white space.

    With ``quotes`` a field that begins with a double quote ends with the next single one that
    stands before a separator or a line end; where there is none, the quote is a character.
    """
    if "\n" not in text:
        text = text.replace("\r", "\n")  # line ends of old
    found, blank = Rows(), 0
    cut = _Cutter(separator)
    for number, row, lines, loose in _rows(text, cut, quotes=quotes):
        if all(cell is None for cell in row):
            blank += 1
            continue
        place = len(found)
        if blank and place:
            found.after_blank[place] = blank
        blank = 0
        found.rows.append(row)
        found.lines.append(number)
        if loose:
            found.loose.append(place)
        if len(lines) > 1:
            found.spanning.append(place)
            if len(row) > 1 and all(_is_whole(cut.plain(line), len(row)) for line in lines):
                found.swallowed.append(place)
    return found


def _rows(text: str, cut: _Cutter, *, quotes: bool) -> Iterator[tuple[int, Row, list[str], bool]]:
    """(line, fields, lines of a row with quotes, whether a quote is loose), blank rows too."""
    number, place = 1, 0
    while place < len(text):
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        line = text[place:end]
        if quotes and '"' in line:
            row, stop, loose = cut.quoted(text, place)
            lines = text[place:stop].split("\n")
            yield number, row, lines, loose
            number, place = number + len(lines), stop + 1
        else:
            yield number, cut.plain(line), [], False
            number, place = number + 1, end + 1


def _is_whole(row: Row, width: int) -> bool:
    return len(row) == width and None not in row


class _Cutter:
    """Cuts lines into fields."""

    def __init__(self, separator: str) -> None:
        self.separator, self.white = separator, separator == " "
        end = r" \t" if self.white else re.escape(separator)
        quoted = rf'"([^"]*(?:""[^"]*)*)"(?=[{end}]|\r?\n|\r?\Z)'
        self._field = re.compile(rf"{quoted}|([^{end}\n]*)")

    def plain(self, line: str) -> Row:
        """The fields of a line without quotes."""
        if self.white:
            return list(line.split())
        if not line.strip():
            return [None]
        return [cell or None for cell in line.removesuffix("\r").split(self.separator)]

    def quoted(self, text: str, place: int) -> tuple[Row, int, bool]:
        """(the fields of the row at a place, the place of its line end, if a quote is loose)."""
        row: Row = []
        loose = last = False
        while not last:
            while self.white and text[place : place + 1] in (" ", "\t"):
                place += 1
            match = self._field.match(text, place)
            assert match is not None, "the second kind of field matches anything"
            inner, bare = match.groups()
            place = match.end()
            if text.startswith("\r", place) and text[place + 1 : place + 2] in ("\n", ""):
                place += 1
            last = place >= len(text) or text[place] == "\n"
            if inner is None:
                loose = loose or bare.startswith('"')
                row.append((bare.removesuffix("\r") if last else bare) or None)
            else:
                row.append(inner.replace('""', '"'))
            place += not last
        if self.white and row[-1] is None and len(row) > 1:
            row.pop()
        return row, place, loose
