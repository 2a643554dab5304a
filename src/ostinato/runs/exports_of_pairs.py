"""An encoder-decoder as ONNX files: one that is told the target, or its encoder and its step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from ostinato.data import write_json
from ostinato.export.bundle import Bundle, Outputs
from ostinato.export.graph import Graph
from ostinato.export.modules import Flat
from ostinato.export.states import carried, completed, named
from ostinato.runs.exports import Sessions
from ostinato.seq2seq import EncoderDecoder, Seq2SeqTask
from ostinato.seq2seq.attention import Memory
from ostinato.seq2seq.model import Encoded
from ostinato.typing import Tree

# Pairs on which files are compared with their model.
_PAIRS = 4
_MEMORY = {"values": {0: "S", 1: "B"}, "keys": {0: "S", 1: "B"}, "there": {0: "S", 1: "B"}}
_SOURCE = {"source": {0: "S", 1: "B"}, "lengths": {0: "B"}}


def of_pairs(task: Seq2SeqTask, *, stream: bool) -> Bundle:
    """The files of a run of seq2seq."""
    pairs = task.encoding.pairs(task.held_out[:_PAIRS])
    source, lengths, inputs, _ = pairs.take(torch.arange(min(_PAIRS, len(task.held_out))))
    given = {"source": source, "lengths": lengths, "inputs": inputs}
    given = {name: tensor.to(task.device) for name, tensor in given.items()}
    words = {
        "tokens": task.encoding.tokens,
        "source": list(task.encoding.source.words),
        "target": list(task.encoding.target.words),
    }
    graphs = parts(task.model, given) if stream else {"": whole(task.model, given)}
    check = partial(checked_parts if stream else checked_whole, task.model, given)
    reads = [
        "Tokens are places among the words of `vocabularies.json`, which says what a token is: "
        "char, word or space. A target begins with <bos> and ends with <eos>.",
        "The outputs `scores` are those of the next token: their softmax are probabilities.",
    ]
    return Bundle(graphs, {"vocabularies.json": partial(write_json, value=words)}, check, reads)


def whole(model: EncoderDecoder, given: dict[str, Tensor]) -> Graph:
    """Sources and what is known of their targets, to the scores of each next token."""
    axes = {**_SOURCE, "inputs": {0: "U", 1: "B"}}
    return Graph(Flat(model, model), two(given), ["scores"], axes)


def two(given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Examples with two rows and two steps at least, as torch takes 1 for a constant."""
    return {name: t.repeat(*[2] * t.dim()) for name, t in given.items()}


def parts(model: EncoderDecoder, given: dict[str, Tensor]) -> dict[str, Graph]:
    """The encoder, and a step of the decoder."""
    example = two({name: given[name] for name in ("source", "lengths")})
    encoded = model.eval().encode(*example.values())
    states = named(carried(encoded.state), "state")
    memory = {} if encoded.memory is None else encoded.memory._asdict()

    def encode(source: Tensor, lengths: Tensor) -> Tree:
        made = model.encode(source, lengths)
        return carried(made.state), () if made.memory is None else made.memory

    def step(token: Tensor, *held: Tensor) -> Tree:
        fresh = model.decoder.initial_state(token.shape[0], device=token.device)
        state = completed(fresh, dict(zip(states, held, strict=False)))
        seen = Memory(*held[len(states) :]) if memory else None
        scores, after = model.step(token[None], state, Encoded((), seen))
        return scores[0], carried(after)

    following = {name: f"next_{name}" for name in states}
    rows = {name: {0: "B"} for name in ("token", *states)}
    held = {**states, **{f"memory_{name}": t for name, t in memory.items()}}
    held = {name: t.detach() for name, t in held.items()}
    token = example["source"][0] * 0
    return {
        ".encoder": Graph(Flat(model, encode), example, [*held], _SOURCE),
        "": Graph(
            Flat(model, step),
            {"token": token, **held},
            ["scores", *following.values()],
            {**rows, **{f"memory_{name}": _MEMORY[name] for name in memory}},
            following,
        ),
    }


def checked_whole(
    model: EncoderDecoder, given: dict[str, Tensor], sessions: Sessions
) -> Iterator[tuple[Outputs, Outputs]]:
    """The scores of targets, and those of the file."""
    yield [model(*given.values())], [sessions[""].run(given)["scores"]]


def checked_parts(
    model: EncoderDecoder, given: dict[str, Tensor], sessions: Sessions
) -> Iterator[tuple[Outputs, Outputs]]:
    """The scores of targets, and those of the files token by token."""
    step, scores = sessions[""], list[Tensor]()
    held = sessions[".encoder"].run({name: given[name] for name in ("source", "lengths")})
    for token in given["inputs"]:
        made = step.run({"token": token, **held})
        scores.append(made["scores"])
        held = {**held, **{name: made[after] for name, after in step.about["states"].items()}}
    yield [model(*given.values())], [torch.stack(scores)]
