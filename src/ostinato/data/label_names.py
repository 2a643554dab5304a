"""Labels and texts as texts: their order, and words in them that stand for nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from ostinato.data.tables.cells import MISSING
from ostinato.data.tables.reader import Reader
from ostinato.data.tables.table import Table, is_text

_MISSING = frozenset(word.lower() for word in MISSING if word.isalpha() or "/" in word)


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the order of their numbers where all are numbers, else of their letters."""
    names = sorted(names)
    try:
        return sorted(names, key=float)
    except ValueError:
        return names


def note_missing_words(reader: Reader, table: Table, name: str) -> None:
    """Say of a column of texts what is done with words such as NA, and with spaces at its ends."""
    column = table[name]
    if not is_text(column):
        return
    different = column.drop_nulls().unique().to_list()
    if (
        len(different) > 10_000
    ):  # of labels there are fewer, and among so many texts one is no doubt
        return
    words = sorted(word for word in different if word.strip().lower() in _MISSING)
    if words:
        reader.say(f"{table.name}: {', '.join(words)} in {name} are read as they stand, as texts")
    spaced = sorted(
        word for word in different if word != word.strip() and word.strip() in different
    )
    if spaced:
        reader.say(
            f"{table.name}: {spaced[0]!r} and {spaced[0].strip()!r} in {name} are two: they differ "
            "by spaces"
        )
