"""Pictures of what modules and cells do, made by running them."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Generator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ostinato import _tree
from ostinato.backends.call import initial_state
from ostinato.backends.eager import check_step
from ostinato.backends.plan import backend, watched
from ostinato.cell import Cell
from ostinato.drawing.graph import Graph, Node, Value, is_end, tidy
from ostinato.drawing.labels import field, named, numbered, of_shape
from ostinato.drawing.picture import Picture, checked_path
from ostinato.drawing.record import Recorder, tensors
from ostinato.errors import ArgumentError, DtypeError, ShapeError
from ostinato.typing import State, Tree


def draw(module: nn.Module, example: Any, *, unrolled: int = 1, depth: int = 1) -> Picture:
    """A picture of what a module or a cell does with an example, made by running it.

    Args:
        module: any module; what it draws from its modules, parameters and control flow is what
            it does just now, in its present mode. It is left as it is.
        example: for a cell, one step x [B, ...]; for another module, its argument, a tuple of
            arguments, or a dict of them by name.
        unrolled: for a cell, the number of time steps, which all get the example.
        depth: how many modules deep the picture looks. 1 shows the operations of the module
            itself, and the modules that it calls and the cells that it runs over time as one box
            each; 0 is a single box.

    Solid lines carry a gradient back, dashed ones do not. Values are named after the variables
    that hold them in the module's methods. Save the result with ``.save("cell.svg")``, or
    ``.png``, or ``.dot``; a notebook shows it. Raises ArgumentError for an input that has no
    influence on an output, or a count that makes no sense; an error of the module itself gets a
    note that tells where it happened, and the shapes there.
    """
    check_counts(module, unrolled, depth)
    shown = twin(module)
    recorder = Recorder(depth, shown)
    recorder.graph.num_steps = unrolled
    try:
        # cells over time run in torch's sight, and stand as one node each
        seen = watched(recorder.over_time)
        with torch.enable_grad(), torch.random.fork_rng(), backend("eager"), seen:
            if isinstance(shown, Cell):
                inputs = run_cell(recorder, shown, example, unrolled)
            else:
                inputs = run_module(recorder, shown, example)
    except Exception as error:
        if (told := recorder.failure(error)) is not None:
            error.add_note(told)
        raise
    check_inputs(recorder, inputs)
    tidy(recorder.graph)
    return Picture(recorder.graph)


@contextmanager
def draw_on_error(path: str | os.PathLike[str], *, depth: int = 1) -> Generator[None]:
    """Where an error ends the block, draw what was done until then, what failed in red.

    ``with draw_on_error("failed.svg"): model(x).backward()``. The error goes on as it is, with a
    note that names the operation, the module and the shapes, as in ``linear in Net.head (Linear),
    given h [4, 5], ...``. Put it round one forward pass: it keeps all tensors until the end of
    the block. An error that comes of no torch call and no module is not drawn. ``path`` and
    ``depth`` are as in `draw`.
    """
    path = checked_path(path)
    recorder = Recorder(depth)
    try:
        with recorder:
            yield
    except Exception as error:
        told = recorder.failure(error)
        if told is not None:
            tidy(recorder.graph)
            said = str(error).partition("\n")[0]
            Picture(recorder.graph, f"{told}\n{type(error).__name__}: {said}").save(path)
            error.add_note(f"{told}; drawn in {path}")
        raise


def check_counts(module: nn.Module, unrolled: int, depth: int) -> None:
    """Raise where a count is not one, or a module that is no cell is to be unrolled."""
    for name, count, least in (("unrolled", unrolled, 1), ("depth", depth, 0)):
        if isinstance(count, bool) or not isinstance(count, int) or count < least:
            raise ArgumentError(name, wanted=f"a whole number of at least {least}", got=repr(count))
    if not isinstance(module, nn.Module):
        raise DtypeError(
            "module",
            wanted="a torch.nn.Module",
            got=repr(module),
            remedy="Put a function into the forward of a module.",
        )
    if unrolled > 1 and not isinstance(module, Cell):
        raise ArgumentError(
            "unrolled",
            wanted=f"1 for {type(module).__name__}, which is no cell",
            got=str(unrolled),
            remedy="Draw the cell that it runs over time.",
        )


def twin(module: nn.Module) -> nn.Module:
    """A copy that shares the parameters, so that a run of it changes nothing in the module."""
    shared = {id(p): p for p in module.parameters()}
    shared |= {id(b): b.clone() for b in module.buffers()}
    for part in module.modules():  # a tensor with a graph can be shared, but not copied
        shared |= {id(held): held for held in tensors(vars(part)) if id(held) not in shared}
    return copy.deepcopy(module, shared)


def run_module(recorder: Recorder, module: nn.Module, example: Any) -> list[Value]:
    """Record one call; gives the values that came in."""
    args = (
        example if isinstance(example, tuple) else () if isinstance(example, dict) else (example,)
    )
    kwargs = example if isinstance(example, dict) else {}
    args, kwargs = tree_map(own, (args, kwargs))
    bound = inspect.signature(module.forward).bind(*args, **kwargs).arguments
    inputs = [
        recorder.leaf(tensor, "input", 0, name)
        for argument, given in bound.items()
        for name, tensor in named(argument, given)
    ]
    with recorder:
        made = module(*args, **kwargs)
    bring_out(recorder, "output", made)
    return inputs


def run_cell(recorder: Recorder, cell: Cell, example: Tree, num_steps: int) -> list[Value]:
    """Record the steps of a cell; gives the values that came in at the first one."""
    samples = tensors(example)
    if not samples or samples[0].dim() == 0:
        raise ShapeError(
            "example",
            wanted=f"one step x [B, ...] for {type(cell).__name__}",
            got=_tree.describe(example),
        )
    batch_size = samples[0].shape[0]
    state: State = initial_state(cell, samples[0], batch_size)
    states = [bring_in_state(recorder, state)]
    inputs: list[Value] = []
    for step in range(num_steps):
        recorder.step = step
        number = step + 1 if num_steps > 1 else None
        x = _tree.map(own, example)
        given = [recorder.leaf(t, "input", step, numbered(n, number)) for n, t in named("x", x)]
        inputs = inputs or given
        with recorder:
            made = cell(x, state)
        check_step(cell, state, made, batch_size)
        y, state = made
        bring_out(recorder, "y", y, number)
        recorder.step = step + 1
        states.append(bring_in_state(recorder, state))
    name_states(states, recorder.graph)
    return inputs


def own(leaf: Any) -> Any:
    """A copy of a tensor: no two inputs are one, and the example is not changed."""
    return leaf.clone() if isinstance(leaf, Tensor) else leaf


def bring_out(recorder: Recorder, name: str, made: Any, number: int | None = None) -> None:
    """Put outputs into the graph."""
    for label, tensor in named(name, made):
        text = f"{numbered(label, number)} {of_shape(tensor)}"
        node = recorder.graph.add(Node("output", text, step=recorder.step))
        recorder.graph.connect(recorder.value(tensor), node)


def bring_in_state(recorder: Recorder, state: State) -> dict[str, Value]:
    """Put the state before a step into the graph; gives its values by their paths.

    A tensor that stands in the state twice is there once.
    """
    found: dict[int, tuple[str, Tensor]] = {}
    for path, tensor in _tree.paths(state, "state"):
        found.setdefault(id(tensor), (path, tensor))
    values: dict[str, Value] = {}
    for path, tensor in found.values():
        made = recorder.value(tensor) if recorder.step else None
        values[path] = recorder.leaf(tensor, "state", recorder.step)
        if made is not None:
            recorder.graph.connect(made, values[path].source)
    return values


def name_states(states: list[dict[str, Value]], graph: Graph) -> None:
    """Name states after their fields, or the variables that held them, with the step's number.

    One that no step changes has no number.
    """
    for path in dict.fromkeys(path for values in states for path in values):
        values = [found.get(path) for found in states]
        there = [value for value in values if value is not None]
        said = [value.name for value in there if value.name]
        name = field(path) or next(iter(said), path)
        held = all(a.source in sources(graph, b.source) for a, b in pairwise(there))
        for step, value in enumerate(values):
            if value is not None:
                prime = name + "\N{PRIME}" * step if graph.num_steps == 1 else numbered(name, step)
                value.source.label = f"{name if held else prime}\n{value.shape}"


def sources(graph: Graph, node: Node) -> set[Node]:
    """The nodes that a node reads from."""
    return {edge.source for edge in graph.into(node)}


def check_inputs(recorder: Recorder, inputs: list[Value]) -> None:
    """Raise where an input has no influence on any output."""
    graph = recorder.graph
    ends = [node for node in graph.nodes if is_end(node, graph.num_steps)]
    if not ends:
        raise DtypeError(
            "module",
            wanted="a module that gives tensors",
            got="one that gives none",
            remedy="There is nothing to draw.",
        )
    used = graph.before(ends)
    unused = [value.text for value in inputs if value.source not in used]
    if unused:
        raise ArgumentError(
            "example",
            wanted="inputs that all have an influence on an output",
            got=f"{', '.join(unused)}, which {'has' if len(unused) == 1 else 'have'} none",
            remedy="Leave it out, or mend forward.",
        )
