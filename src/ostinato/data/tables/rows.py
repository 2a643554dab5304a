"""The rows of a delimited text: fields between separators, in quotes or not."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple, final

Row = list[str | None]
"""The fields of a row; None for one that is empty and not in quotes."""


@final
@dataclass(frozen=True)
class Rows:
    """The rows of a text that are not blank, and the line, from 1, on which each of them begins.

    ``after_blank`` counts the blank lines before a row, by its place. The other lists have places
    of rows: ``spanning`` those of several lines, ``swallowed`` those of several lines of which each
    would be a whole row if quotes were characters, ``loose`` those with a quote that opens a field
    and does not close it: such a quote is a character; ``padded`` those with spaces round a quoted
    field, which are left out.
    """

    rows: list[Row] = field(default_factory=list[Row])
    lines: list[int] = field(default_factory=list[int])
    after_blank: dict[int, int] = field(default_factory=dict[int, int])
    spanning: list[int] = field(default_factory=list[int])
    swallowed: list[int] = field(default_factory=list[int])
    loose: list[int] = field(default_factory=list[int])
    padded: list[int] = field(default_factory=list[int])

    def __len__(self) -> int:
        """Rows."""
        return len(self.rows)


class _Cut(NamedTuple):
    """The fields of a row and the place of its line end; whether a quote is loose, or padded."""

    row: Row
    stop: int
    loose: bool = False
    padded: bool = False


def split_rows(text: str, separator: str, *, quotes: bool) -> Rows:
    """The rows of a text. A space as separator stands for any white space.

    With ``quotes`` a field that begins with a double quote ends with the next single one that
    stands before a separator or a line end; where there is none, the quote is a character.
    """
    if "\n" not in text:
        text = text.replace("\r", "\n")  # line ends of old
    found, blank = Rows(), 0
    cutter, number, place = _Cutter(separator), 1, 0
    while place < len(text):
        cut = cutter.cut(text, place, quotes=quotes)
        lines = text.count("\n", place, cut.stop) + 1
        if all(cell is None for cell in cut.row):
            blank += 1
        else:
            if blank and found.rows:
                found.after_blank[len(found)] = blank
            blank = 0
            _keep(found, cut, number)
            if lines > 1:
                _note_spanning(found, text[place : cut.stop].split("\n"), cutter)
        number, place = number + lines, cut.stop + 1
    return found


def _keep(found: Rows, cut: _Cut, number: int) -> None:
    if cut.loose:
        found.loose.append(len(found))
    if cut.padded:
        found.padded.append(len(found))
    found.rows.append(cut.row)
    found.lines.append(number)


def _note_spanning(found: Rows, lines: list[str], cutter: _Cutter) -> None:
    """Note that the last row is of several lines, and whether each of them could be a row."""
    place, width = len(found) - 1, len(found.rows[-1])
    found.spanning.append(place)
    rows = [cutter.plain(line) for line in lines]
    if width > 1 and all(len(row) == width and None not in row for row in rows):
        found.swallowed.append(place)


class _Cutter:
    """Cuts lines into fields."""

    def __init__(self, separator: str) -> None:
        self.separator, self.white = separator, separator == " "
        end, pad = (r" \t", "()") if self.white else (re.escape(separator), "( *)")
        quoted = rf'{pad}"([^"]*(?:""[^"]*)*)"{pad}(?=[{end}]|\r?\n|\r?\Z)'
        self._field = re.compile(rf"{quoted}|([^{end}\n]*)")

    def cut(self, text: str, place: int, *, quotes: bool) -> _Cut:
        """The row that begins at a place."""
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        if quotes and text.find('"', place, end) >= 0:
            return self._quoted(text, place)
        return _Cut(self.plain(text[place:end]), end)

    def plain(self, line: str) -> Row:
        """The fields of a line without quotes."""
        if self.white:
            return list(line.split())
        if not line.strip():
            return [None]
        return [cell or None for cell in line.removesuffix("\r").split(self.separator)]

    def _quoted(self, text: str, place: int) -> _Cut:
        row: Row = []
        loose = padded = last = False
        while not last:
            while self.white and text[place : place + 1] in (" ", "\t"):
                place += 1
            match = self._field.match(text, place)
            assert match is not None, "the second kind of field matches anything"
            before, inner, after, bare = match.groups()
            place = match.end()
            if text.startswith("\r", place) and text[place + 1 : place + 2] in ("\n", ""):
                place += 1
            last = place >= len(text) or text[place] == "\n"
            if inner is None:
                loose = loose or bare.startswith('"')
                row.append((bare.removesuffix("\r") if last else bare) or None)
            else:
                padded = padded or bool(before or after)
                row.append(inner.replace('""', '"'))
            place += not last
        if self.white and row[-1] is None and len(row) > 1:
            row.pop()
        return _Cut(row, place, loose, padded)
