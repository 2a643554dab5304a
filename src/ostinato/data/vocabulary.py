"""Words and their ids, the most frequent first."""

from __future__ import annotations

import difflib
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np

from ostinato.data.files import read_json, write_json
from ostinato.data.tokens import token_dtype
from ostinato.data.typed import check_type
from ostinato.errors import ArgumentError

PADDING, UNKNOWN = "<pad>", "<unk>"


@final
class Vocabulary:
    """Different words, each with its place in ``words`` as its id.

    Where <unk> is among them, it stands for every word that is not. For whole texts, whose tokens
    give the text back, see `ostinato.text.Tokenizer`.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._ids = {word: number for number, word in enumerate(self.words)}
        self.unknown = self._ids.get(UNKNOWN)

    def __len__(self) -> int:
        """Words V."""
        return len(self.words)

    def encode(self, words: Iterable[str]) -> np.ndarray:
        """The ids [n] of words. Raises ArgumentError for an unknown one where <unk> is missing."""
        # -1 marks a word that is nowhere; ids are not negative
        otherwise = -1 if self.unknown is None else self.unknown
        words = list(words)
        ids = np.fromiter((self._ids.get(word, otherwise) for word in words), np.int64, len(words))
        if self.unknown is None and (ids < 0).any():
            raise self._no_word(words[int((ids < 0).argmax())])
        return ids.astype(token_dtype(len(self)))

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The words of ids."""
        return [self.words[int(number)] for number in ids]

    def _no_word(self, word: str) -> ArgumentError:
        near = difflib.get_close_matches(word, self.words, n=1)
        return ArgumentError(
            "words",
            wanted=f"words of a vocabulary of {len(self)} without {UNKNOWN}",
            got=repr(word),
            remedy=f"Did you mean {near[0]}?" if near else "",
        )

    def save(self, path: Path) -> None:
        """Write the words as JSON."""
        write_json(path, list(self.words))

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what `save` wrote. Raises ArgumentError where the file is missing or damaged."""
        words = read_json(path, "a list of words as JSON")
        check_type(f"{path}, a list of words", words, list[str])
        return cls(words)

    @classmethod
    def of(
        cls,
        counts: Mapping[str, int],
        *,
        special: Sequence[str] = (PADDING, UNKNOWN),
        min_frequency: int = 1,
        most: int | None = None,
    ) -> Vocabulary:
        """The special words, then the counted ones: most frequent first, then by the alphabet.

        Words that are seen less often than ``min_frequency`` are left out, and what is beyond
        ``most`` words in all. The order is that of `torch.nn.AdaptiveLogSoftmaxWithLoss`.
        """
        kept = [
            word for word, count in counts.items() if count >= min_frequency and word not in special
        ]
        kept.sort(key=lambda word: (-counts[word], word))
        return cls([*special, *kept][:most])


def count_words(sentences: Iterable[Iterable[str]]) -> Counter[str]:
    """How often each word stands in sentences."""
    counts: Counter[str] = Counter()
    for sentence in sentences:
        counts.update(sentence)
    return counts


def number_words(sentences: Iterable[Iterable[str]]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """(different words, places [S], lengths [N]) of N sentences, read as a stream.

    A place is that of a word among the different ones, which come in the order of their first
    appearance: ``vocabulary.encode(words)[places]`` are the ids, and memory holds no word twice.
    """
    known: dict[str, int] = {}
    places, lengths = array("q"), array("q")
    for sentence in sentences:
        before = len(places)
        places.extend(known.setdefault(word, len(known)) for word in sentence)
        lengths.append(len(places) - before)
    return list(known), np.array(places), np.array(lengths)
