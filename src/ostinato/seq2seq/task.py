"""Learning to turn sequences into sequences: what a solver trains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import final

import torch.nn.functional as F
from torch import Tensor

from ostinato._stages import stage
from ostinato.conclusion import Conclusion
from ostinato.data import Batches, BatchSettings
from ostinato.data.pairs import NOTHING, PairBatch
from ostinato.seq2seq.data import PairData
from ostinato.seq2seq.drawing import draw_alignments
from ostinato.seq2seq.evaluation import evaluate
from ostinato.seq2seq.model import EncoderDecoder
from ostinato.typing import State

# Held-out pairs that are measured while training, and those that a sample and the picture show.
_QUICK, _SHOWN = 500, 4


@final
class Seq2SeqTask:
    """An encoder-decoder on pairs, by teacher forcing; has the shape of `ostinato.train.Task`.

    ``held_out`` are the pairs that judge it.
    """

    name = "seq2seq"
    unit = "pairs"
    curve = ("loss", "cross-entropy of a token, nats")

    def __init__(
        self,
        model: EncoderDecoder,
        data: PairData,
        batches: BatchSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.model, self.held_out = model, data.held_out
        self.encoding = data.encoding()
        self.train = self.encoding.pairs(data.train)
        self.made = Batches(self.train.source, batches, seed=seed)
        self.device = next(model.parameters()).device

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.made)

    @property
    def batch_units(self) -> int:
        """Pairs in a batch."""
        return min(self.made.settings.batch_size, len(self.train))

    @property
    def longest(self) -> int:
        """Tokens of the longest target that is learned from."""
        return int(self.train.target.lengths.max())

    def batches(self, epoch: int, start: int) -> Iterator[PairBatch]:
        """The batches of an epoch from one on."""
        return (self.train.take(rows) for rows in self.made.rows(epoch)[start:])

    def initial_state(self) -> State:
        """Nothing is carried from batch to batch."""
        return ()

    def loss(self, batch: PairBatch, state: State) -> tuple[Tensor, State]:
        """The mean loss of a token, the true tokens before it given."""
        source, lengths, inputs, targets = (part.to(self.device) for part in batch)
        scores = self.model(source, lengths, inputs)
        return F.cross_entropy(scores.flatten(0, 1), targets.flatten(), ignore_index=NOTHING), ()

    def figures(self, loss: float) -> dict[str, float]:
        """A loss is told as it is."""
        return {}

    def validate(self) -> dict[str, float]:
        """The figures on held-out pairs, at most 500 of them."""
        return evaluate(self.model, self.encoding.pairs(self.held_out[:_QUICK])).figures()

    def sample(self, step: int) -> str:
        """Of a few held-out pairs the source, the target, and what the model says, greedily."""
        pairs = self.held_out[:_SHOWN]
        said = evaluate(self.model, self.encoding.pairs(pairs)).said
        return "\n".join(
            f"source  {source}\ntruth   {target}\nours    {self.encoding.text(ours.tokens)}"
            for (source, target), ours in zip(pairs, said, strict=True)
        )

    def conclude(self, folder: Path | None = None) -> Conclusion:
        """The figures on all held-out pairs; the picture of the attention goes to a folder."""
        found = evaluate(self.model, self.encoding.pairs(self.held_out)).figures()
        if folder is not None and self.model.attention is not None:
            pairs = self.held_out[:_SHOWN]
            with stage("drawing alignment.png"):
                draw_alignments(folder / "alignment.png", self.model, self.encoding, pairs)
        said = (
            f"held-out pairs: {found['exact_match']:.2%} wholly right, accuracy of a token "
            f"{found['accuracy']:.4f}, cross-entropy {found['loss']:.4f} nats"
        )
        return Conclusion(found, [said], self.sample(0))
