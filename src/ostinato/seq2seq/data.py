"""Pairs of texts to learn from, and those held out: read from a table, or of an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Self, final

import torch

from ostinato.data import setting, write_json
from ostinato.data.files import read_json
from ostinato.data.label_names import note_missing_words
from ostinato.data.sequence_files import names_column, parted_as_before
from ostinato.data.sequence_tables import TOKENS
from ostinato.data.source import existing_source, source_words
from ostinato.data.tables import FileSettings, Reader, Table, check_columns, refuse_missing
from ostinato.data.tables.reader import is_table
from ostinato.data.typed import check_fields
from ostinato.errors import ArgumentError
from ostinato.seq2seq.encoding import Pair, PairEncoding


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
    held_out: float = setting(
        0.1, "Share of the pairs that is held out, at random.", least=0.0001, below=1
    )
    num_pairs: int = setting(
        10_000, "Pairs that an example draws, held-out ones with them.", least=2
    )


@final
@dataclass(frozen=True)
class PairData:
    """Pairs of texts to learn from, pairs held out, and what a token of them is."""

    train: list[Pair]
    held_out: list[Pair]
    tokens: str = "char"
    min_frequency: int = 1

    def __post_init__(self) -> None:
        assert self.tokens in TOKENS

    @classmethod
    def split(
        cls, pairs: Sequence[Pair], settings: PairSettings, *, seed: int = 0, source: str = "pairs"
    ) -> Self:
        """A share of pairs, drawn by the seed, is held out.

        Raises ArgumentError for less than two, which names the ``source``.
        """
        if len(pairs) < 2:
            raise ArgumentError(
                source, wanted="at least two pairs, to hold one out", got=str(len(pairs))
            )
        order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
        border = min(len(pairs) - 1, max(1, round(settings.held_out * len(pairs))))
        parts = order[border:], order[:border]
        train, held_out = ([pairs[place] for place in sorted(part)] for part in parts)
        return cls(train, held_out, settings.tokens, settings.min_frequency)

    def encoding(self) -> PairEncoding:
        """The vocabularies of what is learned from."""
        return PairEncoding.fit(self.train, self.tokens, self.min_frequency)

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
        check_fields(str(path), found, _KINDS, wanted="the pairs of a run")
        parts = {name: [tuple(pair) for pair in found.pop(name)] for name in _PARTS}
        paired = all(len(pair) == 2 for part in parts.values() for pair in part)
        if not (paired and all(parts.values()) and found["tokens"] in TOKENS):
            raise ArgumentError(str(path), wanted="the pairs of a run", got="others")
        return cls(**parts, **found)


_PARTS = ("train", "held_out")
_KINDS = {**dict.fromkeys(_PARTS, list[list[str]]), "tokens": str, "min_frequency": int}


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
