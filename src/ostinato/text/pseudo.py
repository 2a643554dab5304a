"""How well a model tells each token of a text from all others: pseudo-likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ostinato._judging import judging
from ostinato._stages import stage
from ostinato.text import evaluation
from ostinato.text.bidirectional import BidirectionalModel
from ostinato.text.evaluation import (
    check_tokens,
    in_workers,
    perplexity,
    sum_losses,
    take_ids,
)

# Windows of one forward call, where their scores do not need more memory than in `evaluation`.
_WINDOWS = 64


@dataclass(frozen=True)
class PseudoEvaluation:
    """The negative logarithms of the tokens' probabilities, each with all others known.

    Their sum says nothing about the bits that a text needs: what is known of a token's other side
    is not known to who would decode it. So there are no bits per character here, and the
    pseudo-perplexity compares only with that of other models of both directions.
    """

    nats: float
    tokens: int
    characters: int

    @property
    def loss(self) -> float:
        """The mean over the tokens, in nats."""
        return self.nats / self.tokens

    @property
    def pseudo_perplexity(self) -> float:
        """exp(loss): between so many tokens the model hesitates in the mean."""
        return perplexity(self.loss)

    def figures(self) -> dict[str, float]:
        """The figures by name; the first is the one to minimise."""
        return {"loss": self.loss, "pseudo_perplexity": self.pseudo_perplexity}

    def __str__(self) -> str:
        return (
            f"pseudo-perplexity {self.pseudo_perplexity:.3f}, loss {self.loss:.4f} nats a token "
            f"({self.tokens:,} tokens, each told from those on both sides of it; not comparable "
            f"with perplexities)"
        )


def evaluate_both_ways(
    model: BidirectionalModel,
    tokens: np.ndarray,
    characters: int,
    *,
    window: int,
    workers: int = 1,
) -> PseudoEvaluation:
    """Tell each of tokens[1:] from all others of a window; every token counts once.

    Windows of ``window`` tokens overlap by half: counted are those of the middle, so that each
    has at least a fourth of a window on either side, where the text has as much. On a CPU,
    ``workers`` of them take 64 windows each at a time. The random state and the training mode of
    the model are left as they were. Raises ArgumentError for fewer than
    two tokens.
    """
    check_tokens(tokens, characters)
    device = next(model.parameters()).device
    workers = workers if device.type == "cpu" else 1
    with judging(model), stage("measuring", len(tokens) - 1, "tokens") as done:

        @torch.inference_mode()
        def total(begins: range) -> Tensor:
            ids, there, counted = _windows(tokens, begins, window)
            done.advance(int(counted.sum()))
            ids = ids.to(device)
            return sum_losses(model(ids, mask=there.to(device)), ids, counted.to(device)).cpu()

        parts = _begins(len(tokens), window, model.vocabulary)
        nats = torch.stack(in_workers(total, parts, workers)).sum()
    return PseudoEvaluation(float(nats), len(tokens) - 1, characters)


def told_tokens(model: BidirectionalModel, tokens: np.ndarray) -> np.ndarray:
    """The likeliest token [n] at each place of a window [n], with all others known."""
    device = next(model.parameters()).device
    with judging(model):
        scores = model(take_ids(tokens, np.arange(len(tokens))[:, None]).to(device))
    return scores[:, 0].argmax(-1).cpu().numpy()


def _begins(count: int, window: int, vocabulary: int) -> list[range]:
    """The first token that counts in each window, a forward call's windows together."""
    size = max(1, min(_WINDOWS, evaluation.SCORES // (window * vocabulary)))
    # the first token only stands before the others
    begins = range(1, count, window - 2 * (window // 4))
    return [begins[first : first + size] for first in range(0, len(begins), size)]


def _windows(tokens: np.ndarray, begins: range, window: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, whether there is text, and whether the token counts here: [T, windows] each."""
    margin = window // 4
    step = np.arange(window)[:, None]
    middle = (margin <= step) & (step < window - margin)
    place = np.array(begins) - margin + step
    there = (place >= 0) & (place < len(tokens))
    ids = take_ids(tokens, place.clip(0, len(tokens) - 1))
    return ids, torch.from_numpy(there), torch.from_numpy(there & middle)
