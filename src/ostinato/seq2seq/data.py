"""Pairs of texts to learn from, and those held out: read from a table, or of an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Self, final

import torch

from ostinato.data import Settings, read_table, setting, write_json
from ostinato.data.files import read_json
from ostinato.data.sequence_tables import TOKENS
from ostinato.data.tables import check_columns, first_row
from ostinato.data.typed import check_fields
from ostinato.errors import ArgumentError
from ostinato.seq2seq.encoding import Pair, PairEncoding


@dataclass(frozen=True)
class PairSettings(Settings):
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


def read_pairs(path: str | PathLike[str], settings: PairSettings | None = None) -> list[Pair]:
    """The pairs of a CSV, TSV, Parquet or JSON-lines file, a row each, in its order.

    Raises ArgumentError for a path or a column that is wrong, with what is near, and for a row
    without one of the texts.
    """
    settings = settings or PairSettings()
    table = read_table(path, as_text=True)
    sides = (_texts(table, getattr(settings, side), side, path) for side in ("source", "target"))
    return list(zip(*sides, strict=True))


def read_sources(path: str | PathLike[str], column: str) -> list[str]:
    """What is given, alone, of such a file. Raises as `read_pairs` does."""
    return _texts(read_table(path, as_text=True), column, "source", path)


def _texts(table: Any, name: str, argument: str, path: str | PathLike[str]) -> list[str]:
    check_columns([name], table, argument, path)
    column = table[name]
    if column.dtype.is_nested():
        raise ArgumentError(
            f"column {name} of {path}", wanted="texts", got=f"lists ({column.dtype})"
        )
    if column.null_count():
        raise ArgumentError(
            f"column {name} of {path}",
            wanted="something in every row",
            got=f"nothing in row {first_row(column.is_null())}",
            remedy="Leave such rows out.",
        )
    return [str(text) for text in column.to_list()]
