"""Learning to tell each token from both sides of it: what a solver trains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from torch import Tensor

from ostinato.data.columns import Columns, ColumnSettings
from ostinato.errors import ArgumentError
from ostinato.text.bidirectional import BidirectionalModel
from ostinato.text.corpus import Corpus
from ostinato.text.evaluation import perplexity
from ostinato.text.pseudo import PseudoEvaluation, evaluate_both_ways, told_tokens
from ostinato.text.task import share_of_characters
from ostinato.typing import State

# Of a very long held-out text, the part that is measured while training.
_MOST = 100_000
# Tokens of the passage that is shown while training.
_SHOWN = 150


@final
class BidirectionalTask:
    """A bidirectional language model on a corpus, by windows of ``bptt`` tokens.

    Each window is for itself: no state comes in, and its first and last tokens are told from one
    side only. The windows are the pieces of contiguous columns, targets aligned with the inputs,
    at other places in each epoch. Has the shape of `ostinato.train.Task`. Raises ArgumentError for
    windows of one token.
    """

    name = "bidirectional"
    unit = "tokens"
    curve = ("pseudo_perplexity", "pseudo-perplexity")

    def __init__(
        self,
        model: BidirectionalModel,
        corpus: Corpus,
        columns: ColumnSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.model, self.corpus, self.seed = model, corpus, seed
        self.columns = Columns(corpus.train, columns or ColumnSettings(), seed=seed, ahead=0)
        self.window = self.columns.settings.bptt
        self.device = next(model.parameters()).device
        if self.columns.steps < 2:
            raise ArgumentError(
                "bptt",
                wanted="windows of at least 2 tokens, each told from the others",
                got=str(self.columns.steps),
                remedy="Give a larger `bptt`, or more text.",
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.columns)

    @property
    def batch_units(self) -> int:
        """Tokens in a batch."""
        return self.columns.settings.batch_size * self.columns.steps

    def batches(self, epoch: int, start: int) -> Iterator[Tensor]:
        """Windows [T, B] of an epoch from one batch on."""
        return (inputs for inputs, _ in self.columns.batches(epoch, start))

    def initial_state(self) -> State:
        """Nothing is carried from window to window."""
        return ()

    def loss(self, batch: Tensor, state: State) -> tuple[Tensor, State]:
        """The mean loss of windows by the model's criterion."""
        return self.model.loss(batch.to(self.device)), ()

    def validate(self) -> dict[str, float]:
        """Held-out figures, of the first part of a long text; the first is the one to minimise."""
        tokens = self.corpus.held_out[: _MOST + 1]
        characters = share_of_characters(self.corpus, len(tokens))
        found = evaluate_both_ways(self.model, tokens, characters, window=self.window)
        return found.figures()

    def evaluate(self, part: str = "held_out", *, workers: int = 1) -> PseudoEvaluation:
        """The figures of all of ``"held_out"`` or, where the corpus has one, of ``"test"``."""
        tokens, characters = self.corpus.part(part)
        return evaluate_both_ways(
            self.model, tokens, characters, window=self.window, workers=workers
        )

    def sample(self, step: int) -> str:
        """A held-out passage, and below it what the model says of each token of it."""
        return passage(self.model, self.corpus)

    def figures(self, loss: float) -> dict[str, float]:
        """What a training loss means, in the units of `validate`: nothing, unless it is exact."""
        return {"pseudo_perplexity": perplexity(loss)} if self.model.output.exact else {}


def passage(model: BidirectionalModel, corpus: Corpus) -> str:
    """The beginning of the held-out text, and the likeliest token at each of its places."""
    tokens = corpus.held_out[1 : _SHOWN + 1]
    if len(tokens) < 2:
        return ""
    decode = corpus.tokenizer.decode
    return f"held out:\n{decode(tokens)}\n\ntold:\n{decode(told_tokens(model, tokens))}"
