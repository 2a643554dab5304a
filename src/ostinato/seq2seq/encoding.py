"""Pairs of texts as ids and back: what a token is, and the vocabulary of each side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Self, final

import numpy as np
import torch

from ostinato.data import Pairs, Samples, Vocabulary
from ostinato.data.pairs import SPECIAL, UNKNOWN
from ostinato.data.sequence_tables import TOKENS
from ostinato.data.vocabulary import count_words

Pair = tuple[str, str]
"""A source and its target."""


@final
class PairEncoding:
    """How pairs of texts become ids: what a token is, and the vocabulary of each side."""

    def __init__(self, source: Vocabulary, target: Vocabulary, tokens: str) -> None:
        self.source, self.target, self.tokens = source, target, tokens

    @classmethod
    def fit(cls, pairs: Sequence[Pair], tokens: str, min_frequency: int = 1) -> Self:
        """The encoding whose vocabularies are those of pairs.

        A token is a character (``tokens="char"``), a word or a punctuation mark ("word"), or what
        stands between white space ("space"); those rarer than ``min_frequency`` become <unk>.
        """

        def vocabulary(texts: Iterable[str]) -> Vocabulary:
            counts = count_words(cut(text, tokens) for text in texts)
            return Vocabulary.of(counts, special=SPECIAL, min_frequency=min_frequency)

        sources, targets = zip(*pairs, strict=True)
        return cls(vocabulary(sources), vocabulary(targets), tokens)

    def pairs(self, pairs: Sequence[Pair]) -> Pairs:
        """Pairs of texts as ids."""
        sources, targets = zip(*pairs, strict=True)
        return Pairs(self._samples(sources, self.source), self._samples(targets, self.target))

    def sources(self, texts: Sequence[str]) -> Samples:
        """Sources alone, as ids."""
        return self._samples(texts, self.source)

    def _samples(self, texts: Sequence[str], vocabulary: Vocabulary) -> Samples:
        ids = [vocabulary.encode(cut(text, self.tokens)) for text in texts]
        steps = torch.from_numpy(np.concatenate(ids).astype(np.int64))
        steps[steps < UNKNOWN] = UNKNOWN  # "<eos>" in a text ends nothing
        lengths = torch.tensor([len(each) for each in ids])
        return Samples(steps, lengths, torch.arange(len(ids)))

    def unknown(self, texts: Iterable[str]) -> list[str]:
        """The different tokens of sources that the vocabulary lacks, in order."""
        known = set(self.source.words)
        found = (token for text in texts for token in cut(text, self.tokens))
        return list(dict.fromkeys(token for token in found if token not in known))

    def text(self, ids: Iterable[int]) -> str:
        """The target that ids stand for."""
        return ("" if self.tokens == "char" else " ").join(self.target.decode(ids))


def cut(text: str, tokens: str) -> list[str]:
    """The tokens of a text."""
    return re.findall(TOKENS[tokens], text)
