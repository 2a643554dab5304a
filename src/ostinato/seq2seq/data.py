"""Pairs of texts to learn from, and those held out: read from a table, or of an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, Self, final

import torch

from ostinato.data import Vocabulary, setting, write_json
from ostinato.data.files import read_json
from ostinato.data.label_names import note_missing_words
from ostinato.data.pairs import SPECIAL
from ostinato.data.sequence_files import names_column, parted_as_before
from ostinato.data.sequence_tables import TOKENS
from ostinato.data.source import existing_source, source_words
from ostinato.data.tables import FileSettings, Reader, Table, check_columns, refuse_missing
from ostinato.data.tables.reader import is_table
from ostinato.data.typed import check_fields
from ostinato.errors import ArgumentError
from ostinato.seq2seq.encoding import Pair, PairEncoding, cut

# Rows that are named one by one.
_NAMED = 5


@dataclass(frozen=True)
class PairSettings(FileSettings):
    """Where pairs stand in a table, and how they are read."""

    source: str = setting("source", "The column of what is given.")
    target: str = setting("target", "The column of what is wanted.")
    tokens: str = setting(
        "char",
        "What a token is: a character, a word, or what stands between white space.",
        choices=("char", "word", "space"),
    )
    min_frequency: int = setting(1, "Tokens seen less often than this become <unk>.", least=1)
    max_length: int = setting(
        500,
        "Most tokens of a source or a target; pairs with more are left out, as one of them makes "
        "its whole batch as long.",
        least=1,
    )
    held_out: float = setting(
        0.1, "Share of the pairs that is held out, at random.", least=0.0001, below=1
    )
    num_pairs: int = setting(
        10_000, "Pairs that an example draws, held-out ones with them.", least=2, bound=100_000_000
    )


@final
@dataclass(frozen=True)
class PairData:
    """Pairs of texts to learn from, pairs held out, and what a token of them is."""

    train: list[Pair]
    held_out: list[Pair]
    tokens: str = "char"
    min_frequency: int = 1
    left_out: list[int] = field(default_factory=list[int])
    """The rows, counted from 1, that were too long."""
    words: list[list[str]] = field(default_factory=list[list[str]])
    """The vocabularies of both sides, where they are not those of what is learned from."""

    def __post_init__(self) -> None:
        assert self.tokens in TOKENS

    @classmethod
    def split(
        cls, pairs: Sequence[Pair], settings: PairSettings, *, seed: int = 0, source: str = "pairs"
    ) -> Self:
        """A share of pairs, drawn by the seed, is held out; of those that are not too long.

        Raises ArgumentError for less than two, which names the ``source``.
        """
        pairs, long = within_length(pairs, settings)
        if len(pairs) < 2:
            raise ArgumentError(
                source,
                wanted="at least two pairs, to hold one out",
                got=str(len(pairs)),
                remedy=tell_long(long, settings),
            )
        order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
        border = min(len(pairs) - 1, max(1, round(settings.held_out * len(pairs))))
        parts = order[border:], order[:border]
        train, held_out = ([pairs[place] for place in sorted(part)] for part in parts)
        return cls(train, held_out, settings.tokens, settings.min_frequency, long)

    def encoding(self) -> PairEncoding:
        """The vocabularies of what is learned from, or those that were given."""
        if self.words:
            source, target = map(Vocabulary, self.words)
            return PairEncoding(source, target, self.tokens)
        return PairEncoding.fit(self.train, self.tokens, self.min_frequency)

    def encoded_by(self, encoding: PairEncoding) -> Self:
        """The same pairs with given vocabularies, such as those that a model knows."""
        words = [list(each.words) for each in (encoding.source, encoding.target)]
        return replace(self, words=words, tokens=encoding.tokens)

    def summary(self) -> str:
        """The sizes in words."""
        encoding = self.encoding()
        kind = {"char": "characters", "word": "words", "space": "tokens"}[self.tokens]
        return (
            f"{len(self.train):,} pairs and {len(self.held_out):,} held out, of "
            f"{len(encoding.source):,} and {len(encoding.target):,} different {kind}"
        )

    def save(self, path: Path) -> None:
        """Write all of it as JSON."""
        write_json(path, vars(self))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises ArgumentError where the file is missing or damaged."""
        found = read_json(path, "the pairs of a run")
        check_fields(str(path), found, _KINDS, wanted="the pairs of a run", optional=_LATER)
        parts = {name: [tuple(pair) for pair in found.pop(name)] for name in _PARTS}
        paired = all(len(pair) == 2 for part in parts.values() for pair in part)
        words = found.get("words", [])
        known = len(words) in (0, 2) and all(each[: len(SPECIAL)] == [*SPECIAL] for each in words)
        if not (paired and known and all(parts.values()) and found["tokens"] in TOKENS):
            raise ArgumentError(str(path), wanted="the pairs of a run", got="others")
        return cls(**parts, **found)


