"""A model of one step, whose states are inputs and outputs."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato.backends.call import initial_state
from ostinato.cell import Cell, OverTime, as_cell
from ostinato.combine import Stack
from ostinato.errors import ArgumentError, DtypeError
from ostinato.export.graph import Graph, at_rest, checked_path
from ostinato.export.modules import Over
from ostinato.export.states import named, start
from ostinato.nn.layers import Layers
from ostinato.sequence.bidirectional import BothWays
from ostinato.sequence.remember import Remembering
from ostinato.typing import Tree


def stream(
    model: nn.Module,
    path: str | os.PathLike[str],
    x: Tree = None,
    *,
    overwrite: bool = False,
) -> Graph:
    """Write an ONNX model of one step of a cell: x and states in, y and the next states out.

    Args:
        model: a cell, or a stack of modules that is one, such as a language model; a `Recursor` or
            `Sequencer`, which stand for their cell; a stateless module; or a drop-in of
            `ostinato.nn` of one direction.
        path: the file, which ends in ``.onnx``.
        x: an example of one step [B, ...], whose values do not matter; needed where the cell does
            not say its ``input_size``, as with ids [B], or where it takes a tree of tensors.
        overwrite: take the place of a file that is there.

    The inputs are ``x`` [B, ...] and, for a state of one tensor, ``state`` [B, ...], else
    ``state_0``, ``state_1`` or ``state_h`` by its place or name; the outputs ``y`` and
    ``next_state``, ``next_state_0`` and so on. B is any size. Masks of dropout are no inputs: the
    model is that of evaluation. The file's metadata has, under ``ostinato``, a JSON object that
    tells ``states``, which output is the next of which input, and ``initial``, one row of each for
    the start.

    Returns the `Graph` that was written. Raises ArgumentError for a path or model that does not
    fit, `ExportError` for a cell that cannot be traced, and MissingPackage without ``[onnx]``.
    """
    found = checked_path(path, overwrite=overwrite)
    graph = stream_graph(model, x)
    graph.write(found)
    return graph


def stream_graph(model: nn.Module, x: Tree = None) -> Graph:
    """What `stream` writes."""
    cell = streamed(model)
    x = example("x", cell, cell.input_size, "one step [B, ...]") if x is None else x
    x = _tree.map(two_rows, x)
    sample = _tree.leaves(x)[0]
    states, xs = start(cell, sample, 2), named(x, "x")
    with at_rest(cell):
        y, _ = cell(x, initial_state(cell, sample, 2))
    following = {name: f"next_{name}" for name in states}
    rows = {name: {0: "B"} for name, leaf in {**xs, **states}.items() if leaf.shape[:1] == (2,)}
    return Graph(
        Over(cell, x, tuple(states), steps=False, lengths=False),
        {**xs, **states},
        [*named(y, "y"), *following.values()],
        rows,
        following,
        {name: leaf[0].clone() for name, leaf in start(cell, sample, 1).items()},
    )


def streamed(model: nn.Module) -> Cell:
    """The cell that a model is, step by step. Raises where it is none."""
    if isinstance(model, Remembering):
        return model.cell
    if isinstance(model, Layers) and not model.bidirectional:
        return Stack(*model._filled(), skip="residual" if model.residual else None)
    if isinstance(model, (Layers, BothWays)):
        raise both_ways(model)
    if isinstance(model, OverTime):
        raise DtypeError(
            "model",
            wanted="a cell, or a module that stands for one, to be run step by step",
            got=type(model).__name__,
            remedy="Use ostinato.export.sequence, which takes whole sequences.",
        )
    return as_cell(model)


def both_ways(model: nn.Module) -> ArgumentError:
    """The refusal of what reads a sequence from its end too."""
    return ArgumentError(
        "model",
        wanted="a model that reads from the first step on",
        got=f"{type(model).__name__}, which also reads from the last",
        remedy="Use ostinato.export.sequence, which takes whole sequences.",
    )


def example(argument: str, model: nn.Module, width: int | None, wanted: str) -> Tensor:
    """A step of zeros; ArgumentError where the cell does not say its width."""
    if width is None:
        raise ArgumentError(
            argument,
            wanted=f"an example of {wanted}, as {type(model).__name__} does not say its input_size",
            got="None",
            remedy="Pass numbers or ids as the model takes them; their values do not matter.",
        )
    weight = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    return weight.detach().new_zeros(2, width)


def two_rows(leaf: Tensor) -> Tensor:
    """The first two rows [2, ...], one of them twice where it is alone: torch fixes a size of 1."""
    return torch.cat([leaf, leaf])[:2]
