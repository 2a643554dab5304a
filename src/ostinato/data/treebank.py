"""The Penn Treebank in its usual layout for language models."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import final

import numpy as np

from ostinato.data.sentences import read_lines
from ostinato.data.vocabulary import Vocabulary, count_words

END = "<eos>"


@final
@dataclass(frozen=True, eq=False)
class Treebank:
    """Three streams of tokens [N] and the vocabulary of the first; `Columns` makes batches."""

    vocabulary: Vocabulary
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray

    def summary(self) -> str:
        """The sizes in words."""
        return (
            f"{len(self.train):,} tokens, {len(self.valid):,} for validation and "
            f"{len(self.test):,} for the test, a vocabulary of {len(self.vocabulary):,}"
        )


def read_treebank(folder: str | PathLike[str]) -> Treebank:
    """The files ``ptb.train.txt``, ``ptb.valid.txt`` and ``ptb.test.txt`` of a folder.

    Words stand between spaces, and each line end reads <eos>. The vocabulary is that of
    ``ptb.train.txt``, the most frequent word first; another word reads <unk>, which the files have
    as a word. The original has 10 000 words and 929 589 tokens to learn from. Raises ArgumentError
    for a file that is missing, and, where the files have no <unk>, for a word that is new.

    Source: the files of Mikolov et al., "Recurrent neural network based language model", 2010.
    """
    lines = {part: _words(path) for part, path in treebank_files(folder).items()}
    vocabulary = Vocabulary.of(count_words([lines["train"]]), special=())
    return Treebank(vocabulary, **{part: vocabulary.encode(lines[part]) for part in lines})


def treebank_files(folder: str | PathLike[str]) -> dict[str, Path]:
    """The paths of the three files by their part, whether they are there or not."""
    return {part: Path(folder) / f"ptb.{part}.txt" for part in ("train", "valid", "test")}


def _words(path: Path) -> list[str]:
    return [word for line in read_lines(path, "folder") for word in (*line, END)]
