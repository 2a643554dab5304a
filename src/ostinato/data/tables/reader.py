"""Reading tables: what the user says, what an earlier file was, and what is decided and said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, final

from ostinato.data.reading import also_utf8, check_text, read_text
from ostinato.data.requirements import require
from ostinato.data.source import STDIN, existing_source, source_words
from ostinato.data.tables.dialect import find_separator, has_header
from ostinato.data.tables.frames import even_rows, names_of, numbered, row_words
from ostinato.data.tables.rows import Row, Rows, split_rows
from ostinato.data.tables.settings import CHARACTERS, FileSettings, ReadSettings, character
from ostinato.data.tables.table import Table
from ostinato.data.tables.typed import read_json_lines, read_parquet
from ostinato.errors import ArgumentError

# What parts the fields in a file of such a name, where others do not do better.
_USUAL = {
    ".csv": [","],
    ".tsv": ["\t"],
    ".tab": ["\t"],
    ".psv": ["|"],
    ".txt": [",", "\t"],
    ".dat": [",", "\t"],
    ".data": [",", "\t"],
    "": [",", "\t"],
}
_TYPED = (".parquet", ".jsonl", ".ndjson")
SUFFIXES = (*(suffix for suffix in _USUAL if suffix), *_TYPED)
"""What the names of tables end in."""
# Rows that a remark names.
_SHOWN = 3
_NAMES = {mark: name for name, mark in CHARACTERS.items() if name.isalpha()}


@final
class Reader:
    """Reads the files of one run, and keeps what it has decided about them.

    ``settings`` are the user's, and bind it. ``usual`` are those of an earlier file, such as the
    one that a model was trained on: how numbers are written there binds it too, and the rest is
    tried first. After reading, ``decided`` has the settings by which the same file is read again,
    and ``said`` lines for people, of whatever the file did not say plainly; ``found`` names columns
    that were looked for, such as that of the times, and ``before`` is that of an earlier file.
    """

    def __init__(
        self,
        settings: FileSettings | None = None,
        usual: FileSettings | Mapping[str, Any] | None = None,
    ) -> None:
        self.settings = ReadSettings.of(settings)
        self.usual = ReadSettings.of(usual)
        self.before: Mapping[str, Any] = usual if isinstance(usual, Mapping) else {}
        self.decided = self.usual.replace(**self.settings.given())
        self.said: list[str] = []
        self.found: dict[str, str] = {}

    def say(self, line: str, **decided: Any) -> None:
        """Keep a decision; it is said where the usual settings do not say it already."""
        new = {name: v for name, v in decided.items() if getattr(self.usual, name) != v}
        self.decided = self.decided.replace(**decided)
        if line and (new or not decided) and line not in self.said:
            self.said.append(line)

    def text(self, path: Path) -> str:
        """A whole text. Raises ArgumentError where its bytes are in no encoding that is named."""
        encoding = self.settings.encoding
        check_text(path, encoding)
        if encoding is not None and also_utf8(path, encoding):
            self.say(f"{source_words(path)}: its bytes are UTF-8 as well as {encoding}")
        try:
            return "".join(read_text(path, encoding))
        except ArgumentError:
            if encoding is not None or self.usual.encoding is None:
                raise
        return "".join(read_text(path, self.usual.encoding))

    def table(self, path: str | PathLike[str]) -> Table:
        """A file as a table, read as its suffix says, ``.gz`` or not; ``-`` is standard input.

        Raises ArgumentError for a path that is no file, with names that are near, for another
        suffix, for bytes that are no text, and for rows of several widths.
        """
        path = existing_source(path, "FILE")
        suffix = suffix_of(path)
        if suffix in _TYPED:
            self._refuse_text_settings(path, suffix)
            if suffix == ".parquet":
                return _with_rows(read_parquet(path))
            table, mixed = read_json_lines(path, self.settings.encoding)
            for name in mixed:
                self.say(f"{table.name}: {name} has texts and numbers: all are read as texts")
            return _with_rows(table)
        if suffix not in _USUAL:
            raise ArgumentError(
                "FILE",
                wanted=f"a table whose name ends in {', '.join(SUFFIXES)}",
                got=str(path),
                remedy="Its name says how it is to be read.",
            )
        return self._delimited(path, suffix)

    def lines(self, path: Path) -> list[str]:
        """The lines of a text, without the last one where it is empty."""
        lines = self.text(path).replace("\r\n", "\n").split("\n")
        return lines[:-1] if lines[-1] == "" else lines

    def _delimited(self, path: Path, suffix: str) -> Table:
        name, text = source_words(path), self.text(path)
        first, _, rest = text.partition("\n")
        declared = first.strip().lower()
        if declared.startswith("sep=") and len(declared) == 5:  # as spreadsheets write it
            separator, text = first.strip()[4], "\n" + rest
        else:
            separator = self._separator(text, suffix)
        rows = self._with_blanks(self._rows(text, separator, suffix, name), name)
        if not rows.rows:
            raise ArgumentError(name, wanted="a table with rows", got="an empty file")
        return self._table(rows, name, separator)

    def _separator(self, text: str, suffix: str) -> str:
        given = self.settings.separator
        if given is not None:
            return character(given)
        usual = list(_USUAL[suffix])
        if self.usual.separator is not None:
            before = character(self.usual.separator)
            usual = [before, *(each for each in usual if each != before)]
        return find_separator(text, usual, quotes=self.settings.quotes)

    def _rows(self, text: str, separator: str, suffix: str, name: str) -> Rows:
        given = self.decided.quotes
        quotes = separator != "\t" or suffix == ".csv" if given is None else given
        rows = split_rows(text, separator, quotes=quotes)
        if quotes and given is None:
            _refuse_swallowed(rows, name)
        if rows.loose:
            self.say(
                f"{name}: a quote that opens a field and does not close it is a character, in "
                f"{_places(rows, rows.loose)}"
            )
        if rows.padded:
            self.say(
                f"{name}: spaces round a field in quotes are left out, in "
                f"{_places(rows, rows.padded)}"
            )
        if not quotes and given is None and _looks_quoted(rows.rows):
            self.say(
                f"{name}: quotes are characters, as TSV has it (--quotes reads them as CSV does)"
            )
        return rows

    def _table(self, rows: Rows, name: str, separator: str) -> Table:
        header = self.settings.header
        if header is None:
            header = has_header(rows, name)
        if header is None:
            header = self.usual.header is not False
        names = names_of(rows.rows[0], name) if header else numbered(rows.rows)
        begin = int(header)
        data = even_rows(rows, begin, len(names), name)
        dropped = [
            n for n, column in enumerate(names) if not column and not any(r[n] for r in data)
        ]
        kept = [n for n in range(len(names)) if n not in dropped]
        polars = require("polars", "series")
        columns = list(zip(*data, strict=True)) if data else [()] * len(names)
        frame = polars.DataFrame(
            [
                polars.Series(names[n] or f"column_{n + 1}", columns[n], dtype=polars.String)
                for n in kept
            ]
        )
        self.say(
            f"{name}: {_named(separator)} parts the fields"
            if separator not in _plain(name)
            else "",
            separator=_NAMES.get(separator, separator),
        )
        words = f"{name}: the first row is data, not names: {row_words(rows.rows[0])}"
        self.say("" if header else f"{words} (--header takes it as names)", header=header)
        blank = [place - begin for place in rows.after_blank if place > begin]
        return _with_rows(Table(name, frame, rows.lines[begin:], header, blank))

    def _with_blanks(self, rows: Rows, name: str) -> Rows:
        """The rows of a single column, in which a blank line between two is a missing value."""
        if not rows.after_blank or any(len(row) > 1 for row in rows.rows):
            return rows
        filled = Rows()
        for place, (row, line) in enumerate(zip(rows.rows, rows.lines, strict=True)):
            # those above the first value stand below the name of the column
            count = rows.after_blank.get(place, 0) if place > 1 else 0
            filled.rows.extend([None] for _ in range(count))
            filled.rows.append(row)
            filled.lines.extend([*range(line - count, line), line])
        if len(filled) > len(rows):
            self.say(
                f"{name}: a blank line between two values of the only column is a missing one: "
                f"{len(filled) - len(rows):,}"
            )
        return filled

    def _refuse_text_settings(self, path: Path, suffix: str) -> None:
        names = ["separator", "quotes", "header"]
        if suffix == ".parquet":
            names.append("encoding")
        for name in names:
            if getattr(self.settings, name) is not None:
                raise ArgumentError(
                    name, wanted="a table that is text between separators", got=str(path)
                )


def is_table(path: Path) -> bool:
    """Whether a file is a table by its name; one that ends in .txt may be a text as well."""
    return suffix_of(path) in SUFFIXES and suffix_of(path) != ".txt"


def suffix_of(path: Path) -> str:
    """What the name of a file ends in, less ``.gz``; empty for standard input."""
    if path == STDIN:
        return ""
    return next((part for part in reversed(path.suffixes) if part.lower() != ".gz"), "").lower()


def _with_rows(table: Table) -> Table:
    if len(table) == 0:
        raise ArgumentError(table.name, wanted="a table with rows", got="none")
    return table


def _refuse_swallowed(rows: Rows, source: str) -> None:
    if rows.swallowed:
        place = rows.swallowed[0]
        raise ArgumentError(
            f"{source}, line {rows.lines[place]}",
            wanted="quotes that can be read in one way",
            got="a field in quotes over several lines, each of which would be a row without them",
            remedy="Say which: --quotes, or --no-quotes where they are characters.",
        )


def _looks_quoted(rows: list[Row]) -> bool:
    cells: Iterator[str] = (cell for row in rows for cell in row if cell)
    return any(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)


def _places(rows: Rows, places: Sequence[int]) -> str:
    """Lines of the file in words."""
    shown = ", ".join(str(rows.lines[place]) for place in places[:_SHOWN])
    more = len(places) - _SHOWN
    return f"line{'s' if len(places) > 1 else ''} {shown}" + (
        f" and {more:,} more" if more > 0 else ""
    )


def _plain(name: str) -> str:
    """The separator that goes without saying, by the file's name."""
    return "".join(_USUAL.get(suffix_of(Path(name)), [","])[:1])


def _named(separator: str) -> str:
    return {" ": "white space", "\t": "a tab"}.get(separator, repr(separator))
