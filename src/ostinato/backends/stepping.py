"""A cell step by step without gradients: who runs each part of it, and where its state lies.

A cell that the compiler takes has a `Stream`, which keeps the state in its own memory; a `Kept`
stands for it in the tree that goes from step to step. A composite that is not taken as a whole is
wired at each step, its cells being parts of their own. What is left runs as it is.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from ostinato import _tree
from ostinato.backends.call import Call, in_trace, in_transform
from ostinato.backends.fused.backend import Fused
from ostinato.backends.fused.stream.stream import Stream, open_stream
from ostinato.backends.fused.trace.unchanged import Watch
from ostinato.backends.plan import BACKENDS, Segment, execute
from ostinato.cell import Cell
from ostinato.combine.composite import Composite
from ostinato.typing import State, Tree

FUSED = next(backend for backend in BACKENDS if isinstance(backend, Fused))


def may_stream(name: str) -> bool:
    """Whether the backend of this name runs steps by streams where it can."""
    return name in (FUSED.name, "auto")


def step(cell: Cell, x: Tree, state: State, name: str) -> tuple[Tree, State]:
    """One step without a stream; a backend asked for by name runs it as a sequence of one."""
    if name in ("auto", "eager"):
        return cell(x, state)
    ys, state = execute(Call(cell, _tree.map(lambda leaf: leaf[None], x), state), name)
    return _tree.map(lambda leaf: leaf[0], ys), state


@final
class Kept:
    """Stands for a state that lies in the stream of a part."""

    __slots__ = ("__weakref__", "part", "saved", "stream")

    def __init__(self, part: Part, stream: Stream) -> None:
        self.part, self.stream = part, stream
        self.saved: State = None

    def state(self) -> State:
        """The state after the last step of the part, or before it: whichever this stands for."""
        if self.saved is not None:
            return self.saved
        latest = self is self.part.latest()
        assert latest or self is self.part.previous(), "its stream has gone on"
        return self.stream.read(back=0 if latest else 1)

    def save(self) -> None:
        """Take the state out of the stream, which is about to write over it."""
        self.saved = self.state()


def settled(state: State) -> State:
    """The state with tensors in place of what stands for them."""

    def leaf(one: object) -> State:
        return one.state() if isinstance(one, Kept) else one

    return _tree.map(leaf, state)


@final
class Refusal:
    """Why a cell, as it is now, has no stream for an x of this form."""

    def __init__(self, cell: Cell, x: Tree, reason: str) -> None:
        self.watch, self.form, self.reason = Watch(cell), form(x), reason

    def suits(self, x: Tree) -> bool:
        """Whether it still holds."""
        return form(x) == self.form and not self.watch.changed()


def form(x: Tree) -> tuple[type, torch.Size, torch.dtype] | None:
    """What a stream depends on of x, where it is one tensor."""
    return (type(x), x.shape, x.dtype) if isinstance(x, Tensor) else None


@final
class Part:
    """One cell, and who runs its steps."""

    def __init__(self, cell: Cell, name: str) -> None:
        self.cell, self.name = cell, name
        self.runner: Stream | Refusal | None = None
        self.latest: Callable[[], Kept | None] = lambda: None
        """The state in the stream now, and `previous` the one before, while somebody has them."""
        self.previous: Callable[[], Kept | None] = lambda: None
        self.parts: list[Part] = []
        """The cells of a composite that has no stream, in the order in which it runs them."""

    def step(self, x: Tree, before: State) -> tuple[Tree, State]:
        """y and the state after the step, in which a `Kept` stands for what is in a stream."""
        if isinstance(self.runner, Stream):
            self.save(self.previous)
            if isinstance(before, Kept) and before is self.latest():
                y = self.runner.advance(x)
                if y is not None:
                    return y, self.token(self.runner)
            self.save(self.latest)
        before = before.state() if isinstance(before, Kept) else before
        if in_transform() or in_trace() or torch.is_autocast_enabled("cpu"):
            return step(self.cell, x, settled(before), self.name)
        if self.runner is None or not self.runner.suits(x):
            before = settled(before)
            self.runner = self.choose(x, before)
        if isinstance(self.runner, Stream):
            self.runner.load(settled(before))
            y = self.runner.advance(x)
            assert y is not None
            return y, self.token(self.runner)
        try:
            if isinstance(self.cell, Composite) and self.cell.layered:
                return self.wire(self.cell, x, before)
            return step(self.cell, x, settled(before), self.name)
        except Exception:
            # what was refused may have been this state, of which the refusal says nothing
            self.runner = None
            raise

    def save(self, kept: Callable[[], Kept | None]) -> None:
        """Save a state that somebody has, before the stream writes over it."""
        there = kept()
        if there is not None and there.saved is None:
            there.save()

    def token(self, stream: Stream) -> Kept:
        """What stands for the state after a step of the stream."""
        made = Kept(self, stream)
        self.previous, self.latest = self.latest, weakref.ref(made)
        return made

    def choose(self, x: Tree, state: State) -> Stream | Refusal:
        """A stream for x and a state of this form, or why there is none."""
        if type(x) is not Tensor:
            return Refusal(self.cell, x, "a stream takes one plain tensor a step")
        try:
            call = Call(self.cell, x[None], state)
            found = open_stream(FUSED.look(call), call)
        except Exception as error:
            # the step itself fails, on the small batch that it was recorded with: the ordinary
            # way says so in the user's sizes
            found = f"a step fails: {error}"
        return Refusal(self.cell, x, found) if isinstance(found, str) else found

    def wire(self, composite: Composite, x: Tree, before: State) -> tuple[Tree, State]:
        """One step of a composite, cell by cell."""
        number = 0

        def run(cell: Cell, x: Tree, before: State) -> tuple[Tree, State]:
            nonlocal number
            if number == len(self.parts) or self.parts[number].cell is not cell:
                self.parts[number:] = [Part(cell, self.name)]
            number += 1
            return self.parts[number - 1].step(x, before)

        return composite.wire(run, x, before)

    def segments(self, depth: int = 0) -> list[Segment]:
        """Who runs what, as the last step did, for `explain`."""
        if isinstance(self.runner, Stream):
            return [Segment(depth, self.cell, FUSED.name, self.runner.describe())]
        reason = self.runner.reason if self.runner is not None else ""
        refusals = (f"not {FUSED.name}: {reason}",) if reason else ()
        if self.parts:
            inner = [segment for part in self.parts for segment in part.segments(depth + 1)]
            return [Segment(depth, self.cell, "", "cell by cell:", refusals), *inner]
        name = "eager" if self.name == "auto" else self.name
        return [Segment(depth, self.cell, name, "a step at a time: as it is", refusals)]


@final
class Parts:
    """A composite at work, some part of which has a stream: it goes on as a stream does."""

    def __init__(self, part: Part, x: Tensor, state: State) -> None:
        self.part, self.state = part, state
        self.form = form(x)

    def advance(self, x: Tree) -> Tree:
        """One step from here: y; None where something else has to be done first."""
        if form(x) != self.form or torch.is_grad_enabled():
            return None
        y, self.state = self.part.step(x, self.state)
        return y

    def read(self) -> State:
        """The state."""
        return settled(self.state)


Live = Stream | Parts
"""A state that lives in what runs the steps: ``advance(x)`` goes on, ``read()`` gives it out."""


def live(part: Part, x: Tree, state: State) -> Live | None:
    """What goes on from a state that a step of the part gave; None where it is all there."""
    if isinstance(state, Kept) and state.part is part:
        return state.stream
    kept = False

    def leaf(one: object) -> object:
        nonlocal kept
        kept = kept or isinstance(one, Kept)
        return one

    _tree.map(leaf, state)
    return Parts(part, x, state) if kept else None
