"""What a cell looks like, as far as its table is not yet known: a number, a date, or text."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBER = re.compile(
    r"[^\w.,]{0,3}[+\-\u2212]?[^\w.,]{0,3}"
    r"([0-9]{1,3}([.,' \u00a0\u202f][0-9]{3})+([.,][0-9]*)?|[0-9]+([.,][0-9]*)?|[.,][0-9]+)"
    r"([eE][+-]?[0-9]+)?\s?(%|[^\w\s]|[A-Z]{3})?"
)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE = re.compile(
    r"[0-9]{4}[-/.][0-9]{1,2}([-/.][0-9]{1,2})?([T ].*)?"
    r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.]([0-9]{4}|[0-9]{2})([T ,].*)?"
    r"|[0-9]{1,2}[-/.][0-9]{4}"
    r"|[0-9]{4}[-/ ]?[QqWw][0-9]{1,2}(-[0-9])?|[Qq][1-4][-/ ]?[0-9]{4}"
    rf"|.{{0,12}}\b({_MONTHS})[a-z]*\b.{{0,20}}[0-9].*|[0-9].{{0,6}}\b({_MONTHS})[a-z]*\b.*"
    r"|[0-9]{1,2}:[0-9]{2}(:[0-9]{2}.*)?",
    re.IGNORECASE,
)
# Words for what is missing, which tell nothing of a column.
MISSING = ("NA", "N/A", "NaN", "nan", "null", "NULL", "None", ".", "-")
_MISSING = frozenset({"", "?", "n.d.", "#n/a", "--", *(word.lower() for word in MISSING)})
# Share of the cells of a column from which on their kind is that of the column.
_MOST = 0.8


def kind_of_cell(cell: str | None) -> str:
    """ "number", "date", "text", or "" for one that is missing."""
    text = (cell or "").strip()
    if text.lower() in _MISSING:
        return ""
    if _NUMBER.fullmatch(text):
        return "number"
    return "date" if len(text) < 40 and _DATE.fullmatch(text) else "text"


def kind_of_column(cells: Iterable[str | None]) -> str:
    """The kind of nearly all cells that are not missing; "text" where there is none."""
    kinds = [kind for kind in map(kind_of_cell, cells) if kind]
    for kind in ("number", "date"):
        if kinds and kinds.count(kind) >= _MOST * len(kinds):
            return kind
    return "text" if kinds else ""
