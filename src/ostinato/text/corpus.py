"""A text as tokens: its vocabulary, the part to learn from, and the part held out."""

from __future__ import annotations

import enum
import json
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, takewhile
from pathlib import Path
from typing import cast, final

import numpy as np

from ostinato.data.files import write_json
from ostinato.data.settings import Settings, setting
from ostinato.data.tokens import TokenWriter, open_tokens
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

    level: str = setting("char", "What a token is.", choices=LEVELS)
    vocabulary: int | None = setting(
        None, "Most tokens in the vocabulary; by default 10000 words or 2000 byte pairs.", least=4
    )
    min_frequency: int = setting(2, "Words seen less often than this become <unk>.", least=1)
    held_out: float = setting(
        0.1, "Share of the characters, at the end, that is held out.", least=0.001, below=1
    )


class Mark(enum.Enum):
    """What stands between the characters of a corpus."""

    BEGIN = BOS
    END = EOS
    BORDER = None
    """Held-out text begins here."""


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


@final
class Corpus:
    """Tokens of one or more documents, memory-mapped, and the tokeniser that made them.

    Each document reads ``<bos> text <eos>``. Attributes: ``tokenizer``; ``tokens`` [N], all of
    them; ``train`` and ``held_out``, their two parts; ``counts``. The first token of ``held_out``
    is the last one of ``train``: it is what the first held-out token is predicted from.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokenizer = Tokenizer.load(folder / "tokenizer.json")
        self.tokens = open_tokens(folder / "tokens.npy")
        self.counts = _read_counts(folder / "corpus.json")

    @property
    def train(self) -> np.ndarray:
        """The tokens to learn from."""
        return self.tokens[: self.counts.train_tokens]

    @property
    def held_out(self) -> np.ndarray:
        """The held-out tokens, after the one before them."""
        return self.tokens[self.counts.train_tokens - 1 :]

    def summary(self) -> str:
        """The sizes of the corpus in words."""
        counts = self.counts
        total = counts.train_characters + counts.held_out_characters
        said = (
            f"{total:,} characters, {self._kinds()}; "
            f"the last {counts.held_out_characters:,} are held out"
        )
        unknown = counts.train_unknown, counts.held_out_unknown
        if not any(unknown):
            return said
        return f"{said}; <unk> stands {unknown[0]:,} times before them and {unknown[1]:,} in them"

    def _kinds(self) -> str:
        different, level = self.tokenizer.size - len(SPECIAL), self.tokenizer.level
        if level == "char":
            return f"{different:,} different"
        kinds = {"word": "words", "bpe": "byte pairs"}[level]
        return f"as {len(self.tokens):,} tokens by a vocabulary of {different:,} {kinds}"

    @classmethod
    def build(
        cls,
        documents: Document | Sequence[Document] | None = None,
        settings: CorpusSettings | None = None,
        *,
        folder: Path | None = None,
    ) -> Corpus:
        """Read documents (by default `default_text`) as a stream, and write their tokens.

        The vocabulary is that of the training part. The files go to ``folder``; without one, to a
        temporary folder that lives as long as the corpus. Raises ArgumentError for what is no
        document, and for a text that is too short to be split.
        """
        documents = _listed(default_text() if documents is None else documents)
        settings = settings or CorpusSettings()
        if folder is not None:
            _write(documents, settings, folder)
            return cls(folder)
        folder = Path(tempfile.mkdtemp(prefix="ostinato-"))
        try:
            _write(documents, settings, folder)
            corpus = cls(folder)
        except BaseException:
            shutil.rmtree(folder)
            raise
        weakref.finalize(corpus, shutil.rmtree, folder, ignore_errors=True)
        return corpus


def mark(documents: Iterable[Document], border: int) -> Iterator[str | Mark]:
    """All characters in pieces, with marks where documents begin and end and at the border."""
    before = 0
    for document in documents:
        yield Mark.BEGIN
        for piece in document.pieces():
            if before <= border < before + len(piece):
                yield piece[: border - before]
                yield Mark.BORDER
                yield piece[border - before :]
            else:
                yield piece
            before += len(piece)
        yield Mark.END


@dataclass(frozen=True)
class Tokenized:
    """Documents as tokens [N] of a vocabulary that was made of another text."""

    tokens: np.ndarray
    characters: int
    unknown: int


def tokenize(tokenizer: Tokenizer, documents: Sequence[Document], path: Path) -> Tokenized:
    """Write the tokens of documents to a file, as a stream, and open it."""
    characters = count(documents)
    with TokenWriter(path, tokenizer.size) as writer:
        # A border that is never met.
        _, unknown = _append(writer, tokenizer, mark(documents, characters))
    return Tokenized(open_tokens(path), characters, unknown)


def _listed(documents: Document | Sequence[Document]) -> list[Document]:
    found = [documents] if isinstance(documents, Document) else list(documents)
    for document in found:
        if not isinstance(document, Document):
            raise ArgumentError(
                "documents",
                wanted="a Document, or several",
                got=f"a {type(document).__name__}",
                remedy="Use text(string), files(paths), or nothing for the default text.",
            )
    return found


def _write(documents: Sequence[Document], settings: CorpusSettings, folder: Path) -> None:
    characters = count(documents)
    border = characters - max(1, round(characters * settings.held_out))
    if border < 1:
        raise ArgumentError(
            "FILE",
            wanted="a text long enough to learn from and to hold a part out",
            got=f"{characters} characters in {len(documents)} files",
        )
    seen = takewhile(_before_border, mark(documents, border))
    tokenizer = train_tokenizer(
        (item for item in seen if isinstance(item, str)),
        settings.level,
        vocabulary=settings.vocabulary,
        min_frequency=settings.min_frequency,
    )
    train, held_out = _write_tokens(tokenizer, mark(documents, border), folder / "tokens.npy")
    tokenizer.save(folder / "tokenizer.json")
    counts = Counts(
        train_characters=border,
        held_out_characters=characters - border,
        train_tokens=train[0],
        train_unknown=train[1],
        held_out_unknown=held_out[1],
        documents=len(documents),
        name=source_name(documents),
    )
    write_json(folder / "corpus.json", asdict(counts))


def _write_tokens(
    tokenizer: Tokenizer, items: Iterator[str | Mark], path: Path
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Write all tokens; their number, and that of <unk>, before and after the border."""
    with TokenWriter(path, tokenizer.size) as writer:
        train = _append(writer, tokenizer, takewhile(_before_border, items))
        return train, _append(writer, tokenizer, items)


def _append(
    writer: TokenWriter, tokenizer: Tokenizer, items: Iterable[str | Mark]
) -> tuple[int, int]:
    length = unknown = 0
    for is_text, run in groupby(items, lambda item: isinstance(item, str)):
        for ids in tokenizer.encode_pieces(cast("Iterator[str]", run)) if is_text else _marks(run):
            writer.append(ids)
            length += len(ids)
            unknown += int(np.count_nonzero(ids == UNKNOWN))
    return length, unknown


def _marks(run: Iterable[str | Mark]) -> Iterator[np.ndarray]:
    return (np.array([item.value]) for item in run if isinstance(item, Mark))


def _before_border(item: str | Mark) -> bool:
    return item is not Mark.BORDER


def _read_counts(path: Path) -> Counts:
    try:
        return Counts(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ArgumentError(
            str(path), wanted="the counts of a corpus", got=f"a file that cannot be read ({error})"
        ) from error