_PARTS = ("train", "held_out")
_LATER: dict[str, Any] = {"left_out": list[int], "words": list[list[str]]}
"""What older runs lack."""
_KINDS = {**dict.fromkeys(_PARTS, list[list[str]]), "tokens": str, "min_frequency": int, **_LATER}


def within_length(pairs: Sequence[Pair], settings: PairSettings) -> tuple[list[Pair], list[int]]:
    """(pairs of which neither text has more tokens than ``max_length``, the rows of the others)."""
    lengths = [max(len(cut(text, settings.tokens)) for text in pair) for pair in pairs]
    kept = [pair for pair, n in zip(pairs, lengths, strict=True) if n <= settings.max_length]
    return kept, [row for row, n in enumerate(lengths, 1) if n > settings.max_length]


def tell_long(rows: Sequence[int], settings: PairSettings) -> str:
    """Rows that are left out, counted and named; nothing for none."""
    if not rows:
        return ""
    many = len(rows) > 1
    named = ", ".join(map(str, rows[:_NAMED])) + (" and so on" if len(rows) > _NAMED else "")
    return (
        f"{len(rows):,} pair{'s' if many else ''} of more than {settings.max_length:,} tokens "
        f"{'are' if many else 'is'} left out (row{'s' if many else ''} {named}): `max_length` says "
        "how many."
    )


def read_pairs(
    paths: str | PathLike[str] | Sequence[str | PathLike[str]],
    settings: PairSettings | None = None,
    *,
    reader: Reader | None = None,
) -> list[Pair]:
    """The pairs of a table (CSV and its like, Parquet, JSON lines), a row each, in its order.

    Of two texts, the lines of the first and those of the second are pairs. A table without names
    gives its two columns. ``reader`` keeps what is decided about the files. Raises ArgumentError
    for a path or a column that is wrong, with what is near, for a row without one of the texts,
    and for texts of different numbers of lines.
    """
    settings, reader = settings or PairSettings(), reader or Reader(settings)
    found = [paths] if isinstance(paths, str | PathLike) else list(paths)
    if len(found) == 2 and not any(is_table(Path(path)) for path in found):
        return _parallel(Path(found[0]), Path(found[1]), reader)
    if len(found) != 1:
        raise ArgumentError(
            "FILE", wanted="one table of pairs, or two texts", got=", ".join(map(str, found))
        )
    table = reader.table(found[0])
    names = _names(table, settings)
    sides = [_texts(table, name, side, reader) for name, side in zip(names, _SIDES, strict=True)]
    return list(zip(*sides, strict=True))


def read_sources(
    path: str | PathLike[str], column: str = "source", *, reader: Reader | None = None
) -> list[str]:
    """What is given, alone: a column of such a table, or the lines of a text.

    Raises as `read_pairs` does.
    """
    reader, path = reader or Reader(), existing_source(path, "FILE")
    if not is_table(path):
        text = reader.text(path)
        if not names_column(text, column) and not parted_as_before(text, reader):
            return _lines(path, reader)
    table = reader.table(path)
    name = _names(table, PairSettings(source=column))[0]
    return _texts(table, name, "source", reader)


_SIDES = ("source", "target")


def _names(table: Table, settings: PairSettings) -> tuple[str, str]:
    """The columns of both sides: as they are called, or the first and the second without names."""
    names = settings.source, settings.target
    usual = PairSettings.source, PairSettings.target
    if table.header or names != usual:
        return names
    columns = [*table.columns, *usual]
    return columns[0], columns[1]


def _texts(table: Table, name: str, argument: str, reader: Reader) -> list[str]:
    check_columns([name], table, argument, table.name)
    column = table[name]
    if column.dtype.is_nested():
        raise ArgumentError(table.column(name), wanted="texts", got=f"lists ({column.dtype})")
    refuse_missing(table, name)
    note_missing_words(reader, table, name)
    return [str(text) for text in column.to_list()]


def _lines(path: Path, reader: Reader) -> list[str]:
    lines = reader.lines(path)
    if not any(lines):
        raise ArgumentError(source_words(path), wanted="a text a line", got="none")
    return lines


def _parallel(source: Path, target: Path, reader: Reader) -> list[Pair]:
    """The lines of two texts side by side; those that are empty in both are left out."""
    texts = [_lines(existing_source(path, "FILE"), reader) for path in (source, target)]
    if len(texts[0]) != len(texts[1]):
        raise ArgumentError(
            "FILE",
            wanted="as many lines in both texts, as line is beside line",
            got=f"{len(texts[0]):,} in {source} and {len(texts[1]):,} in {target}",
        )
    for number, (one, two) in enumerate(zip(*texts, strict=True), 1):
        if bool(one.strip()) != bool(two.strip()):
            empty = target if one.strip() else source
            raise ArgumentError(
                f"{empty}, line {number}", wanted="a text beside that of the other file", got="none"
            )
    pairs = [pair for pair in zip(*texts, strict=True) if pair[0].strip()]
    if len(pairs) < len(texts[0]):
        reader.say(
            f"{source}: {len(texts[0]) - len(pairs):,} lines that are empty in both are left out"
        )
    return pairs
