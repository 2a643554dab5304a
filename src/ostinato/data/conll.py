"""Files with a token a line and blank lines between sentences: CoNLL, CoNLL-U and their like."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ostinato.data.requirements import require
from ostinato.data.tables.table import Table
from ostinato.errors import ArgumentError

SUFFIXES = (".conll", ".conllu", ".conllx", ".iob", ".iob2", ".bio", ".bioes", ".ner", ".pos")
"""What the names of such files end in; those that end in .txt or .tsv are told by their look."""

_UNIVERSAL = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
# The number of a token of CoNLL-U; 1-2 and 1.1 are no tokens of their own.
_NUMBER = re.compile(r"[0-9]+([-.][0-9]+)?")
_DOCUMENT = "-DOCSTART-"
# Share of the lines that must have as many fields.
_MOST = 0.5


def looks_like_conll(text: str, *, labelled: bool) -> bool:
    """Whether a text has a token a line, with a label or more beside it, and blank lines between.

    With labels most lines must have as many fields; without, all, and a token may be alone.
    """
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    if all(line.strip() for line in lines):
        return False
    width, share = usual_width(text)
    return share > _MOST and width > 1 if labelled else share == 1


def usual_width(text: str) -> tuple[int, float]:
    """(the fields that most lines of a text have, the share of its lines that have so many)."""
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    counts = Counter(len(_fields(line)) for line in lines)
    if not counts:
        return 0, 0.0
    width, count = counts.most_common(1)[0]
    return width, count / len(lines)


def parse_conll(text: str, source: str, *, first: str = "") -> Table:
    """The tokens of such a text as a table, ``after_blank`` where sentences begin.

    Its first line names the columns where it has the name ``first``. Lines that begin with ``# ``
    are remarks where the file is CoNLL-U, and so are -DOCSTART- lines everywhere; tokens of several
    words and empty ones of CoNLL-U are left out. Raises ArgumentError for a line of another width
    than most.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    begins: list[int] = []
    width, _ = usual_width(text)
    new = universal = False
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip() or line.startswith(_DOCUMENT):
            new = True
            continue
        fields = _fields(line)
        universal = universal or (not rows and (_is_universal(fields) or _is_remark(line)))
        if universal and (_is_remark(line) or not fields[0].isdigit()):
            continue
        if len(fields) != width:
            raise _uneven(fields, width, number, source)
        if new and rows:
            begins.append(len(rows))
        new = False
        rows.append(fields)
        lines.append(number)
    if not rows:
        raise ArgumentError(source, wanted="a table with rows", got="none")
    if first in rows[0]:
        names, rows, lines = tuple(rows[0]), rows[1:], lines[1:]
        return Table(
            source, _frame(rows, names), lines, True, [each - 1 for each in begins if each > 1]
        )
    names = _UNIVERSAL if _is_universal(rows[0]) else _numbered(len(rows[0]))
    return Table(source, _frame(rows, names), lines, False, begins)


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.split("\t")] if "\t" in line else line.split()


def _is_remark(line: str) -> bool:
    return line.startswith("# ") and "=" in line


def _is_universal(fields: list[str]) -> bool:
    return len(fields) == len(_UNIVERSAL) and bool(_NUMBER.fullmatch(fields[0]))


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"column_{number + 1}" for number in range(count))


def _frame(rows: list[list[str]], names: tuple[str, ...]) -> Any:
    polars = require("polars", "series")
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return polars.DataFrame(
        [polars.Series(name, cells, dtype=polars.String) for name, cells in columns]
    )


def _uneven(fields: list[str], width: int, number: int, source: str) -> ArgumentError:
    return ArgumentError(
        f"{source}, line {number}",
        wanted=f"{width} fields between white space, as most lines have",
        got=f"{len(fields)}: {' '.join(fields)[:60]!r}",
        remedy="Sentences stand between blank lines, a token a line.",
    )
