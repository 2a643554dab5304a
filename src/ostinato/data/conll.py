"""Files with a token a line and blank lines between sentences: CoNLL, CoNLL-U and their like."""

from __future__ import annotations

import re
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


def looks_like_conll(text: str, *, labelled: bool) -> bool:
    """Whether a text has a token a line, with a label or more beside it, and blank lines between.

    Without labels a line may hold the token alone.
    """
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    tokens = [line for line in lines if line.strip() and not line.startswith("#")]
    if len(tokens) == len(lines) or not tokens or not any(not line.strip() for line in lines):
        return False
    widths = {len(_fields(line)) for line in tokens}
    return len(widths) == 1 and min(widths) >= (2 if labelled else 1)


def parse_conll(text: str, source: str) -> Table:
    """The tokens of such a text as a table without names, ``after_blank`` where sentences begin.

    Lines that begin with ``# `` are remarks where the file is CoNLL-U, and so are -DOCSTART- lines
    everywhere; tokens of several words and empty ones of CoNLL-U are left out. Raises
    ArgumentError for a line of another width than the first.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    begins: list[int] = []
    new = universal = False
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip() or line.startswith(_DOCUMENT):
            new = True
            continue
        fields = _fields(line)
        if not rows:
            universal = _is_universal(fields) or _is_remark(line)
        if universal and _is_remark(line):
            continue
        if universal and not fields[0].isdigit():
            continue
        if rows and len(fields) != len(rows[0]):
            raise _uneven(fields, len(rows[0]), number, source)
        if new and rows:
            begins.append(len(rows))
        new = False
        rows.append(fields)
        lines.append(number)
    if not rows:
        raise ArgumentError(source, wanted="a table with rows", got="none")
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
        wanted=f"{width} fields between white space, as in the lines before",
        got=f"{len(fields)}: {' '.join(fields)[:60]!r}",
        remedy="Sentences stand between blank lines, a token a line.",
    )
