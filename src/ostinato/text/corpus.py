"""A text as tokens: its vocabulary, the part to learn from, and the part held out."""

from __future__ import annotations

import enum
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from itertools import groupby, takewhile
from pathlib import Path
from typing import NamedTuple, cast, final, get_type_hints

import numpy as np
import torch
from torch import Tensor

from ostinato.data.files import read_json, write_json
from ostinato.data.reading import PIECE
from ostinato.data.settings import Settings, setting
from ostinato.data.tokens import TokenWriter, check_tokens, open_tokens
from ostinato.data.typed import check_fields
from ostinato.errors import ArgumentError
from ostinato.text.sources import Document, count, default_text, source_name
from ostinato.text.tokenizer import (
    BOS,
    EOS,
    LEVELS,
    SPECIAL,
    UNKNOWN,
    Tokenizer,
    train_tokenizer,
)


@dataclass(frozen=True)
class CorpusSettings(Settings):
    """How a text becomes tokens."""

    level: str = setting(
        "char",
        "What a token is; spaced: what stands between spaces, and <eos> for each line end.",
        choices=LEVELS,
    )
    vocabulary: int | None = setting(
        None,
        "Most tokens in the vocabulary; by default 10000 words or 2000 byte pairs, and all words "
        "of spaced text.",
        least=4,
        bound=10_000_000,
    )
    min_frequency: int | None = setting(
        None,
        "Words seen less often than this become <unk>; by default 2, and 1 for spaced text.",
        least=1,
    )
    held_out: float | None = setting(
        None,
        "Share of the characters, at the end, that is held out; by default a tenth, and at most "
        "two million.",
        least=0.001,
        below=1,
    )


# What is held out where nobody says it: of a very long text no more than tells models apart.
_SHARE, _MOST = 0.1, 2_000_000


class Mark(enum.Enum):
    """What stands between the characters of a corpus."""

    BEGIN = BOS
    END = EOS
    BORDER = None
    """The next part begins here: held-out text, or the test."""


@dataclass(frozen=True)
class Counts:
    """What was counted while a corpus was read."""

    train_characters: int
    held_out_characters: int
    train_tokens: int
    train_unknown: int
    held_out_unknown: int
    documents: int
    name: str
    test_characters: int = 0
    test_tokens: int = 0
    test_unknown: int = 0


class Parts(NamedTuple):
    """The documents of a corpus; without a second part, the end of the first is held out."""

    train: Sequence[Document]
    held_out: Sequence[Document] = ()
    test: Sequence[Document] = ()


