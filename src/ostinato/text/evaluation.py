"""How well a model predicts a text: loss in nats, bits per character, perplexity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato import unroll
from ostinato._judging import judging
from ostinato._stages import Stage, stage
from ostinato.errors import ArgumentError
from ostinato.text.model import LanguageModel

# Steps of one forward call: long enough to keep the kernels busy, and fewer where their scores
# [steps, columns, V] would need more than about 16 MB.
_STEPS, SCORES = 256, 1 << 22
# Columns of one forward call on a CPU: more are not faster.
_ROWS = 16
# Texts up to so many tokens are read in one pass; longer ones in columns of so many.
_FULL, _COLUMN = 500_000, 10_000
# Tokens that each column but the first reads before those that count.
WARM_UP = 1000


@dataclass(frozen=True)
class Evaluation:
    """The total negative log-likelihood of a text, and the figures made of it."""

    nats: float
    tokens: int
    characters: int

    @property
    def loss(self) -> float:
        """Mean negative log-likelihood of a token, in nats."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(loss); see `perplexity`."""
        return perplexity(self.loss)

    @property
    def bits_per_character(self) -> float:
        """Total bits over the number of characters, whatever a token is."""
        return self.nats / math.log(2) / self.characters

    def figures(self) -> dict[str, float]:
        """The three figures by name; the first is the one to minimise."""
        return {
            "loss": self.loss,
            "bpc": self.bits_per_character,
            "perplexity": self.perplexity,
        }

    def __str__(self) -> str:
        return (
            f"{self.bits_per_character:.4f} bits per character, loss {self.loss:.4f} nats, "
            f"perplexity {self.perplexity:.3f} ({self.tokens:,} tokens, {self.characters:,} "
            f"characters)"
        )


def perplexity(loss: float) -> float:
    """exp(loss), or exp(700) above that, where floating-point numbers end."""
    return math.exp(min(loss, 700.0))


def evaluate(
    model: LanguageModel,
    tokens: np.ndarray,
    characters: int,
    *,
    columns: int = 1,
    warm_up: int = 0,
    workers: int = 1,
) -> Evaluation:
    """Predict tokens[1:], each from the tokens before it; every token counts once.

    With one column this is a single pass, the state carried from the first token to the last.
    More columns run side by side, much faster: each begins at another place of the text, after
    reading the ``warm_up`` tokens before it, which do not count. On a CPU, ``workers`` of them
    take 16 columns each at a time. ``characters`` is the number of
    characters that the counted tokens stand for. The random state and the training mode of the
    model are left as they were. Raises ArgumentError for fewer than two tokens, or
    no character.
    """
    check_tokens(tokens, characters)
    with judging(model):
        nats = _total(model, tokens, min(columns, len(tokens) - 1), warm_up, workers)
    return Evaluation(nats, len(tokens) - 1, characters)


def check_tokens(tokens: np.ndarray, characters: int) -> None:
    """Raise ArgumentError where there is no token to predict, or none that stands for text."""
    if len(tokens) < 2:
        raise ArgumentError(
            "tokens", wanted="at least two, to predict one", got=f"{len(tokens)}, an empty text"
        )
    if characters < 1:
        raise ArgumentError("characters", wanted="at least one", got=str(characters))


def usual_columns(count: int) -> int:
    """The columns for so many tokens: one, as long as a pass takes less than a minute."""
    return 1 if count <= _FULL else -(-count // _COLUMN)


def _total(
    model: LanguageModel, tokens: np.ndarray, columns: int, warm_up: int, workers: int
) -> float:
    device = next(model.parameters()).device
    rows = _ROWS if device.type == "cpu" else columns
    blocks = [np.arange(columns)[start : start + rows] for start in range(0, columns, rows)]
    with stage("measuring", len(tokens) - 1, "tokens") as done:

        def total(block: np.ndarray) -> Tensor:
            return _total_of(model, tokens, columns, block, warm_up, done).cpu()

        return float(torch.stack(in_workers(total, blocks, workers)).sum())


@torch.inference_mode()
def _total_of(
    model: LanguageModel,
    tokens: np.ndarray,
    columns: int,
    block: np.ndarray,
    warm_up: int,
    done: Stage,
) -> Tensor:
    """The negative log-likelihood of the tokens in some of the columns."""
    device = next(model.parameters()).device
    state = model.initial_state(len(block), device=device)
    total = torch.zeros((), dtype=torch.float64, device=device)
    for inputs, targets, there in _pieces(tokens, columns, block, warm_up, model.vocabulary):
        warming = targets is None
        scores, state = unroll(
            model, inputs.to(device), state, mask=there.to(device) if warming else None
        )
        if targets is not None:
            total += sum_losses(scores, targets.to(device), there.to(device))
            done.advance(int(there.sum()))
    return total


def in_workers(work: Callable[[Any], Tensor], parts: Sequence[Any], workers: int) -> list[Tensor]:
    """What work gives for each part, the first in this thread and others in so many workers."""
    if workers == 1 or len(parts) == 1:
        return [work(part) for part in parts]
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers)
    try:
        torch.set_num_threads(1)  # the workers have the cores
        # what is compiled for the first is there for the others
        return [work(parts[0]), *pool.map(work, parts[1:])]
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def sum_losses(scores: Tensor, targets: Tensor, there: Tensor) -> Tensor:
    """The negative log-likelihood in nats of the targets [T, B] that are there."""
    losses = F.cross_entropy(scores.flatten(0, 1), targets.flatten(), reduction="none")
    return losses[there.flatten()].sum(dtype=torch.float64)


def _pieces(
    tokens: np.ndarray, columns: int, block: np.ndarray, warm_up: int, vocabulary: int
) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
    """Inputs, targets (None while warming up) and whether there is text, [T, block]."""
    targets = len(tokens) - 1
    length = -(-targets // columns)
    size = max(1, min(_STEPS, SCORES // (len(block) * vocabulary)))
    # Column c counts the targets from c * length on.
    begin = block * length
    warm_up = warm_up if columns > 1 else 0
    for first, last in ((-warm_up, 0), (0, length)):
        for step in range(first, last, size):
            place = begin + np.arange(step, min(step + size, last))[:, None]
            there = (place >= 0) & (place < targets)
            place = place.clip(0, targets - 1)
            after = take_ids(tokens, place + 1) if first == 0 else None
            yield take_ids(tokens, place), after, torch.from_numpy(there)


def take_ids(tokens: np.ndarray, place: np.ndarray) -> Tensor:
    """The tokens at these places, as int64."""
    return torch.from_numpy(tokens[place].astype(np.int64))
