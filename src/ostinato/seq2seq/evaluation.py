"""How well a model says the targets of pairs: with the truth before its eyes, and alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ostinato._judging import judging
from ostinato._stages import stage
from ostinato.data import PairBatch, Pairs
from ostinato.data.batches import side_by_side
from ostinato.seq2seq.model import EncoderDecoder
from ostinato.seq2seq.search import Hypothesis, greedy

# Pairs of one forward call, and their tokens with padding.
_ROWS, _TOKENS = 250, 50_000


@dataclass(frozen=True)
class Evaluation:
    """Figures over pairs, and what the model says of each alone, by greedy search."""

    loss: float
    """Mean negative log-likelihood of a token in nats, <eos> counted, the tokens before given."""
    accuracy: float
    """Share of those tokens that are the likeliest ones."""
    exact_match: float
    """Share of the targets that the model, alone, says wholly right."""
    said: list[Hypothesis]

    def figures(self) -> dict[str, float]:
        """The three figures by name; the first is the one to minimise."""
        return {"loss": self.loss, "accuracy": self.accuracy, "exact_match": self.exact_match}


def evaluate(model: EncoderDecoder, pairs: Pairs) -> Evaluation:
    """Measure a model on pairs, at least one.

    The random state and the training mode of the model are left as they were.
    """
    device = next(model.parameters()).device
    nats, right, tokens, said = 0.0, 0, 0, list[Hypothesis]()
    with stage("measuring", len(pairs), "pairs") as done:
        for batch in _batches(pairs):
            batch = batch.to(device)
            with judging(model):
                scores = model(batch.source, batch.lengths, batch.inputs)[batch.wanted]
                targets = batch.targets[batch.wanted]
                nats += F.cross_entropy(scores, targets, reduction="sum").item()
                right += int((scores.argmax(-1) == targets).sum())
            tokens += len(targets)
            # what is longer than all targets cannot be right
            said += greedy(model, batch.source, batch.lengths, longest=len(batch.targets))
            done.advance(len(batch.lengths))
    truth = pairs.target.steps.split(pairs.target.lengths.tolist())
    exact = sum(a.tokens == b.tolist() for a, b in zip(said, truth, strict=True))
    return Evaluation(nats / tokens, right / tokens, exact / len(pairs), said)


def _batches(pairs: Pairs) -> Iterator[PairBatch]:
    lengths = torch.maximum(pairs.source.lengths, pairs.target.lengths)
    return (pairs.take(rows) for rows in side_by_side(lengths, _ROWS, _TOKENS))