@final
class Corpus:
    """Tokens of one or more documents, memory-mapped, and the tokeniser that made them.

    Each document reads ``<bos> text <eos>``; in spaced text ``<eos>`` stands before, after and
    between all lines. Attributes: ``tokenizer``; ``tokens`` [N], all of them; their parts
    ``train``, ``held_out`` and, where one was given, ``test``; ``counts``. The first token of
    ``held_out`` is the last one of ``train``: it is what the first held-out token is predicted
    from; so is that of ``test`` the last one of ``held_out``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokenizer = Tokenizer.load(folder / "tokenizer.json")
        self.tokens = open_tokens(folder / "tokens.npy")
        self.counts = _read_counts(folder / "corpus.json")
        self._check()

    def _check(self) -> None:
        """Raise ArgumentError where tokens and counts are not of one text and vocabulary."""
        check_tokens(self.folder / "tokens.npy", self.tokens, self.tokenizer.size)
        counts, held_out = self.counts, len(self.tokens) - self.counts.test_tokens
        if not 1 <= counts.train_tokens <= held_out:
            raise ArgumentError(
                str(self.folder / "corpus.json"),
                wanted=f"counts of {len(self.tokens):,} tokens",
                got=f"{counts.train_tokens:,} to learn from and {counts.test_tokens:,} to test on",
            )

    @property
    def train(self) -> np.ndarray:
        """The tokens to learn from."""
        return self.tokens[: self.counts.train_tokens]

    @property
    def held_out(self) -> np.ndarray:
        """The held-out tokens, after the one before them."""
        end = len(self.tokens) - self.counts.test_tokens
        return self.tokens[self.counts.train_tokens - 1 : end]

    @property
    def test(self) -> np.ndarray:
        """The tokens of the test, after the one before them; that one alone without a test."""
        return self.tokens[len(self.tokens) - self.counts.test_tokens - 1 :]

    def part(self, name: str) -> tuple[np.ndarray, int]:
        """The tokens of ``"held_out"`` or ``"test"``, and the number of their characters."""
        return getattr(self, name), getattr(self.counts, f"{name}_characters")

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts to measure a model on: held_out, and test where there is one."""
        return ("held_out", "test") if self.counts.test_characters else ("held_out",)

    @property
    def frequencies(self) -> Tensor:
        """How often each token stands in the training part, [V]."""
        counts = np.zeros(self.tokenizer.size, dtype=np.int64)
        for piece in _pieces(self.train):
            counts += np.bincount(piece, minlength=len(counts))
        return torch.from_numpy(counts)

    def summary(self) -> str:
        """The sizes of the corpus in words."""
        counts = self.counts
        held_out, test = counts.held_out_characters, counts.test_characters
        total = counts.train_characters + held_out + test
        said = f"{total:,} characters, {self._kinds()}; the last {held_out + test:,} are held out"
        if test:
            said += f", {test:,} of them for the test"
        unknown = counts.train_unknown, counts.held_out_unknown + counts.test_unknown
        if not any(unknown):
            return said
        return f"{said}; <unk> stands {unknown[0]:,} times before them and {unknown[1]:,} in them"

    def _kinds(self) -> str:
        different, level = self.tokenizer.size - len(SPECIAL), self.tokenizer.level
        if level == "char":
            return f"{different:,} different"
        kinds = "byte pairs" if level == "bpe" else "words"
        return f"as {len(self.tokens):,} tokens by a vocabulary of {different:,} {kinds}"

    @classmethod
    def build(
        cls,
        documents: Document | Sequence[Document] | Parts | None = None,
        settings: CorpusSettings | None = None,
        *,
        folder: Path | None = None,
        tokenizer: Tokenizer | None = None,
    ) -> Corpus:
        """Read documents (by default `default_text`) as a stream, and write their tokens.

        As `Parts` they say what to learn from, what to hold out, and what to test on. The
        vocabulary is that of the training part, or of a ``tokenizer`` that is given. The files go
        to ``folder``; without one, to a temporary folder that lives as long as the corpus. Raises
        ArgumentError for what is no document, for a text that is too short to be split, and for an
        empty part.
        """
        parts = _parts(default_text() if documents is None else documents)
        settings = settings or CorpusSettings()
        if folder is not None:
            _write(parts, settings, folder, tokenizer)
            return cls(folder)
        folder = Path(tempfile.mkdtemp(prefix="ostinato-"))
        try:
            _write(parts, settings, folder, tokenizer)
            corpus = cls(folder)
        except BaseException:
            shutil.rmtree(folder)
            raise
        weakref.finalize(corpus, shutil.rmtree, folder, ignore_errors=True)
        return corpus


def mark(documents: Iterable[Document], border: int | None = None) -> Iterator[str | Mark]:
    """All characters in pieces, with marks where documents begin and end and at the border."""
    before = 0
    for document in documents:
        yield Mark.BEGIN
        for piece in document.pieces():
            if border is not None and before <= border < before + len(piece):
                yield piece[: border - before]
                yield Mark.BORDER
                yield piece[border - before :]
            else:
                yield piece
            before += len(piece)
        yield Mark.END


def mark_parts(parts: Parts, border: int | None) -> Iterator[str | Mark]:
    """All parts, with a border between each and the next."""
    yield from mark(parts.train, border)
    for documents in (parts.held_out, parts.test):
        if documents:
            yield Mark.BORDER
            yield from mark(documents)


@dataclass(frozen=True)
class Tokenized:
    """Documents as tokens [N] of a vocabulary that was made of another text."""

    tokens: np.ndarray
    characters: int
    unknown: int


def tokenize(tokenizer: Tokenizer, documents: Sequence[Document], path: Path) -> Tokenized:
    """Write the tokens of documents to a file, as a stream, and open it."""
    with TokenWriter(path, tokenizer.size) as writer:
        _, unknown = _Appender(writer, tokenizer).append(mark(documents))
    return Tokenized(open_tokens(path), count(documents), unknown)


def _parts(documents: Document | Sequence[Document] | Parts) -> Parts:
    if isinstance(documents, Parts):
        return documents
    found = [documents] if isinstance(documents, Document) else list(documents)
    for document in found:
        if not isinstance(document, Document):
            raise ArgumentError(
                "documents",
                wanted="a Document, or several",
                got=f"a {type(document).__name__}",
                remedy="Use text(string), files(paths), or nothing for the default text.",
            )
    return Parts(found)


