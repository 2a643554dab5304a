"""Labels and texts as texts: their order, and words in them that stand for nothing elsewhere."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from ostinato.data.tables.cells import MISSING
from ostinato.data.tables.reader import Reader
from ostinato.data.tables.table import Table, is_text

# So many different texts of a column may be labels.
_FEW = 100
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
    if alike := _alike(different):
        one, other, why = alike
        reader.say(f"{table.name}: {one!r} and {other!r} in {name} are two: they differ by {why}")


def _alike(words: Sequence[str]) -> tuple[str, str, str] | None:
    """The first two words that a reader would take for one, and by what they differ."""
    known: dict[str, str] = {}
    for word in sorted(words):
        bare = unicodedata.normalize("NFC", word).strip()
        key = bare.casefold() if len(words) <= _FEW else bare
        other = known.setdefault(key, word)
        if other == word:
            continue
        if word.strip() == other.strip():
            return other, word, "spaces"
        same = unicodedata.normalize("NFC", other).strip() == bare
        return other, word, "the Unicode form of their letters" if same else "capital letters"
    return None
