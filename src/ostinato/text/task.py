"""Learning to predict the next token: what a solver trains."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor

from ostinato import detach
from ostinato.data.columns import Columns, ColumnSettings
from ostinato.text.corpus import Corpus
from ostinato.text.evaluation import WARM_UP, Evaluation, evaluate, usual_columns
from ostinato.text.model import LanguageModel, redraw_masks
from ostinato.text.sampling import SampleSettings, sample
from ostinato.typing import State

# While training, held-out text is measured in columns of about this many tokens, each after so
# many tokens that warm up its state: a few hundredths of a bit from one pass, many times faster.
_QUICK, _WARM_UP = 1500, 100
# Of a very long held-out text, the part that is measured while training.
_MOST = 100_000
# Tokens of the samples shown while training.
_SAMPLE = 300
# Tokens from the start of the text in which the usual opening of a sentence is looked for.
_LOOKED_AT = 50_000


@final
class TextTask:
    """A language model on a corpus, by truncated back-propagation over contiguous columns.

    Has the shape of `ostinato.train.Task`: batches, the loss of one, the measure of the whole.
    """

    name = "text"
    unit = "tokens"
    curve = ("bpc", "bits per character")

    def __init__(
        self,
        model: LanguageModel,
        corpus: Corpus,
        columns: ColumnSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.model, self.corpus, self.seed = model, corpus, seed
        self.columns = Columns(corpus.train, columns or ColumnSettings(), seed=seed)
        self.device = next(model.parameters()).device
        self.opening = usual_opening(corpus.tokenizer.decode(corpus.train[:_LOOKED_AT]))

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.columns)

    @property
    def batch_units(self) -> int:
        """Tokens in a batch."""
        return self.columns.settings.batch_size * self.columns.steps

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(inputs, targets) [T, B] of an epoch from one batch on.

        An epoch's columns begin with an empty state, and so with <bos> (or what else opens a
        text) in place of their first token: few texts have enough documents to teach a model what
        to do at the beginning.
        """
        for number, (inputs, targets) in enumerate(self.columns.batches(epoch, start), start):
            if number == 0:
                inputs[0] = self.corpus.tokenizer.opening
            yield inputs, targets

    def initial_state(self) -> State:
        """The state at the start of an epoch."""
        return self.model.initial_state(self.columns.settings.batch_size, device=self.device)

    def loss(self, batch: tuple[Tensor, Tensor], state: State) -> tuple[Tensor, State]:
        """The mean loss of a batch by the model's criterion, and the state after it, by value."""
        inputs, targets = (part.to(self.device) for part in batch)
        loss, state = self.model.loss(inputs, targets, redraw_masks(self.model, state))
        return loss, detach(state)

    def validate(self) -> dict[str, float]:
        """Quick held-out figures; the first is the one to minimise."""
        tokens = self.corpus.held_out[: _MOST + 1]
        columns = max(1, (len(tokens) - 1) // _QUICK)
        return evaluate(
            self.model,
            tokens,
            share_of_characters(self.corpus, len(tokens)),
            columns=columns,
            warm_up=_WARM_UP,
        ).figures()

    def evaluate(self, part: str = "held_out", *, workers: int = 1) -> Evaluation:
        """The figures of a part that count: every token once, in one pass of the state.

        ``part`` is ``"held_out"`` or, where the corpus has one, ``"test"``. Above half a million
        tokens the text is cut into columns of 10,000, which so many workers read.
        """
        tokens, characters = self.corpus.part(part)
        columns = usual_columns(len(tokens) - 1)
        return evaluate(
            self.model, tokens, characters, columns=columns, warm_up=WARM_UP, workers=workers
        )

    def sample(self, step: int) -> str:
        """A text by the model as it is, the same for the same weights, seed and step."""
        settings = SampleSettings(length=_SAMPLE, seed=self.seed + step)
        return sample(self.model, self.corpus.tokenizer, self.opening, settings)

    def figures(self, loss: float) -> dict[str, float]:
        """What a training loss means, in the units of `validate`: nothing, unless it is exact."""
        if not self.model.output.exact:
            return {}
        rate = self.corpus.counts.train_characters / self.corpus.counts.train_tokens
        return {"bpc": loss / torch.log(torch.tensor(2.0)).item() / rate}


def share_of_characters(corpus: Corpus, length: int) -> int:
    """The characters of the first tokens of the held-out text: about their share of all."""
    counts, tokens = corpus.counts, corpus.held_out
    return max(1, round(counts.held_out_characters * (length - 1) / (len(tokens) - 1)))


def usual_opening(text: str) -> str | None:
    """The word that most sentences of a text begin with; None for a text without sentences.

    A sample that begins with it shows sentences, where a new line may begin a table or a list.
    """
    words = Counter(re.findall(r"(?<=[.!?]\s)[^\W\d_]\w*", text))
    capital = [word for word, _ in words.most_common() if word[0].isupper()]
    return f"{capital[0]} " if capital else None
