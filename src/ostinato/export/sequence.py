"""A model of whole sequences."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato.cell import Cell
from ostinato.export.graph import Graph, at_rest, checked_path
from ostinato.export.modules import Flat, Over
from ostinato.export.states import named, start
from ostinato.export.stream import example
from ostinato.sequence import unroll
from ostinato.sequence.bidirectional import BothWays
from ostinato.sequence.remember import Remembering
from ostinato.typing import Tree


def sequence(
    model: nn.Module,
    path: str | os.PathLike[str],
    xs: Tree = None,
    *,
    lengths: bool = False,
    overwrite: bool = False,
) -> Graph:
    """Write an ONNX model of whole sequences: xs [T, B, ...] in, ys out, T and B of any size.

    Args:
        model: a cell, or a `Sequencer`, which stands for its cell, run as `ostinato.unroll` does;
            or any module that is called as ``model(xs)``, or ``model(xs, lengths=lengths)``, such
            as a `BiSequencer` or a drop-in of `ostinato.nn`.
        path: the file, which ends in ``.onnx``.
        xs: an example [T, B, ...], T and B at least 2, whose values do not matter; needed where the
            model does not say its ``input_size``.
        lengths: whether the file has an input ``lengths`` [B], whole numbers from 0 to T, after
            which a row is padding.
        overwrite: take the place of a file that is there.

    The inputs are ``xs``, ``lengths`` if wanted and, of a cell, its state before the first step;
    the outputs ``ys`` and the state after the last: names and metadata are those of `stream`.
    Standard cells are ONNX's own LSTM, GRU and RNN; others become one Scan each.

    Returns the `Graph` that was written. Raises as `stream` does.
    """
    found = checked_path(path, overwrite=overwrite)
    graph = sequence_graph(model, xs, lengths=lengths)
    graph.write(found)
    return graph


def sequence_graph(model: nn.Module, xs: Tree = None, *, lengths: bool = False) -> Graph:
    """What `sequence` writes."""
    model = model.cell if isinstance(model, Remembering) else model
    if isinstance(model, Cell):
        return of_cell(model, xs, lengths=lengths)
    within = model.forward_cell if isinstance(model, BothWays) else model
    xs = two_steps(within) if xs is None else xs
    return of_module(model, xs, lengths=lengths)


def two_steps(model: nn.Module) -> Tensor:
    """A sequence of zeros [2, 2, I]; ArgumentError where the model does not say its I."""
    width: Any = getattr(model, "input_size", None)
    return example("xs", model, width, "a sequence [T, B, ...]").repeat(2, 1, 1)


def of_cell(cell: Cell, xs: Tree, *, lengths: bool = False) -> Graph:
    """A cell over a sequence, with its states."""
    xs = two_steps(cell) if xs is None else xs
    sample = _tree.leaves(xs)[0]
    rows = sample.shape[1]
    states = start(cell, sample, rows)
    following = {name: f"next_{name}" for name in states}
    ends = {"lengths": full(sample)} if lengths else {}
    with at_rest(cell):
        ys, _ = unroll(cell, xs, backend="eager")
    return Graph(
        Over(cell, xs, tuple(states), steps=True, lengths=lengths),
        {**named(xs, "xs"), **ends, **states},
        [*named(ys, "ys"), *following.values()],
        {
            **{name: {0: "T", 1: "B"} for name in named(xs, "xs")},
            **{name: {0: "B"} for name in ends},
            **{name: {0: "B"} for name, leaf in states.items() if leaf.shape[0] == rows},
        },
        following,
        {name: leaf[0].clone() for name, leaf in start(cell, sample, 1).items()},
    )


def of_module(model: nn.Module, xs: Tree, *, lengths: bool = False) -> Graph:
    """Any module over a sequence, called as it is."""
    form, sample = xs, _tree.leaves(xs)[0]

    def call(*given: Tensor) -> Tree:
        leaves = iter(given)
        x = _tree.map(lambda _: next(leaves), form)
        return model(x, lengths=next(leaves)) if lengths else model(x)

    inputs = {**named(xs, "xs"), **({"lengths": full(sample)} if lengths else {})}
    with at_rest(model):
        found = call(*inputs.values())
    time_first = not getattr(model, "batch_first", False)
    order = {0: "T", 1: "B"} if time_first else {0: "B", 1: "T"}
    axes = dict.fromkeys(named(xs, "xs"), order)
    return Graph(Flat(model, call), inputs, [*named(found, "ys")], {**axes, "lengths": {0: "B"}})


def full(sample: Tensor) -> Tensor:
    """The lengths [B] of sequences without padding."""
    return torch.full(sample.shape[1:2], sample.shape[0], device=sample.device)
