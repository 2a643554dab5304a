"""Text with a sentence a line and spaces between its words, such as the One Billion Words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import final

import numpy as np

from ostinato.data.files import existing_file
from ostinato.data.tokens import TokenWriter, open_tokens
from ostinato.data.vocabulary import UNKNOWN, Vocabulary, count_words
from ostinato.errors import ArgumentError

# Sentences that are encoded at once: enough that a write costs little beside them.
_TOGETHER = 1000

BEGIN, END = "<s>", "</s>"


def read_lines(path: str | PathLike[str], argument: str = "FILE") -> Iterator[list[str]]:
    """The words of each line, cut at white space; read as a stream.

    Raises ArgumentError for a path that is no file, with names that are near, and for bytes that
    are not UTF-8.
    """
    path = existing_file(path, argument)
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                yield line.split()
    except UnicodeDecodeError as error:
        raise ArgumentError(
            str(path),
            wanted="text in utf-8",
            got=f"the byte 0x{error.object[error.start]:02x}",
            remedy="Convert it first: iconv -f latin1 -t utf-8.",
        ) from error


@final
class Sentences:
    """Sentences as tokens, each ``<s> words </s>``, mapped into memory.

    Attributes: ``tokens`` [M]; ``starts`` [N], the place of each <s>; ``vocabulary``, with <unk>
    for what is rare; ``frequencies`` [V], how often each id stands in the tokens, as noise
    contrastive estimation wants. `SequenceColumns` makes batches of tokens and starts.
    """

    def __init__(self, folder: Path) -> None:
        self.vocabulary = Vocabulary.load(folder / "vocabulary.json")
        self.tokens = open_tokens(folder / "tokens.npy")
        (begin,) = self.vocabulary.encode([BEGIN])
        self.starts = np.flatnonzero(self.tokens == begin)

    @property
    def frequencies(self) -> np.ndarray:
        """Counts [V] of the ids in the tokens."""
        return np.bincount(self.tokens, minlength=len(self.vocabulary))

    def summary(self) -> str:
        """The sizes in words."""
        words = len(self.tokens) - 2 * len(self.starts)
        return (
            f"{len(self.starts):,} sentences of {words / max(1, len(self.starts)):.1f} words in "
            f"the mean, a vocabulary of {len(self.vocabulary):,}"
        )

    @classmethod
    def build(
        cls,
        paths: Sequence[str | PathLike[str]],
        folder: Path,
        *,
        vocabulary: Vocabulary | None = None,
        min_frequency: int = 3,
    ) -> Sentences:
        """Read files with a sentence a line, twice, and write their tokens to a folder.

        Without a ``vocabulary`` it is that of the files, without words that are seen less often
        than ``min_frequency`` (3 in the benchmark). Empty lines are no sentences. Raises
        ArgumentError for a path that is no file.

        Source: Chelba et al., "One Billion Word Benchmark for Measuring Progress in Statistical
        Language Modeling", 2013: files ``news.en-00001-of-00100`` and so on.
        """
        paths = [existing_file(path, "FILE") for path in paths]
        if vocabulary is None:
            vocabulary = Vocabulary.of(
                count_words(_sentences(paths)),
                special=(BEGIN, END, UNKNOWN),
                min_frequency=min_frequency,
            )
        with TokenWriter(folder / "tokens.npy", len(vocabulary)) as writer:
            for words in _together(_sentences(paths)):
                writer.append(vocabulary.encode(words))
        vocabulary.save(folder / "vocabulary.json")
        return cls(folder)


def _sentences(paths: Iterable[Path]) -> Iterator[list[str]]:
    return (words for path in paths for words in read_lines(path) if words)


def _together(sentences: Iterable[list[str]]) -> Iterator[list[str]]:
    waiting: list[str] = []
    for number, words in enumerate(sentences, 1):
        waiting += [BEGIN, *words, END]
        if number % _TOGETHER == 0:
            yield waiting
            waiting = []
    yield waiting
