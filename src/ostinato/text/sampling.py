"""Text written by a model, token by token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ostinato import unroll
from ostinato._judging import judging
from ostinato.data.settings import Settings, setting
from ostinato.errors import DivergedError
from ostinato.sequence import chunks
from ostinato.text.model import LanguageModel
from ostinato.text.tokenizer import BOS, EOS, UNKNOWN, Tokenizer
from ostinato.typing import State

# A long prompt is read in pieces, so that its scores need not be held all at once.
_PIECE = 256


@dataclass(frozen=True)
class SampleSettings(Settings):
    """How the next token is drawn."""

    length: int = setting(500, "Most tokens to write; an <eos> ends the text before.", least=0)
    documents: int = setting(
        0,
        "Write so many texts (lines of spaced text), each up to its <eos> and from an empty state; "
        "with 0 one, in which spaced text goes on over line ends.",
        least=0,
    )
    temperature: float = setting(
        0.8, "Below 1 the likely becomes likelier; 0 always takes the likeliest.", least=0
    )
    top_k: int = setting(0, "Draw from this many likeliest tokens only; 0 for all.", least=0)
    top_p: float = setting(
        1.0, "Draw from the likeliest tokens that make up this probability.", least=0, most=1
    )
    seed: int | None = setting(None, "Write the same text again; without it each differs.", least=0)


def sample(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompt: str | None = None,
    settings: SampleSettings | None = None,
) -> str:
    """The prompt and the text that the model writes after it; see `stream`."""
    return "".join(stream(model, tokenizer, prompt, settings))


def stream(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompt: str | None = None,
    settings: SampleSettings | None = None,
) -> Iterator[str]:
    """The prompt, then the characters of each token as soon as it is drawn.

    The state is warmed by ``<bos>`` (in spaced text ``<eos>``) and the prompt, and carried from
    step to step. Without a prompt the text begins on a new line, where the vocabulary has one.
    Several documents all begin with the prompt. Characters of the prompt that the model does not
    know are read as <unk>; `Tokenizer.unknown` lists them. The model's training mode is restored at
    the end; torch's global random state is not touched.
    """
    settings = settings or SampleSettings()
    generator = torch.Generator()
    generator.seed() if settings.seed is None else generator.manual_seed(settings.seed)
    was_training = model.training
    model.eval()
    try:
        for number in range(settings.documents or 1):
            if number:
                yield "\n" if tokenizer.by_lines else "\n\n"
            yield from _write(model, tokenizer, prompt, settings, generator)
    finally:
        model.train(was_training)


def _write(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompt: str | None,
    settings: SampleSettings,
    generator: torch.Generator,
) -> Iterator[str]:
    """One document, from an empty state."""
    text = tokenizer.stream(prompt or "")
    ends = bool(settings.documents) or not tokenizer.by_lines
    if prompt:
        yield prompt
    scores, state = read(model, _opening(tokenizer, prompt))
    for _ in range(settings.length):
        token = draw(scores, settings, generator)
        if token == EOS and ends:
            return
        if written := text.add(token):
            yield written
        scores, state = _step(model, token, state)


def what_next(
    model: LanguageModel, tokenizer: Tokenizer, prompt: str | None = None, number: int = 5
) -> list[tuple[str, float]]:
    """The likeliest tokens after a prompt, each with its probability, the likeliest first.

    <bos> and <unk> are among them where they are likely; the model's training mode is restored.
    """
    with judging(model):
        scores, _ = read(model, _opening(tokenizer, prompt))
    probabilities, ids = scores.double().softmax(0).topk(min(number, len(scores)))
    return list(zip(map(tokenizer.name, ids.tolist()), probabilities.tolist(), strict=True))


def _opening(tokenizer: Tokenizer, prompt: str | None) -> np.ndarray:
    if prompt is None:
        # a line of spaced text begins where the one before it has ended
        ids = tokenizer.encode("" if tokenizer.by_lines else "\n")
        ids = ids[ids != UNKNOWN]
    else:
        ids = tokenizer.encode(prompt)
    return np.concatenate([[tokenizer.opening], ids])


@torch.inference_mode()
def read(model: LanguageModel, tokens: np.ndarray) -> tuple[Tensor, State]:
    """The scores [V] of what follows the tokens [n], and the state after them."""
    device = next(model.parameters()).device
    ids = torch.from_numpy(tokens.astype(np.int64)).to(device)
    state = model.initial_state(1, device=device)
    scores = ids.new_zeros(0)
    for piece in chunks(ids[:, None], _PIECE):
        ys, state = unroll(model, piece, state)
        scores = ys[-1, 0]
    return scores, state


@torch.inference_mode()
def _step(model: LanguageModel, token: int, state: State) -> tuple[Tensor, State]:
    device = next(model.parameters()).device
    y, state = model(torch.tensor([token], device=device), state)
    return y[0], state


@torch.inference_mode()
def draw(scores: Tensor, settings: SampleSettings, generator: torch.Generator) -> int:
    """One token by its scores [V]; never <bos> or <unk>, which stand for no text.

    Raises DivergedError where a score is no finite number.
    """
    scores = scores.double().cpu().clone()
    if not scores.isfinite().all():
        raise DivergedError(
            "scores",
            wanted="finite numbers for the next token",
            got=f"{scores[~scores.isfinite()][0].item()}",
            remedy="The weights have grown too large: lower `lr`, or clip the gradients "
            "(`clip=1`).",
        )
    scores[[BOS, UNKNOWN]] = -torch.inf
    if settings.temperature == 0:
        return int(scores.argmax())
    # the best is 0, so that no temperature makes it too large for a float
    probabilities = torch.softmax((scores - scores.max()) / settings.temperature, dim=0)
    likeliest, order = probabilities.sort(descending=True, stable=True)
    if settings.top_k:
        likeliest[settings.top_k :] = 0
    # A token stays while those before it have not made up top_p yet; the first always stays.
    before = likeliest.cumsum(0) - likeliest
    likeliest[1:][before[1:] >= settings.top_p] = 0
    return int(order[torch.multinomial(likeliest, 1, generator=generator)])
