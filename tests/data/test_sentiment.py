"""Sentiment140's files, in small."""

from pathlib import Path

import pytest
import torch

from ostinato.data import Sentiment, SentimentSettings, read_sentiment140
from ostinato.data.sentiment import TEST, TRAIN, tweet_tokens
from ostinato.errors import ArgumentError

LINE = '"{}","1467810369","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","someone","{}"\n'


def read(folder: Path, train: list[tuple[int, str]], test: list[tuple[int, str]], **settings):
    for name, tweets in ((TRAIN, train), (TEST, test)):
        lines = "".join(LINE.format(mood, text.replace('"', '""')) for mood, text in tweets)
        (folder / name).write_bytes(lines.encode("latin-1"))
    return read_sentiment140(folder, SentimentSettings(**settings))


def shown(made: Sentiment, samples) -> dict[str, int]:
    """The words of each tweet and its class."""
    steps = samples.steps.split(samples.lengths.tolist())
    tweets = [" ".join(made.vocabulary.decode(ids)) for ids in steps]
    return dict(zip(tweets, samples.targets.tolist(), strict=True))


def test_the_layout(tmp_path: Path) -> None:
    train = [(0, "so sad :("), (4, 'so "GOOD"'), (2, "neutral"), (4, "good good day"), (0, "sad")]
    made = read(tmp_path, train * 8, [(0, "so bad"), (2, "hm"), (4, "good day")], min_frequency=2)
    assert (len(made.train), len(made.held_out), len(made.test)) == (28, 4, 2)
    assert made.vocabulary.words[:3] == ("<pad>", "<unk>", "good")
    assert shown(made, made.test) == {"so <unk>": 0, "good day": 1}
    every = shown(made, made.train) | shown(made, made.held_out)
    assert every == {"so sad :(": 0, 'so " good "': 1, "good good day": 1, "sad": 0}
    assert made.summary().startswith("28 tweets, 4 held out and 2 for the test")


def test_the_vocabulary_is_that_of_what_is_learned_from(tmp_path: Path) -> None:
    train = [(0, f"word{number}") for number in range(40)]
    made = read(tmp_path, train, [(0, "x")], min_frequency=1, held_out=0.25)
    assert len(made.vocabulary) == 2 + 30
    assert made.held_out.steps.eq(1).all()
    assert made.train.steps.gt(1).all()


def test_long_tweets_are_cut_and_short_ones_padded_at_the_left(tmp_path: Path) -> None:
    made = read(tmp_path, [(0, "a b c d"), (4, "a")] * 4, [(0, "a b c d"), (4, "a")], longest=3)
    batch = made.test.take(torch.arange(2))
    xs, mask = batch.left_padded()
    assert xs.shape == (3, 2)
    assert made.vocabulary.decode(xs[:, 0]) == ["a", "b", "c"]
    assert made.vocabulary.decode(xs[:, 1]) == ["<pad>", "<pad>", "a"]
    assert mask[:, 1].tolist() == [False, False, True]


def test_tokens() -> None:
    assert tweet_tokens("@Joe I'm at http://x.y/z?a #Fun... 10 :-) café") == [
        *("@joe", "i'm", "at", "http://x.y/z?a", "#fun", "...", "10", ":-)", "café")
    ]
    assert tweet_tokens("") == []


def test_wrong_lines_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        ArgumentError, match=r"line 2: wanted .*6 fields, the first of them \['3'\]"
    ):
        read(tmp_path, [(0, "a"), (3, "b")], [])
    (tmp_path / TRAIN).unlink()
    with pytest.raises(ArgumentError, match="does not exist"):
        read_sentiment140(tmp_path)