def _write(
    parts: Parts, settings: CorpusSettings, folder: Path, tokenizer: Tokenizer | None
) -> None:
    train, held_out, test = _count(parts, settings.held_out)
    border = None if parts.held_out else train
    if tokenizer is None:
        seen = takewhile(_before_border, mark(parts.train, border))
        tokenizer = train_tokenizer(
            (item for item in seen if isinstance(item, str)),
            settings.level,
            vocabulary=settings.vocabulary,
            min_frequency=settings.min_frequency,
        )
    items = mark_parts(parts, border)
    with TokenWriter(folder / "tokens.npy", tokenizer.size) as writer:
        appender = _Appender(writer, tokenizer)
        written = [appender.append(takewhile(_before_border, items)) for _ in parts]
    tokenizer.save(folder / "tokenizer.json")
    counts = Counts(
        train_characters=train,
        held_out_characters=held_out,
        train_tokens=written[0][0],
        train_unknown=written[0][1],
        held_out_unknown=written[1][1],
        documents=sum(map(len, parts)),
        name=source_name(parts.train),
        test_characters=test,
        test_tokens=written[2][0],
        test_unknown=written[2][1],
    )
    write_json(folder / "corpus.json", asdict(counts))


def _count(parts: Parts, share: float | None) -> tuple[int, int, int]:
    """The characters of each part; a share of the first where nothing else is held out."""
    train, held_out, test = (count(documents) for documents in parts)
    for use, documents, characters in (
        ("hold out", parts.held_out, held_out),
        ("test on", parts.test, test),
    ):
        if documents and not characters:
            raise ArgumentError(
                source_name(documents), wanted=f"a text to {use}", got="no character"
            )
    if not parts.held_out:
        wanted = round(train * share) if share else min(round(train * _SHARE), _MOST)
        held_out = max(1, wanted)
        train -= held_out
    if train < 1:
        raise ArgumentError(
            "FILE",
            wanted="a text long enough to learn from and to hold a part out",
            got=f"{train + held_out} characters in {len(parts.train)} files",
        )
    return train, held_out, test


class _Appender:
    """Writes text and marks as tokens."""

    def __init__(self, writer: TokenWriter, tokenizer: Tokenizer) -> None:
        self._writer, self._tokenizer = writer, tokenizer
        self._last = -1

    def append(self, items: Iterable[str | Mark]) -> tuple[int, int]:
        """Write a part; how many tokens it has, and how many of them are <unk>."""
        length = unknown = 0
        for is_text, run in groupby(items, lambda item: isinstance(item, str)):
            for ids in self._text(run) if is_text else self._marks(run):
                self._writer.append(ids)
                length += len(ids)
                unknown += int(np.count_nonzero(ids == UNKNOWN))
                self._last = int(ids[-1]) if len(ids) else self._last
        return length, unknown

    def _text(self, run: Iterable[str | Mark]) -> Iterator[np.ndarray]:
        return self._tokenizer.encode_pieces(cast("Iterator[str]", run))

    def _marks(self, run: Iterable[str | Mark]) -> Iterator[np.ndarray]:
        for item in run:
            if isinstance(item, Mark) and not self._tokenizer.by_lines:
                yield np.array([item.value])
            elif self._last != EOS:  # one <eos> between two lines, whoever asks for it
                yield np.array([EOS])


def _before_border(item: str | Mark) -> bool:
    return item is not Mark.BORDER


def _pieces(tokens: np.ndarray) -> Iterator[np.ndarray]:
    return (tokens[start : start + PIECE] for start in range(0, len(tokens), PIECE))


def _read_counts(path: Path) -> Counts:
    found = read_json(path, "the counts of a corpus")
    optional = [field.name for field in fields(Counts) if field.default is not MISSING]
    wanted = "the counts of a corpus"
    check_fields(str(path), found, get_type_hints(Counts), wanted=wanted, optional=optional)
    counts = Counts(**found)
    numbers = (value for value in found.values() if isinstance(value, int))
    if min(numbers) < 0 or min(counts.train_characters, counts.held_out_characters) < 1:
        raise ArgumentError(str(path), wanted=wanted, got="one below 1")
    return counts
