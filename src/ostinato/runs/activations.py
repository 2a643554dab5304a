"""What the hidden units of each kind of task do over a held-out sequence."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato._judging import judging
from ostinato.data import Samples
from ostinato.report import Activations, run_and_record
from ostinato.seq2seq import Seq2SeqTask
from ostinato.series import SeriesTask
from ostinato.tasks import SequenceModel, SupervisedTask
from ostinato.tasks.aim import Classification
from ostinato.text import BidirectionalTask, TextTask, Tokenizer
from ostinato.text.tokenizer import BOS, EOS, UNKNOWN

# Steps that are shown, and held-out steps that are read before them.
_STEPS, _BEFORE = 80, 300
# Held-out sequences among which one is chosen.
_CHOICE = 200
# What stands for a token that is no text.
_MARKS = {BOS: "\u220e", EOS: "\u220e", UNKNOWN: "\ufffd"}
# A date at every so many steps of a series.
_EVERY = 6


def of_text(task: TextTask) -> Activations:
    """Over the beginning of a held-out sentence; under it, what the model takes to come next."""
    tokenizer, tokens = task.corpus.tokenizer, task.corpus.held_out
    ids = torch.as_tensor(tokens[: 4 * _BEFORE].astype("int64"))
    pieces = [_piece(tokenizer, number) for number in ids.tolist()]
    start = _sentence(pieces, min(_BEFORE, max(0, len(pieces) - _STEPS)))
    stop = start + _STEPS
    with judging(task.model):
        scores, layers = run_and_record(task.model, ids[:stop, None].to(task.device))
    likeliest = scores[start:stop, 0].argmax(-1).tolist()
    return Activations(
        "Held-out text, and under each token the one that the model takes to come next.",
        _named([layer[start:stop, 0].cpu() for layer in layers]),
        rows={
            "reads": pieces[start:stop],
            "expects": [_piece(tokenizer, number) for number in likeliest],
        },
    )


def _piece(tokenizer: Tokenizer, number: int) -> str:
    return _MARKS.get(number) or tokenizer.decode([number])


def _sentence(pieces: Sequence[str], earliest: int) -> int:
    """The place of the first token of a sentence after some tokens; of those, where there is none
    that has room."""
    ends = [0]
    for piece in pieces:
        ends.append(ends[-1] + len(piece))
    found = re.compile(r"[.!?]\s+([A-Z])").search("".join(pieces), ends[earliest])
    if found is None:
        return earliest
    place = next(n for n, end in enumerate(ends) if end > found.start(1)) - 1
    return place if place <= len(pieces) - _STEPS else earliest


def of_sequence(task: SupervisedTask) -> Activations:
    """Over one held-out sequence, the longest that a screen has room for."""
    samples = task.problem.held_out[:_CHOICE]
    lengths = samples.lengths
    row = int(torch.where(lengths <= _STEPS, lengths, 0).argmax())
    one = samples[row : row + 1]
    ys, layers = _run(task, one)
    said = task.problem.aim.words(ys[:, 0] if one.per_step else ys)
    truth = task.problem.aim.truth(one)
    about = "A held-out sequence" if one.per_step else _judged(truth[0], said[0])
    rows = _steps(task, one)
    if one.per_step:
        rows |= {"truth": truth, "says": said}
    numbers = None if task.problem.tokens else one.steps.flatten(1)
    return Activations(f"{about}.", layers, numbers, rows)


def _run(task: SupervisedTask, one: Samples) -> tuple[Tensor, dict[str, Tensor]]:
    """What the model says of one sequence, and the outputs [T, H] of its layers."""
    batch, found = one.take(torch.tensor([0])).to(task.device), list[Tensor]()
    model = task.model
    assert isinstance(model, SequenceModel)
    hooks = [
        layer.register_forward_hook(lambda _layer, _given, ys: found.append(ys[:, 0].cpu()))
        for layer in model.layers
    ]
    try:
        with judging(model):
            ys = model(batch.xs, batch.lengths).cpu()
    finally:
        for hook in hooks:
            hook.remove()
    if model.settings.direction != "both":
        return ys, _named(found)
    ways = [half for layer in found for half in layer.chunk(2, dim=-1)]
    return ys, {
        f"layer {n // 2 + 1}, {'backward' if n % 2 else 'forward'}": half
        for n, half in enumerate(ways)
    }


def _named(layers: Sequence[Tensor]) -> dict[str, Tensor]:
    return {f"layer {number}": layer for number, layer in enumerate(layers, 1)}


def _judged(truth: str, said: str) -> str:
    return f"A held-out sequence: the truth is {truth}, the model says {said}"


def _steps(task: SupervisedTask, one: Samples) -> dict[str, Sequence[str]]:
    """The words of a sequence; nothing where its steps are numbers."""
    problem = task.problem
    if not problem.tokens:
        return {}
    ids = one.steps.tolist()
    if problem.encoding is not None and problem.encoding.vocabulary is not None:
        return {"reads": problem.encoding.vocabulary.decode(ids)}
    if isinstance(problem.aim, Classification) and len(problem.aim.labels) == problem.tokens:
        return {"reads": [problem.aim.labels[place] for place in ids]}
    return {"reads": [str(place) for place in ids]}


def of_series(task: SeriesTask) -> Activations:
    """Over the last steps of the series, the first of many, after reading those before."""
    steps = task.history.inputs[-(_STEPS + _BEFORE) :, :1]
    with judging(task.model):
        _, layers = run_and_record(task.model, steps.to(task.device))
    count, series = min(_STEPS, len(steps)), task.series
    times = series.times[-count:]
    dates = [series.tell(time) if n % _EVERY == 0 else "" for n, time in enumerate(times)]
    lag, columns = task.history.lag, len(series.targets)
    read = f"the change over {lag}" if lag else "the values"
    of = f" of {series.names[0]}" if series.names else ""
    return Activations(
        f"The last {count} steps of {', '.join(series.targets)}{of}; the input is {read}, scaled.",
        _named([layer[-count:, 0].cpu() for layer in layers]),
        steps[-count:, 0, :columns],
        {"time": dates},
    )


def of_windows(task: BidirectionalTask) -> Activations:
    """Of both directions over a held-out window; under it, what the model puts in each place."""
    tokenizer, model = task.corpus.tokenizer, task.model
    ids = torch.as_tensor(task.corpus.held_out[:_STEPS].astype("int64"))[:, None].to(task.device)
    with judging(model):
        xs = model.embedding(ids)
        layers = _both_ways(model.layers.forward_cell, model.layers.backward_cell, xs)
        likeliest = model(ids)[:, 0].argmax(-1).tolist()
    return Activations(
        "Held-out text, and under each token the one that the others make the likeliest.",
        layers,
        rows={
            "reads": [_piece(tokenizer, number) for number in ids[:, 0].tolist()],
            "expects": [_piece(tokenizer, number) for number in likeliest],
        },
    )


def of_pairs(task: Seq2SeqTask) -> Activations:
    """Of the encoder over a held-out source, the longest that a screen has room for."""
    model, encoding = task.model, task.encoding
    sources = encoding.sources([source for source, _ in task.held_out[:_CHOICE]])
    row = int(torch.where(sources.lengths <= _STEPS, sources.lengths, 0).argmax())
    ids = sources[row : row + 1].steps
    with judging(model):
        xs = model.source_embedding(ids[:, None].to(task.device))
        layers = _both_ways(model.encoder, model.back, xs)
    reads = encoding.source.decode(ids.tolist())
    return Activations("The encoder reads a held-out source.", layers, rows={"reads": reads})


def _both_ways(ahead: nn.Module, back: nn.Module | None, xs: Tensor) -> dict[str, Tensor]:
    """The outputs [T, H] of the layers that read xs [T, 1, ...] from its start and from its end."""
    layers = [ys[:, 0].cpu() for ys in run_and_record(ahead, xs)[1]]
    if back is None:
        return _named(layers)
    found = {f"{name}, forward": ys for name, ys in _named(layers).items()}
    layers = [ys.flip(0)[:, 0].cpu() for ys in run_and_record(back, xs.flip(0))[1]]
    return found | {f"{name}, backward": ys for name, ys in _named(layers).items()}
