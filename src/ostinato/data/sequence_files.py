"""Which layout the sequences of a file have, and which rows make one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np

from ostinato.data.conll import SUFFIXES, looks_like_conll, parse_conll, usual_width
from ostinato.data.folders import read_folder
from ostinato.data.requirements import require
from ostinato.data.source import STDIN, existing_source, source_words
from ostinato.data.tables.reader import Reader, suffix_of
from ostinato.data.tables.settings import character
from ostinato.data.tables.table import Table, check_columns
from ostinato.errors import ArgumentError

DEFAULT_SEQUENCE, DEFAULT_LABEL = "text", "label"
# Names that a file of CoNLL-U gives the token and its label.
_FORM, _TAG = "form", "upos"
# What is kept of a file with a token a line, for the files that are read later.
_CONLL = "conll"
# Files of text that may hold a sequence a line, or a token a line.
_TEXTS = (".txt", ".text", "")


class Layout(Protocol):
    """What says where sequences and labels stand."""

    @property
    def sequence(self) -> str:
        """The column of the sequences, or several with commas."""
        ...

    @property
    def label(self) -> str:
        """The column of the labels."""
        ...

    @property
    def group(self) -> str | None:
        """The column that names the sequence of a row."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Found:
    """Rows of a table, and the sequence [R] that each belongs to where a row is a step; ``key`` is
    the column that names it."""

    table: Table
    sequence: list[str]
    label: str
    groups: np.ndarray | None = None
    key: str | None = None

    def grouped(self, column: Any) -> Any:
        """The cells of a column as a list for each sequence, in the order of the file."""
        polars = require("polars", "series")
        assert self.groups is not None
        frame = polars.DataFrame({"group": self.groups, "cell": column})
        lists = frame.group_by("group", maintain_order=True).agg(polars.col("cell"))["cell"]
        return lists.alias(column.name)

    def name_of(self, number: int) -> str:
        """A sequence as errors call it: by its name, and the row that it begins in."""
        assert self.groups is not None
        first = int(np.flatnonzero(self.groups == number)[0])
        name = "" if self.key is None else f"{self.table[self.key][first]}, "
        return f"{name}which begins in {self.table.row(first)}"


def find_rows(
    path: Path, settings: Layout, reader: Reader, *, per_step: bool, labelled: bool
) -> Found:
    """The rows of a file, and the layout that they have."""
    if path != STDIN and path.is_dir():
        table = read_folder(path, reader, labelled=labelled)
        return Found(table, [DEFAULT_SEQUENCE], DEFAULT_LABEL)
    path = existing_source(path, "FILE")
    suffix, first = suffix_of(path), settings.sequence.split(",")[0].strip()
    if per_step and settings.group is None and suffix in (*SUFFIXES, *_TEXTS, ".tsv"):
        text = reader.text(path)
        if suffix in SUFFIXES or _is_conll(text, reader, first, labelled=labelled):
            table = parse_conll(text, source_words(path), first=first)
            return _conll(table, settings, reader)
    if not labelled and suffix in _TEXTS:
        text = reader.text(path)
        if not names_column(text, first) and not parted_as_before(text, reader):
            return _lines(path, reader)
    table = reader.table(path)
    parts = settings.sequence.split(",") if settings.group else [settings.sequence]
    found = Found(table, [name.strip() for name in parts], settings.label)
    if settings.group:
        check_columns([settings.group], table, "group", table.name)
        return Found(
            table,
            found.sequence,
            found.label,
            _groups(table, settings.group, reader),
            settings.group,
        )
    if per_step and len(table.after_blank):
        return _conll(table, settings, reader)
    return found


def _is_conll(text: str, reader: Reader, first: str, *, labelled: bool) -> bool:
    """Whether a text has a token a line: by its look, or by that of the file before it."""
    if names_column(text, first):
        return False
    before = reader.before.get("layout") == _CONLL and usual_width(text)[1] == 1
    return before or looks_like_conll(text, labelled=labelled)


def names_column(text: str, name: str) -> bool:
    """Whether the first line of a text names a column, so that it is a table."""
    first = text.lstrip("\n").partition("\n")[0]
    return name in [cell.strip(' "\r') for cell in re.split(r"[,;\t|]", first)]


def parted_as_before(text: str, reader: Reader) -> bool:
    """Whether the lines of a text are parted as a table was that has been read before, by a mark
    that sentences do not have."""
    mark = character(reader.usual.separator or "")
    counts = {line.count(mark) for line in text.split("\n") if line.strip()} if mark else set()
    return mark in ("\t", "|") and len(counts) == 1 and counts != {0}


def _lines(path: Path, reader: Reader) -> Found:
    lines = reader.lines(path)
    if not lines:
        raise ArgumentError(source_words(path), wanted="a text a line", got="nothing")
    polars = require("polars", "series")
    frame = polars.DataFrame({DEFAULT_SEQUENCE: lines}, schema={DEFAULT_SEQUENCE: polars.String})
    table = Table(source_words(path), frame, range(1, len(lines) + 1), False)
    return Found(table, [DEFAULT_SEQUENCE], DEFAULT_LABEL)


def _conll(table: Table, settings: Layout, reader: Reader) -> Found:
    """A token a line: where the columns have no names the first and the last, or those of
    CoNLL-U."""
    sequence, label = settings.sequence, settings.label
    if not table.header:
        if sequence == DEFAULT_SEQUENCE:
            sequence = _FORM if _FORM in table.columns else table.columns[0]
        if label == DEFAULT_LABEL:
            label = _TAG if _TAG in table.columns else table.columns[-1]
    groups = _blocks(table)
    reader.found["layout"] = _CONLL
    reader.say(
        f"{table.name}: a token a line, {int(groups[-1]) + 1:,} sentences between blank lines"
        + ("" if table.header else f"; tokens are {sequence}, labels {label}")
    )
    return Found(table, [sequence], label, groups)


def _blocks(table: Table) -> np.ndarray:
    """The number of the block between blank lines that each row is in."""
    begins = np.zeros(len(table), dtype=np.int64)
    begins[list(table.after_blank)] = 1
    return begins.cumsum()


def _groups(table: Table, name: str, reader: Reader) -> np.ndarray:
    """The number [R] of the sequence that each row belongs to, in the order of their beginnings.

    Raises ArgumentError where a name is missing, unless each is given on its first row alone.
    """
    polars = require("polars", "series")
    column = table[name].cast(polars.String)
    empty = column.is_null() | (column.str.strip_chars() == "").fill_null(True)
    if empty.any():
        there = column.filter(~empty)
        if empty[0] or there.n_unique() < len(there):
            place = int(empty.arg_true()[0])
            raise ArgumentError(
                table.column(name),
                wanted="the sequence of every row, or of the first row of each alone",
                got=f"none in {table.row(place)}",
                remedy="Fill it in.",
            )
        reader.say(
            f"{table.name}: {name} is given on the first row of each sequence, and counts for the "
            f"rows below it: {len(there):,} sequences"
        )
        return (~empty).to_numpy().astype(np.int64).cumsum() - 1
    names = dict.fromkeys(column.to_list())
    numbers = {each: number for number, each in enumerate(names)}
    return np.fromiter((numbers[each] for each in column.to_list()), np.int64, len(column))


__all__ = ["DEFAULT_LABEL", "DEFAULT_SEQUENCE", "Found", "Layout", "find_rows"]
