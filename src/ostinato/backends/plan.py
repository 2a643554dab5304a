"""Who runs what: the backends in order, the choice among them, and its explanation."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import cast

import torch

from ostinato import _tree
from ostinato._exporting import exporting
from ostinato.backends import graph
from ostinato.backends.aten import Aten
from ostinato.backends.base import Backend, Run
from ostinato.backends.call import Call, hooked
from ostinato.backends.dynamo import closed
from ostinato.backends.eager import Eager
from ostinato.backends.fused.backend import Fused
from ostinato.cell import Cell, Lift
from ostinato.combine.composite import Composite
from ostinato.errors import ArgumentError, BackendError, StateError
from ostinato.typing import State, Tree

BACKENDS: tuple[Backend, ...] = (Fused(), Aten(), Eager())
"""Every backend, the fastest first. ``auto`` takes the first that accepts."""

NAMES = ("auto", *(backend.name for backend in BACKENDS))
"""What may be asked for."""

_default: ContextVar[str] = ContextVar("ostinato_backend", default="auto")

Watch = Callable[[Cell], AbstractContextManager[object]]
_watch: ContextVar[Watch] = ContextVar("ostinato_watch", default=lambda cell: nullcontext())


@contextmanager
def backend(name: str) -> Generator[None]:
    """Within the block, calls that ask for no backend use this one.

    ``with ostinato.backend("eager"): ...``; holds for the current thread or task. Raises
    ArgumentError for an unknown name.
    """
    check_name(name)
    token = _default.set(name)
    try:
        yield
    finally:
        _default.reset(token)


def check_name(name: str) -> None:
    """Raise ArgumentError where no backend is called that."""
    if not isinstance(name, str) or name not in NAMES:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(
            "backend",
            wanted=f"one of {', '.join(map(repr, NAMES))}",
            got=repr(name),
            remedy='"auto" takes the fastest that accepts the call.',
        )


def resolve(name: str) -> str:
    """The backend of a surrounding block where none is asked for."""
    return _default.get() if name == "auto" else name


@contextmanager
def watched(watch: Watch) -> Generator[None]:
    """Within the block, a backend runs each cell inside ``watch(cell)``: for a profile."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


@dataclass(frozen=True)
class Segment:
    """A part of a cell, and which backend ran it: a line of `explain`."""

    depth: int
    cell: Cell
    backend: str
    how: str
    refusals: tuple[str, ...] = ()
    account: str = ""
    """What the backend made of the cell, in full."""

    @property
    def title(self) -> str:
        """The cell with its sizes."""
        module = self.cell.module if isinstance(self.cell, Lift) else self.cell
        name, said = type(module).__name__, module.extra_repr()
        return f"{name}({said})" if said else name

    def __str__(self) -> str:
        head = "  " * self.depth + self.title
        body = f"{head:<44} {self.backend:<6} {self.how}".rstrip()
        return "\n".join([body, *(" " * 44 + f" {refusal}" for refusal in self.refusals)])


@closed
def execute(call: Call, name: str, journal: list[Segment] | None = None) -> tuple[Tree, State]:
    """Run a call on the backend of this name, noting in the journal who ran what."""
    if exporting():
        return graph.execute(call, name if torch.compiler.is_dynamo_compiling() else resolve(name))
    return _execute(call, resolve(name), journal, 0)


def _execute(
    call: Call, name: str, journal: list[Segment] | None, depth: int
) -> tuple[Tree, State]:
    # hooks of a composite see single steps, so one that has some is no sum of its layers
    layered = isinstance(call.cell, Composite) and call.cell.layered and not hooked(call.cell)
    if name != "eager" and layered:
        return _execute_layers(call, cast("Composite", call.cell), name, journal, depth)
    by, taken, refusals = choose(call, name)
    if journal is not None:
        how, account = taken.describe(), taken.account()
        journal.append(Segment(depth, call.cell, by, how, refusals, account))
    with _watch.get()(call.cell):
        return taken.run()


def _execute_layers(
    call: Call, composite: Composite, name: str, journal: list[Segment] | None, depth: int
) -> tuple[Tree, State]:
    """Unroll a composite layer by layer, which equals unrolling it step by step."""
    if journal is not None:
        journal.append(Segment(depth, composite, "", "layer by layer:"))
    # a view of each leaf, so that no two are one object: `part` tells them apart
    state = _tree.map(lambda leaf: leaf.view_as(leaf), call.state)

    def run(cell: Cell, xs: Tree, before: State) -> tuple[Tree, State]:
        initial = None if call.resets is None else part(composite, before, state, call.initial)
        layer = replace(call, cell=cell, xs=xs, state=before, initial=initial)
        return _execute(layer, name, journal, depth + 1)

    ys, after = composite.wire(run, call.masked(call.xs), state)
    return call.masked(ys), after


def part(composite: Composite, before: State, state: State, initial: State) -> State:
    """The part of the composite's initial state where an inner cell has its part of the state."""
    places = zip(_tree.leaves(state), _tree.leaves(initial), strict=True)
    starts = {id(leaf): start for leaf, start in places}
    if any(id(leaf) not in starts for leaf in _tree.leaves(before)):
        raise StateError(
            f"state of {type(composite).__name__}",
            wanted="inner cells that get parts of it as they stand, so that resets can reach them",
            got="a new tensor",
            remedy='Use backend="eager", or pass the parts on in wire.',
        )
    return _tree.map(lambda leaf: starts[id(leaf)], before)


def choose(call: Call, name: str) -> tuple[str, Run, tuple[str, ...]]:
    """The backend that takes the call, what it will run, and what those before it said."""
    refusals: list[str] = []
    for candidate in BACKENDS:
        if name not in (candidate.name, "auto"):
            continue
        taken = candidate.accept(call)
        if not isinstance(taken, str):
            return candidate.name, taken, tuple(refusals)
        refusals.append(f"not {candidate.name}: {taken}")
    raise BackendError(
        "backend",
        wanted=f"a call that {name!r} can run",
        got=f"{type(call.cell).__name__}: {refusals[0].split(': ', 1)[1]}",
        remedy='backend="auto" takes the fastest backend that can run it.',
    )
