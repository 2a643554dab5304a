"""Tweets and their mood: the files of Sentiment140."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import final

import numpy as np
import torch

from ostinato.data.files import existing_file
from ostinato.data.samples import Samples
from ostinato.data.settings import Settings, setting
from ostinato.data.vocabulary import Vocabulary, number_words
from ostinato.errors import ArgumentError

CLASSES = ("negative", "positive")
TRAIN, TEST = "training.1600000.processed.noemoticon.csv", "testdata.manual.2009.06.14.csv"

# The first column of the files: 0 negative, 2 neutral, 4 positive.
_POLARITY = {"0": 0, "2": None, "4": 1}

# What a token of a tweet is: an address, a name or topic, a word, or a run of other signs (":-)").
_TOKEN = re.compile(r"https?://\S+|[@#]\w+|\w+(?:['’]\w+)*|[^\w\s]+")  # noqa: RUF001


@dataclass(frozen=True)
class SentimentSettings(Settings):
    """How tweets become sequences."""

    min_frequency: int = setting(3, "Words seen less often than this become <unk>.", least=1)
    longest: int = setting(50, "Tokens of a tweet that are kept, from its beginning.", least=1)
    held_out: float = setting(
        0.125, "Share of the training tweets that is held out, at random.", least=0.001, below=1
    )


@final
@dataclass(frozen=True, eq=False)
class Sentiment:
    """Tweets as ids, 0 for padding and 1 for <unk>; targets 0 negative, 1 positive."""

    vocabulary: Vocabulary
    train: Samples
    held_out: Samples
    test: Samples

    def summary(self) -> str:
        """The sizes in words."""
        return (
            f"{len(self.train):,} tweets, {len(self.held_out):,} held out and {len(self.test):,} "
            f"for the test, a vocabulary of {len(self.vocabulary):,}"
        )


def tweet_tokens(tweet: str) -> list[str]:
    """The tokens of a tweet in lower case: words, @names, #topics, addresses, and runs of signs."""
    return _TOKEN.findall(tweet.lower())


def read_sentiment140(
    folder: str | PathLike[str], settings: SentimentSettings | None = None, *, seed: int = 0
) -> Sentiment:
    """The two CSV files of Sentiment140 in a folder, under their own names.

    A line is ``"polarity","id","date","query","user","text"``, without a header, in Latin-1;
    polarity is 0, 2 or 4, and neutral tweets (2) are dropped. The vocabulary is that of what is
    learned from. `Batch.left_padded` gives tweets that end at the last step. Raises ArgumentError
    for a file that is missing, and for a line of another layout.

    Source: Go, Bhayani and Huang, "Twitter Sentiment Classification using Distant Supervision",
    2009.
    """
    settings = settings or SentimentSettings()
    words, tweets = _read(Path(folder) / TRAIN, settings.longest)
    learned, held_out = tweets.split(settings.held_out, seed=seed)
    counts = np.bincount(learned.steps, minlength=len(words))
    vocabulary = Vocabulary.of(
        dict(zip(words, counts.tolist(), strict=True)), min_frequency=settings.min_frequency
    )
    return Sentiment(
        vocabulary,
        train=_encoded(vocabulary, words, learned),
        held_out=_encoded(vocabulary, words, held_out),
        test=_encoded(vocabulary, *_read(Path(folder) / TEST, settings.longest)),
    )


def _read(path: Path, longest: int) -> tuple[list[str], Samples]:
    """The different words of a file, and its tweets as places among them."""
    moods: list[int] = []

    def tweets() -> Iterator[list[str]]:
        for polarity, text in _lines(existing_file(path, "folder")):
            mood = _POLARITY[polarity]
            if mood is not None:
                moods.append(mood)
                yield tweet_tokens(text)[:longest]

    words, places, lengths = number_words(tweets())
    samples = Samples(torch.from_numpy(places), torch.from_numpy(lengths), torch.tensor(moods))
    return words, samples


def _encoded(vocabulary: Vocabulary, words: list[str], tweets: Samples) -> Samples:
    ids = torch.from_numpy(vocabulary.encode(words).astype(np.int64))
    return replace(tweets, steps=ids[tweets.steps])


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    with open(path, encoding="latin-1", newline="") as file:
        reader = csv.reader(file)
        for fields in reader:
            if len(fields) != 6 or fields[0] not in _POLARITY:
                raise ArgumentError(
                    f"{path}, line {reader.line_num}",
                    wanted='"polarity","id","date","query","user","text" with polarity 0, 2 or 4',
                    got=f"{len(fields)} fields, the first of them {fields[:1]}",
                )
            yield fields[0], fields[5]
