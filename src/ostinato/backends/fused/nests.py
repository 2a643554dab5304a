"""The loops of one kernel's row: which statements share a loop, and in which order they run.

A value that a reduction or another reading of a stored value stands before has a higher level;
loops run level by level. Statements of one level and shape share a loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ostinato.backends.fused.ir import Reading, Shape, Value, contiguous
from ostinato.backends.fused.passes.plan import Kernel, Place, Plan
from ostinato.backends.fused.passes.timetable import computed_args, dear


@dataclass(frozen=True)
class Write:
    """Store a value at the entries of a reading of a place, or combine it with what is there."""

    value: Value
    place: Place
    reading: Reading
    combine: str = ""


@dataclass(frozen=True)
class Fold:
    """Reduce a value over its trailing axes into a variable, and that into a place if any."""

    result: Value
    place: Place | None

    @property
    def value(self) -> Value:
        return self.result.args[0]


@dataclass
class Nest:
    """Loops over a shape, and what is done inside them; folds keep the first ``kept`` axes."""

    level: int
    shape: Shape
    kept: int = 0
    writes: list[Write] = field(default_factory=list[Write])
    folds: list[Fold] = field(default_factory=list[Fold])


@dataclass(frozen=True)
class Fill:
    """A number all over a value's place, before the row's loops begin."""

    place: Place
    size: int
    number: str


@dataclass
class Row:
    """A kernel's row in the making."""

    plan: Plan
    kernel: Kernel
    lines: dict[Value, Place] = field(default_factory=dict[Value, Place])
    nests: dict[tuple[object, ...], Nest] = field(default_factory=dict[tuple[object, ...], Nest])
    levels: dict[Value, int] = field(default_factory=dict[Value, int])
    seen: set[Value] = field(default_factory=set[Value])
    homes: dict[Value, Place] = field(default_factory=dict[Value, Place])
    fills: list[Fill] = field(default_factory=list[Fill])
    spilled: dict[Value, Nest] = field(default_factory=dict[Value, Nest])
    """Values that were worked out for one nest and are read again by later ones."""

    def build(self) -> list[Nest]:
        """All nests in the order in which they run."""
        there = self.kernel.there
        self.homes = {v: p for v, p in reversed(self.kernel.stores) if v not in there}
        for v, place in self.kernel.stores:
            self.store(v, place)
        for s, place in self.kernel.sums:
            self.walk(s.value)
            self.nest(s.value).writes.append(Write(s.value, place, s.reading, "sum"))
        ordered = sorted(self.nests.values(), key=lambda n: n.level)
        self.spill(ordered)
        return ordered

    def store(self, v: Value, place: Place) -> None:
        """A store of a whole value; what is made piece by piece is there already."""
        self.walk(v)
        pieces = v.op == "assemble" or (v.op == "reduce" and v.shape)
        if pieces and v not in self.kernel.there and self.homes.get(v) == place:
            return
        self.nest(v).writes.append(self.whole(v, place))

    def whole(self, v: Value, place: Place) -> Write:
        """The store of a value in row-major order."""
        return Write(v, place, Reading(place.offset, v.shape, contiguous(v.shape)))

    def nest(self, v: Value, kept: int = 0) -> Nest:
        """The nest in which a value is worked out."""
        place = (self.level(v), v.shape, kept)
        return self.nests.setdefault(place, Nest(*place))

    def place(self, v: Value) -> Place:
        """Where a value of this kernel lies: its home, or a line that lives for one row."""
        if v in self.homes:
            return self.homes[v]
        if v not in self.lines:
            self.lines[v] = Place(self.plan.temporary("line", v.size, "shard"))
        return self.lines[v]

    def walk(self, v: Value) -> None:
        """Make the statements that a value needs."""
        if v in self.seen or v in self.kernel.there:
            return
        self.seen.add(v)
        for a in computed_args(v):
            self.walk(a)
        if v.op == "view":
            self.keep_barrier(v.args[0])
        elif v.op == "reduce":
            self.reduce(v)
        elif v.op == "assemble":
            self.assemble(v)

    def keep_barrier(self, stored: Value) -> None:
        """Put a barrier into memory where it is read in another way."""
        fresh = stored not in self.kernel.there and stored not in self.homes
        if stored.op == "barrier" and fresh and stored not in self.lines:
            place = self.place(stored)
            self.nest(stored).writes.append(self.whole(stored, place))

    def reduce(self, v: Value) -> None:
        """Trailing axes are folded in a variable, others into memory step by step."""
        (a,), axes = v.args, v.attrs[1]
        kept = len(v.shape)
        if axes == tuple(range(kept, len(a.shape))):
            self.nest(a, kept).folds.append(Fold(v, self.place(v) if kept else None))
            return
        place = self.place(v)
        inner = iter(contiguous(v.shape))
        strides = tuple(0 if i in axes else next(inner) for i in range(len(a.shape)))  # pyright: ignore
        self.fills.append(Fill(place, v.size, "0.0" if v.function == "sum" else "-inf"))
        self.nest(a).writes.append(
            Write(a, place, Reading(place.offset, a.shape, strides), v.function)
        )

    def assemble(self, v: Value) -> None:
        """Every part goes to its place; what no part covers is zero."""
        place = self.place(v)
        if sum(a.size for a in v.args) < v.size:
            self.fills.append(Fill(place, v.size, "0.0"))
        for part, (offset, strides) in zip(v.args, v.attrs, strict=True):  # pyright: ignore
            reading = Reading(place.offset + offset, part.shape, strides)
            self.nest(part).writes.append(Write(part, place, reading))

    def level(self, v: Value) -> int:
        """The level of a value: loops that must have ended before it can be worked out."""
        if v in self.kernel.there or not v.args:
            return 0
        if v not in self.levels:
            found = max(map(self.level, computed_args(v)))
            local = v.op == "view" and v.args[0].op == "reduce" and not v.args[0].shape
            again = v.op == "view" and v.args[0] not in self.kernel.there and bool(v.args[0].args)
            self.levels[v] = found + (v.op in ("reduce", "assemble") or (again and not local))
        return self.levels[v]

    def spill(self, nests: list[Nest]) -> None:
        """Keep dear values that a later nest needs again in a line."""
        first: dict[Value, Nest] = {}
        for nest in nests:
            roots = [s.value for s in (*nest.writes, *nest.folds)]
            for v in self.inside(roots, nest):
                home = first.setdefault(v, nest)
                if home is nest or not dear(v) or v in self.lines or v in self.homes:
                    continue
                home.writes.append(self.whole(v, self.place(v)))
                self.spilled[v] = home

    def inside(self, roots: list[Value], nest: Nest) -> Iterator[Value]:
        """The pointwise values that a nest works out."""
        seen: set[Value] = set()
        stack = list(roots)
        while stack:
            v = stack.pop()
            if v in seen or v in self.kernel.there or v.op not in ("pointwise", "barrier"):
                continue
            seen.add(v)
            if self.in_memory(v, nest):
                continue
            if v.op == "pointwise":
                yield v
            stack.extend(computed_args(v))

    def in_memory(self, v: Value, nest: Nest) -> bool:
        """Whether a nest reads a value of this kernel from memory."""
        if v in self.spilled:
            return nest is not self.spilled[v]
        # what is made piece by piece has the level of the first loop after it
        ready = nest.level + (v.op in ("assemble", "reduce"))
        return (v in self.homes or v in self.lines) and self.level(v) < ready
