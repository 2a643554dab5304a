"""The trained model of each kind of task as ONNX files, and how these are checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ostinato import Stack, unroll
from ostinato.cell import Cell
from ostinato.data import write_json
from ostinato.errors import ArgumentError
from ostinato.export.bundle import Bundle, Outputs
from ostinato.export.compare import Session
from ostinato.export.graph import Graph
from ostinato.export.sequence import of_cell, of_module
from ostinato.export.stream import stream_graph
from ostinato.series import SeriesTask
from ostinato.tasks import SequenceModel, SupervisedTask, VisualAttention
from ostinato.tasks.aim import Classification
from ostinato.tasks.model import OneWay
from ostinato.text import BidirectionalTask, TextTask
from ostinato.text.model import OneHot

Sessions = Mapping[str, Session]

# Steps and rows on which files are compared with their model: other sizes than they are traced at.
_STEPS, _STREAMED, _ROWS = 40, 300, 3

_IDS = "Tokens are ids of `tokenizer.json`, of Hugging Face `tokenizers`."
_SCORES = "The outputs are scores of the next token: their softmax are probabilities."


def cell_bundle(
    cell: Cell, xs: Tensor, files: Mapping[str, Any], reads: list[str], *, stream: bool
) -> Bundle:
    """A model that is a cell, with data xs [T, B, ...] to check it on."""
    graph = stream_graph(cell, xs[0]) if stream else of_cell(cell, xs[:2].repeat(2, 2, *rest(xs)))
    return Bundle({"": graph}, files, partial(checked_cell, cell, xs, stream), reads)


def rest(xs: Tensor) -> list[int]:
    """A 1 for each of the dimensions after time and batch."""
    return [1] * (xs.dim() - 2)


def checked_cell(
    cell: Cell, xs: Tensor, stream: bool, sessions: Sessions
) -> Iterator[tuple[Outputs, Outputs]]:
    """The outputs of a cell over xs, and those of its file."""
    file = sessions[""]
    ys, _ = unroll(cell, xs)
    given = {} if stream else file.initial(xs.shape[1])
    yield [ys], [file.stream(xs) if stream else file.run({"xs": xs, **given})[file.outputs[0]]]


def side_by_side(ids: Any, *, stream: bool) -> Tensor:
    """The first of some tokens as columns [T, B]."""
    columns = 1 if stream else _ROWS
    steps = max(1, min(_STREAMED if stream else _STEPS, len(ids) // columns))
    return torch.as_tensor(ids[: steps * columns].astype("int64")).view(columns, -1).T.contiguous()


def of_text(task: TextTask, *, stream: bool) -> Bundle:
    """A language model: ids to scores of the next."""
    xs = side_by_side(task.corpus.held_out, stream=stream).to(task.device)
    tokenizer = task.corpus.tokenizer
    files = {"tokenizer.json": tokenizer.save}
    opening = f"A text begins with the id {tokenizer.opening}, from the initial state."
    return cell_bundle(task.model, xs, files, [_IDS, opening, _SCORES], stream=stream)


def of_windows(task: BidirectionalTask, *, stream: bool) -> Bundle:
    """A model of both directions: ids to the scores of each from all others."""
    refuse_stream(stream, "a model of both directions")
    xs = side_by_side(task.corpus.held_out, stream=False).to(task.device)
    reads = [_IDS, "The outputs are scores of each token of a window, told from all others in it."]
    return Bundle(
        {"": of_module(task.model, xs[:2].repeat(2, 1))},
        {"tokenizer.json": task.corpus.tokenizer.save},
        partial(checked_module, task.model, {"xs": xs}),
        reads,
    )


def checked_module(
    model: nn.Module, given: Mapping[str, Tensor], sessions: Sessions
) -> Iterator[tuple[Outputs, Outputs]]:
    """The output of a module, called with all that its file is given, and that of the file."""
    file = sessions[""]
    yield [model(*given.values())], [file.run(given)[file.outputs[0]]]


def of_series(task: SeriesTask, *, stream: bool) -> Bundle:
    """A forecaster: a step of the series, as it is scaled, to the next one."""
    history, series = task.history, task.series
    xs = history.inputs[-_STEPS:, :_ROWS].to(task.device)
    known = series.num_known
    scaling = {
        "columns": list(series.targets),
        "series": list(series.names),
        "difference": history.lag,
        "scale": history.scale.as_dict(),
        "known": series.inputs.as_dict(),
    }
    reads = [
        f"A step has {len(series.targets)} numbers, scaled as `scaling.json` says ((value - mean) "
        "/ deviation, of the change since `difference` steps before where that is above 0; 0 where "
        "a number is missing); then as many that are 1 where it is there and 0 where not"
        + (f"; then {known} that are known of the next step." if known else "."),
        "The outputs are the numbers of the next step, scaled alike.",
    ]
    files = {"scaling.json": partial(write_json, value=scaling)}
    return cell_bundle(task.model, xs, files, reads, stream=stream)


def of_supervised(task: SupervisedTask, *, stream: bool) -> Bundle:
    """A model of labels or numbers for sequences."""
    model, problem = task.model, task.problem
    batch = problem.held_out.take(torch.arange(min(_ROWS, len(problem.held_out)))).to(task.device)
    files, reads = encoding_of(task), reads_of(task)
    if isinstance(model, VisualAttention):
        refuse_stream(stream, "a model that looks at whole images")
        return of_looks(model, batch.xs, files, reads)
    assert isinstance(model, SequenceModel)
    if stream:
        cell = as_stream(model)
        reads.append("After each step the outputs are those of a sequence that ends there.")
        return cell_bundle(cell, batch.xs[:_STREAMED, :1], files, reads, stream=True)
    lengths = torch.full(batch.xs.shape[1:2], batch.xs.shape[0], device=task.device)
    lengths = lengths if batch.lengths is None else batch.lengths
    xs = batch.xs[:2].repeat(2, 2, *rest(batch.xs))
    graph = of_module(model, xs, lengths=True)
    check = partial(checked_module, model, {"xs": batch.xs, "lengths": lengths})
    return Bundle({"": graph}, files, check, [*reads, "`lengths` are the steps of each row."])


def of_looks(
    model: VisualAttention, xs: Tensor, files: Mapping[str, Any], reads: list[str]
) -> Bundle:
    """A network that looks at images [H, B, W], of which B alone may differ."""
    if model.settings.stochastic or model.settings.look == "random":
        raise ArgumentError(
            "RUN",
            wanted="a network whose looks are the same each time",
            got="one that draws the places it looks at",
            remedy="Train it without --stochastic and with --look learned.",
        )
    graph = of_module(model, xs[:, :2].repeat(1, 2, 1))
    graph = Graph(graph.module, graph.inputs, graph.outputs, {"xs": {1: "B"}})
    return Bundle({"": graph}, files, partial(checked_module, model, {"xs": xs}), reads)


def as_stream(model: SequenceModel) -> Stack:
    """A model that reads forward as one cell, whose y are its outputs for what it has read."""
    refuse_stream(model.settings.direction != "forward", "a model that reads from the last step")
    embedding = model.embedding or (OneHot(model.tokens) if model.tokens else nn.Identity())
    layers = [layer.cell for layer in model.layers if isinstance(layer, OneWay)]
    return Stack(embedding.to(model.readout.weight.device), *layers, model.readout)


def encoding_of(task: SupervisedTask) -> dict[str, Any]:
    """The words, scale and labels of a task, as far as it has some."""
    problem = task.problem
    if problem.encoding is not None:
        return {"encoding.json": partial(write_json, value=problem.encoding.as_dict())}
    if isinstance(problem.aim, Classification):
        labels = {"labels": list(problem.aim.labels)}
        return {"encoding.json": partial(write_json, value=labels)}
    return {}


def reads_of(task: SupervisedTask) -> list[str]:
    """What a model reads and gives."""
    problem = task.problem
    steps = "ids, the places in the words of `encoding.json`" if problem.tokens else "numbers"
    if problem.encoding is not None and problem.encoding.scale is not None:
        steps = "numbers, (value - mean) / deviation by the scale of `encoding.json`"
    said = [f"Steps are {steps}."]
    if isinstance(problem.aim, Classification):
        said.append(
            "The outputs are scores of the labels, in the order of `encoding.json`: their softmax "
            "are probabilities."
        )
    return said


def refuse_stream(stream: bool, what: str) -> None:
    """Raise ArgumentError where a model cannot be run a step at a time."""
    if stream:
        raise ArgumentError(
            "stream",
            wanted="a run of a model that reads from the first step on",
            got=what,
            remedy="Leave it out to export the model of whole sequences.",
        )
