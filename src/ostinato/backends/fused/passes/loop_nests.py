"""A kernel's row as loops with explicit statements: what is loaded, computed and stored, in turn.

A value that a reduction or another reading of a stored value stands before has a higher level;
loops run level by level. Statements of one level and shape share a loop. What comes out is all
that emission prints, that `verify` follows entry by entry, and that `run_plan` runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ostinato.backends.fused.ir.values import Reading, Shape, Value, contiguous
from ostinato.backends.fused.passes.plan import (
    Body,
    Compute,
    Fill,
    Fold,
    Kernel,
    Load,
    Nest,
    Place,
    Plan,
    Same,
    Statement,
    Store,
)
from ostinato.backends.fused.passes.timetable import computed_args, dear


def loop_nests(plan: Plan) -> Plan:
    """Give every kernel its loops, and the plan the buffers that they need besides."""
    for kernel in plan.kernels():
        kernel.body = KernelLoops(plan, kernel).body()
    return plan


@dataclass
class Draft:
    """A nest in the making: what its loops store, and what they fold."""

    level: int
    shape: Shape
    kept: int = 0
    stores: list[Store] = field(default_factory=list[Store])
    folds: list[tuple[Value, Place | None]] = field(
        default_factory=list[tuple[Value, Place | None]]
    )
    """Results of reductions over the trailing axes, and where they are put, if anywhere."""


@dataclass
class KernelLoops:
    """The loops of one kernel in the making."""

    plan: Plan
    kernel: Kernel
    lines: dict[Value, Place] = field(default_factory=dict[Value, Place])
    """Places of values that live for one row."""
    drafts: dict[tuple[object, ...], Draft] = field(default_factory=dict[tuple[object, ...], Draft])
    levels: dict[Value, int] = field(default_factory=dict[Value, int])
    seen: set[Value] = field(default_factory=set[Value])
    homes: dict[Value, Place] = field(default_factory=dict[Value, Place])
    """Places that the kernel itself writes values to."""
    fills: list[Fill] = field(default_factory=list[Fill])
    spilled: dict[Value, Draft] = field(default_factory=dict[Value, Draft])
    """Values that were worked out for one nest and are read again by later ones."""

    def body(self) -> Body:
        """All nests in the order in which they run, with their statements."""
        there = self.kernel.there
        self.homes = {v: p for v, p in reversed(self.kernel.stores) if v not in there}
        for v, place in self.kernel.stores:
            self.store(v, place)
        for s, place in self.kernel.sums:
            self.walk(s.value)
            self.draft(s.value).stores.append(Store(s.value, place, s.reading, "sum"))
        ordered = sorted(self.drafts.values(), key=lambda draft: draft.level)
        self.spill(ordered)
        known: frozenset[Value] = frozenset()
        nests: list[Nest] = []
        for draft in ordered:
            made, known = Statements(self, draft, set(known)).nest(known)
            nests.append(made)
        return Body(tuple(self.fills), tuple(nests))

    def store(self, v: Value, place: Place) -> None:
        """A store of a whole value; what is made piece by piece is there already."""
        self.walk(v)
        pieces = v.op == "assemble" or (v.op == "reduce" and v.shape)
        if pieces and v not in self.kernel.there and self.homes.get(v) == place:
            return
        self.draft(v).stores.append(whole(v, place))

    def draft(self, v: Value, kept: int = 0) -> Draft:
        """The nest in which a value is worked out."""
        place = (self.level(v), v.shape, kept)
        return self.drafts.setdefault(place, Draft(*place))

    def place(self, v: Value) -> Place:
        """Where a value of this kernel lies: its home, or a line that lives for one row."""
        if v in self.homes:
            return self.homes[v]
        if v not in self.lines:
            self.lines[v] = Place(self.plan.temporary("line", v.size, "shard"))
        return self.lines[v]

    def walk(self, v: Value) -> None:
        """Note what has to be stored for a value to be worked out."""
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
            self.draft(stored).stores.append(whole(stored, place))

    def reduce(self, v: Value) -> None:
        """Trailing axes are folded in a variable, others into memory step by step."""
        (a,), axes = v.args, v.axes
        kept = len(v.shape)
        if axes == tuple(range(kept, len(a.shape))):
            self.draft(a, kept).folds.append((v, self.place(v) if kept else None))
            return
        place = self.place(v)
        inner = iter(contiguous(v.shape))
        strides = tuple(0 if i in axes else next(inner) for i in range(len(a.shape)))
        self.fills.append(Fill(place, v.size, "0.0" if v.function == "sum" else "-inf"))
        reading = Reading(place.offset, a.shape, strides)
        self.draft(a).stores.append(Store(a, place, reading, v.function, v))

    def assemble(self, v: Value) -> None:
        """Every part goes to its place; what no part covers is zero."""
        place = self.place(v)
        if sum(a.size for a in v.args) < v.size:
            self.fills.append(Fill(place, v.size, "0.0", v))
        for where, part in v.parts:
            reading = Reading(place.offset + where.offset, where.shape, where.strides)
            self.draft(part).stores.append(Store(part, place, reading, part_of=v))

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

    def spill(self, drafts: list[Draft]) -> None:
        """Keep dear values that a later nest needs again in a line."""
        first: dict[Value, Draft] = {}
        for draft in drafts:
            roots = [s.value for s in draft.stores] + [result.args[0] for result, _ in draft.folds]
            for v in self.inside(roots, draft):
                home = first.setdefault(v, draft)
                if home is draft or not dear(v) or v in self.lines or v in self.homes:
                    continue
                home.stores.append(whole(v, self.place(v)))
                self.spilled[v] = home

    def inside(self, roots: list[Value], draft: Draft) -> Iterator[Value]:
        """The pointwise values that a nest works out."""
        seen: set[Value] = set()
        stack = list(roots)
        while stack:
            v = stack.pop()
            if v in seen or v in self.kernel.there or v.op not in ("pointwise", "barrier"):
                continue
            seen.add(v)
            if self.in_memory(v, draft):
                continue
            if v.op == "pointwise":
                yield v
            stack.extend(computed_args(v))

    def in_memory(self, v: Value, draft: Draft) -> bool:
        """Whether a nest reads a value of this kernel from memory."""
        if v in self.spilled:
            return draft is not self.spilled[v]
        # what is made piece by piece has the level of the first loop after it
        ready = draft.level + (v.op in ("assemble", "reduce"))
        return (v in self.homes or v in self.lines) and self.level(v) < ready


@dataclass
class Statements:
    """The statements of one nest in the making."""

    loops: KernelLoops
    draft: Draft
    known: set[Value]
    """What has a variable already."""
    written: list[Statement] = field(default_factory=list[Statement])

    def nest(self, before: frozenset[Value]) -> tuple[Nest, frozenset[Value]]:
        """The nest, and what has a variable after it: what is computed once a row."""
        draft = self.draft
        results = [result for result, _ in draft.folds]
        self.known |= set(results)
        for result in results:
            (term,) = result.args
            self.need(term)
            self.written.append(Fold(result, term))
        for store in draft.stores:
            self.need(store.value)
            self.written.append(store)
        ends = tuple(whole(v, place) for v, place in draft.folds if place is not None)
        made = Nest(draft.shape, draft.kept, tuple(results), tuple(self.written), ends)
        if not draft.shape:
            return made, frozenset(self.known)
        return made, before | {v for v, place in draft.folds if place is None}

    def need(self, v: Value) -> None:
        """Write what it takes to have a value in a variable."""
        if v in self.known or v.op == "const":
            return
        self.work_out(v)
        self.known.add(v)

    def work_out(self, v: Value) -> None:
        loops = self.loops
        if v in loops.kernel.there or loops.in_memory(v, self.draft):
            place = loops.plan.homes[v] if v in loops.kernel.there else loops.place(v)
            self.load(v, place, Reading(0, v.shape, contiguous(v.shape)))
        elif v.op == "view":
            self.load_view(v)
        elif v.op == "barrier":
            self.need(v.args[0])
            self.written.append(Same(v, v.args[0]))
        else:
            assert v.op == "pointwise", (v, v.op, loops.kernel.name)
            for a in v.args:
                self.need(a)
            self.written.append(Compute(v))

    def load_view(self, v: Value) -> None:
        """A view is another reading of what is stored; of a variable it is that variable."""
        loops, stored = self.loops, v.args[0]
        if stored in self.known and not stored.shape:
            self.written.append(Same(v, stored))
            return
        there = stored in loops.kernel.there
        place = loops.plan.homes[stored] if there else loops.place(stored)
        self.load(v, place, v.reading)

    def load(self, v: Value, place: Place, reading: Reading) -> None:
        moved = Reading(reading.offset + place.offset, reading.shape, reading.strides)
        self.written.append(Load(v, place, moved))


def whole(v: Value, place: Place) -> Store:
    """The store of a value in row-major order."""
    return Store(v, place, Reading(place.offset, v.shape, contiguous(v.shape)))
