"""Where the time of a model goes, layer by layer, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, record_function

from ostinato.backends.call import observer
from ostinato.backends.plan import watched
from ostinato.cell import Cell, Lift
from ostinato.combine.composite import Composite
from ostinato.errors import ArgumentError

# How the ranges of modules are told from other events of the profiler.
_MARK = "ostinato.profile: "

# What torch calls the run of one node of the backward graph.
_NODE = "autograd::engine::evaluate_function"


@dataclass
class LayerTime:
    """The time of one module in seconds, with all that is in it."""

    name: str
    kind: str
    calls: int = 0
    forward: float = 0.0
    backward: float = 0.0


@final
@dataclass
class Profile:
    """What `profile` has measured; printed as a table."""

    layers: list[LayerTime] = field(default_factory=list[LayerTime])
    """The model itself, named "", then its modules in the order of `nn.Module.named_modules`."""

    def __getitem__(self, name: str) -> LayerTime:
        """The times of a module by its name."""
        return next(layer for layer in self.layers if layer.name == name)

    def __str__(self) -> str:
        head = ("layer", "kind", "calls", "forward ms", "backward ms")
        rows = [head, *(_row(layer) for layer in self.layers)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(_line(row, widths) for row in rows)


def profile(run: Callable[..., Any] | nn.Module, *inputs: Any, model: Any = None) -> Profile:
    """Run a model forward and backward once, and measure each of its modules.

    ``run(*inputs)`` is the model, or a function that runs ``model``, such as one that unrolls it.
    Gradients that the model has are kept. Raises ArgumentError for a function without ``model``.
    What comes back may be any nesting of tensors; the backward pass is that of their sum. Times
    are the CPU's, with the profiler's own, which is a few microseconds an operation. A cell is
    measured whole, on the backend that runs it (see `ostinato.explain`); where a `Recursor` makes
    its steps, with the others in it.
    """
    found = run if model is None else model
    if not isinstance(found, nn.Module):
        raise ArgumentError(
            "model",
            wanted="the module whose parts are measured",
            got=f"a {type(found).__name__}",
            remedy="With a function, say which: profile(run, model=module).",
        )
    times = {name: LayerTime(name, type(part).__name__) for name, part in found.named_modules()}
    kept = [(weight, weight.grad) for weight in found.parameters()]
    found.zero_grad(set_to_none=True)
    with torch.enable_grad(), _marked(found):
        run(*inputs)  # first calls fetch, compile and allocate
        with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as profiler:
            sum(leaf.sum() for leaf in _differentiable(run(*inputs))).backward()  # pyright: ignore
    for weight, gradient in kept:
        weight.grad = gradient
    _count(list(profiler.events() or ()), times)
    return Profile([layer for layer in times.values() if layer.calls])


@contextmanager
def _marked(module: nn.Module) -> Iterator[None]:
    """Within the block each call of each module is a range of the profiler."""
    names = {id(part): name for name, part in module.named_modules()}
    handles: list[Any] = []
    for part in _outside_cells(module):
        begin, end = _hooks(_MARK + names[id(part)])
        handles += [part.register_forward_pre_hook(begin), part.register_forward_hook(end)]

    def watch(cell: Cell) -> AbstractContextManager[object]:
        known = id(cell) in names and not isinstance(cell, Lift)
        return record_function(_MARK + names[id(cell)]) if known else nullcontext()

    try:
        with watched(watch):
            yield
    finally:
        for handle in handles:
            handle.remove()


def _outside_cells(module: nn.Module) -> Iterator[nn.Module]:
    """The modules that may have hooks: within a cell they would keep a backend from running it."""
    layered = isinstance(module, Lift) or (isinstance(module, Composite) and module.layered)
    if isinstance(module, Cell) and not layered:
        return
    if not isinstance(module, Cell | nn.ModuleList):
        yield module
    for child in module.children():
        yield from _outside_cells(child)


def _hooks(name: str) -> tuple[Callable[..., None], Callable[..., None]]:
    ranges: list[record_function] = []

    @observer
    def begin(*_: Any) -> None:
        ranges.append(record_function(name))
        ranges[-1].__enter__()

    @observer
    def end(*_: Any) -> None:
        ranges.pop().__exit__(None, None, None)

    return begin, end


def _count(events: list[Any], times: dict[str, LayerTime]) -> None:
    """Add up the events; a backward node belongs where the operation with its number ran."""
    places: dict[int, list[str]] = {}
    for event in sorted(events, key=lambda event: event.time_range.start):
        if event.name.startswith(_MARK):
            layer = times[event.name.removeprefix(_MARK)]
            layer.calls += 1
            layer.forward += event.cpu_time_total / 1e6
        elif event.sequence_nr >= 0 and not _is_backward(event):
            # operations without a gradient have the number of the next one that has one
            places[event.sequence_nr] = _modules_round(event)
    for event in events:
        if event.name.startswith(_NODE):
            for name in places.get(event.sequence_nr, ()):
                times[name].backward += event.cpu_time_total / 1e6


def _is_backward(event: Any) -> bool:
    while event is not None:
        if event.name.startswith(_NODE):
            return True
        event = event.cpu_parent
    return False


def _modules_round(event: Any) -> list[str]:
    names: set[str] = set()
    while event is not None:
        if event.name.startswith(_MARK):
            names.add(event.name.removeprefix(_MARK))
        event = event.cpu_parent
    return list(names)


def _differentiable(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        if tree.requires_grad:
            yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _differentiable(value)
    elif isinstance(tree, tuple | list):
        for value in tree:
            yield from _differentiable(value)


def _row(layer: LayerTime) -> tuple[str, ...]:
    depth = layer.name.count(".") + 1 if layer.name else 0
    name = "  " * depth + (layer.name or "(model)")
    forward, backward = f"{layer.forward * 1e3:.3f}", f"{layer.backward * 1e3:.3f}"
    return name, layer.kind, str(layer.calls), forward, backward


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    texts, numbers = zip(row[:2], widths, strict=False), zip(row[2:], widths[2:], strict=True)
    left = [text.ljust(width) for text, width in texts]
    return "  ".join([*left, *(text.rjust(width) for text, width in numbers)])
