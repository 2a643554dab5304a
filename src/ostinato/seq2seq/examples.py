"""Pairs that come with ostinato, and settings that learn them well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from ostinato.data.problems import dates, reversed_words
from ostinato.seq2seq.data import PairData, PairSettings
from ostinato.seq2seq.encoding import Pair


@final
@dataclass(frozen=True)
class Example:
    """Pairs by a formula.

    ``settings`` has those settings of the model, the batches and the training, by the names of
    their fields, that differ from the usual.
    """

    make: Callable[[PairSettings], PairData]
    """The data, split."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    drawn: bool = True
    """Whether there are as many pairs as are asked for, some of them held out."""


def _drawn(draw: Callable[[int], list[Pair]]) -> Callable[[PairSettings], PairData]:
    return lambda settings: PairData.split(draw(settings.num_pairs), settings)


def two_pairs(settings: PairSettings | None = None) -> PairData:
    """1 2 3 to 1 2 3 4, and 4 3 2 1 to 5 4 3 2 1: what is learned is what is held out.

    Source: the example encoder-decoder-coupling of Element-Research/rnn, where <bos> is 6 (GO) and
    <eos> is 7.
    """
    pairs = [("1 2 3", "1 2 3 4"), ("4 3 2 1", "5 4 3 2 1")]
    return PairData(pairs, pairs, "space")


# Hidden units, layers, rule and number of steps of that example. Its learning rate, 0.1, was that
# of a loss summed over the six steps of the longer target; ours is a mean over tokens.
_AS_PUBLISHED: dict[str, Any] = {
    "size": 6,
    "embedding": 6,
    "layers": 1,
    "direction": "forward",
    "attention": "none",
    "dropout": 0.0,
    "init": "torch",
    "batch_size": 2,
    "optimiser": "sgd",
    "lr": 0.6,
    "steps": 1000,
    "schedule": "constant",
    "warm_up": 0.0,
    "clip": 0.0,
}

EXAMPLES: dict[str, Example] = {
    "dates": Example(_drawn(dates), {"epochs": 4}),
    "reverse": Example(_drawn(reversed_words)),
    "pairs": Example(two_pairs, _AS_PUBLISHED, drawn=False),
}
"""Examples by name, the default first."""
