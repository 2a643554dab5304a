"""The likeliest targets of a source: step by step greedily, or with several beams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ostinato import _tree
from ostinato._judging import judging
from ostinato.data import Settings, setting
from ostinato.data.pairs import BOS, EOS, UNKNOWN
from ostinato.errors import ArgumentError
from ostinato.seq2seq.model import Encoded, EncoderDecoder
from ostinato.typing import State

# Tokens of an output where nobody says how many there may be.
_LONGEST = 100


@dataclass(frozen=True)
class SearchSettings(Settings):
    """How targets are searched."""

    beam: int = setting(
        5, "Beginnings kept at each step; 1 is greedy search.", least=1, bound=10_000
    )
    best: int = setting(1, "Outputs for each source, at most as many as beams.", least=1)
    length_norm: float = setting(
        1.0,
        "Outputs are ordered by their log-probability over their length to this power; 0 prefers "
        "short ones.",
        least=0,
    )
    longest: int | None = setting(
        None,
        "Most tokens of an output; by default twice those of the longest target of the run.",
        least=1,
    )


class Hypothesis(NamedTuple):
    """A target that a model proposes, without <bos> and <eos>."""

    tokens: list[int]
    log_probability: float
    """That of the tokens and <eos> after them, by the model, in nats."""


def greedy(
    model: EncoderDecoder, source: Tensor, lengths: Tensor | None = None, *, longest: int = _LONGEST
) -> list[Hypothesis]:
    """For each source of [S, B], with lengths [B], the likeliest token at each step.

    <eos> ends it, at the latest after ``longest`` tokens; <bos> and <unk> are never taken. The
    random state and the training mode of the model are left as they were.
    """
    with judging(model):
        encoded = model.encode(source, lengths)
        state, rows = encoded.state, source.shape[1]
        token = torch.full((1, rows), BOS, device=source.device)
        total = torch.zeros(rows, dtype=torch.float64, device=source.device)
        taken = list[Tensor]()
        for number in range(longest + 1):
            chances, state = _chances(model, token, state, encoded, last=number == longest)
            best, done = chances.max(-1), token == EOS
            total += best.values[0].masked_fill(done[0], 0)
            token = best.indices.masked_fill(done, EOS)
            taken.append(token[0])
            if (token == EOS).all():
                break
        found = zip(torch.stack(taken, dim=1).tolist(), total.tolist(), strict=True)
        return [Hypothesis(_before_end(tokens), each) for tokens, each in found]


def beam_search(
    model: EncoderDecoder,
    source: Tensor,
    lengths: Tensor | None = None,
    settings: SearchSettings | None = None,
) -> list[list[Hypothesis]]:
    """For each source of [S, B], with lengths [B], up to ``best`` targets, the best one first.

    At each step the likeliest beginnings are kept, ``beam`` of them less those that have ended, so
    that the likeliest of all is never given up before it ends (Sutskever et al. 2014); after
    ``longest`` tokens (100, where None) all have to end. Those are then ordered by their
    log-probability over the number of their tokens, with <eos>, to the power ``length_norm``: 0 is
    the log-probability alone, 1 the mean of the tokens. A beam of 1 gives what `greedy` does.
    Raises ArgumentError for more ``best`` than beams.
    """
    settings = settings or SearchSettings()
    beam, longest = settings.beam, settings.longest or _LONGEST
    if settings.best > beam:
        raise ArgumentError(
            "best",
            wanted=f"at most {beam}, as there are so many beams",
            got=str(settings.best),
            remedy="A wider beam finds more.",
        )
    with judging(model):
        encoded = model.encode(source, lengths)
        state = _tree.map(lambda leaf: leaf.repeat(beam, *[1] * (leaf.dim() - 1)), encoded.state)
        beams = _Beams(source.shape[1], beam, longest, source.device)
        for number in range(longest + 1):
            chances, state = _chances(
                model, beams.tokens(number - 1), state, encoded, last=number == longest
            )
            parents = beams.advance(chances, number, (number + 1) ** settings.length_norm)
            if beams.done:
                break
            state = _tree.map(lambda leaf, rows=parents: leaf[rows], state)
        return [each[: settings.best] for each in beams.found()]


def _chances(
    model: EncoderDecoder, tokens: Tensor, state: State, encoded: Encoded, *, last: bool
) -> tuple[Tensor, State]:
    """The log-probabilities [K, B, V] of what may follow tokens [K, B]; -inf for what may not."""
    scores, state = model.step(tokens, state, encoded)
    chances = scores.double().log_softmax(-1)
    chances[..., [BOS, UNKNOWN]] = -torch.inf
    if last:
        chances[..., :EOS] = chances[..., EOS + 1 :] = -torch.inf
    return chances, state


def _before_end(tokens: list[int]) -> list[int]:
    return tokens[: tokens.index(EOS)]


class _Beams:
    """The beginnings of B targets that go on, and those that have ended, K in all for each."""

    def __init__(self, rows: int, beam: int, longest: int, device: torch.device) -> None:
        nothing = torch.full((rows, beam), -torch.inf, dtype=torch.float64, device=device)
        self.chances = nothing.clone()
        self.chances[:, 0] = 0  # all begin alike, so that one of them is enough
        self.history = torch.full((longest + 1, rows, beam), EOS, device=device)
        self.ended, self.order, self.ended_history = nothing, nothing, self.history

    @property
    def done(self) -> bool:
        """Whether none goes on."""
        return bool((self.chances == -torch.inf).all())

    def tokens(self, number: int) -> Tensor:
        """The tokens [K, B] at a step; <bos> before the first one."""
        return self.history[number].T if number >= 0 else torch.full_like(self.history[0].T, BOS)

    def advance(self, chances: Tensor, number: int, norm: float) -> Tensor:
        """Take a step, by log-probabilities [K, B, V]; where the new beams come from, [K * B]."""
        rows, beam, size = *self.chances.shape, chances.shape[-1]
        total = (self.chances[..., None] + chances.transpose(0, 1)).flatten(1)  # [B, K * V]
        found = total.topk(beam, dim=1)
        free = beam - (self.ended > -torch.inf).sum(1, keepdim=True)
        kept = found.values.masked_fill(torch.arange(beam, device=free.device) >= free, -torch.inf)
        parent, token = found.indices // size, found.indices % size  # [B, K]
        self.history = _gather(self.history, parent)
        self.history[number] = token
        self._end(kept.masked_fill(token != EOS, -torch.inf), norm)
        self.chances = kept.masked_fill(token == EOS, -torch.inf)
        return (parent.T * rows + torch.arange(rows, device=parent.device)).flatten()

    def _end(self, chances: Tensor, norm: float) -> None:
        """Put those that have ended, with these log-probabilities [B, K], among the others."""
        order = torch.cat([self.order, chances / norm], dim=1).topk(chances.shape[1], dim=1)
        self.order = order.values
        self.ended = torch.cat([self.ended, chances], dim=1).gather(1, order.indices)
        both = torch.cat([self.ended_history, self.history], dim=-1)
        self.ended_history = _gather(both, order.indices)

    def found(self) -> list[list[Hypothesis]]:
        """The ended ones of each row, best first."""
        tokens, chances = self.ended_history.permute(1, 2, 0).tolist(), self.ended.tolist()
        return [
            [
                Hypothesis(_before_end(each), chance)
                for each, chance in zip(*row, strict=True)
                if chance > -torch.inf
            ]
            for row in zip(tokens, chances, strict=True)
        ]


def _gather(history: Tensor, places: Tensor) -> Tensor:
    """history [T, B, K] with its beams taken from places [B, K]."""
    return history.gather(2, places.expand(len(history), -1, -1))
