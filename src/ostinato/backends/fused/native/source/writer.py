"""What the text of kernels may use: running that text as Python writes their LLVM code.

    def kernel(cur, rows):
        at_x = load_i8(cur, 0)
        for r in range(rows):
            x = at_x + r * 104
            for j in lanes_f4(26):
                store_f4(x, j, tanh(load_f4(x, j)))

A buffer is the int64 address of its first element; an index counts elements. `range` writes the
body of a loop once. So does `lanes_f4`, for a vector of neighbouring indices in place of one; what
is left of the extent gets a second body, of fewer lanes. In it `load_f4` reads a number for each
lane where the index has one for each, else one for all of them. `fold_f4` begins a sum or a maximum
over all entries of the loops that follow.
"""

# llvmlite's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from llvmlite import ir

from ostinato.backends.fused.native.source import maths
from ostinato.backends.fused.native.source.abi import SIZES
from ostinato.backends.fused.native.source.int64 import INT64, Whole, call_at, count
from ostinato.backends.fused.native.source.scalars import (
    FLOATS,
    INT32,
    Scalar,
    Variable,
    constant,
    full_lanes,
    in_fewer_lanes,
    in_lanes,
    part,
    widen,
)

Combine = Callable[[Scalar, Scalar], Scalar]
COMBINE: dict[str, tuple[Combine, float]] = {
    "sum": (Scalar.__add__, 0.0),
    "amax": (maths.maximum, float("-inf")),
}
"""How entries are folded, and the number that changes nothing."""


@dataclass(frozen=True, eq=False)
class Lane:
    """An index for each lane: the first one, and how far they are apart."""

    first: Whole
    step: int
    active: int
    """How many there are; vectors have as many lanes, or some more to a power of two."""

    def __add__(self, other: Whole | int) -> Lane:
        return Lane(self.first + other, self.step, self.active)

    def __mul__(self, other: int) -> Lane:
        return Lane(self.first * other, self.step * other, self.active)

    __radd__, __rmul__ = __add__, __mul__

    @property
    def lanes(self) -> int:
        return power_of_two(self.active)


Index = Lane | Whole | int


def power_of_two(number: int) -> int:
    """The next one that is no smaller."""
    return 1 << (number - 1).bit_length()


@dataclass
class Writer:
    """Writes the functions of a text; one after the other sets its builder."""

    builder: ir.IRBuilder = field(default_factory=ir.IRBuilder)
    here: Lane | None = None
    """The lanes of the loop that is being written."""

    def names(self) -> dict[str, Any]:
        """All that a text may use."""
        found: dict[str, Any] = {name: getattr(maths, name) for name in maths.__all__}
        found |= {"inf": float("inf"), "nan": float("nan"), "call": call_at}
        found |= {"range": self.range, "load_i8": self.load_i8, "store_i8": self.store_i8}
        for kind in FLOATS:
            found[kind] = partial(self.number, kind)
            found[f"lanes_{kind}"] = partial(self.lanes, full_lanes(kind))
            found[f"load_{kind}"] = partial(self.load, kind)
            found[f"store_{kind}"] = partial(self.store, kind)
            found[f"combine_{kind}"] = partial(self.combine, kind)
            found[f"fold_{kind}"] = partial(Fold, self, kind)
        return found

    def number(self, kind: str, number: float | bool) -> Scalar:
        """A literal; a bool is a condition."""
        one = ir.IntType(1) if isinstance(number, bool) else FLOATS[kind]
        return Scalar(self.builder, constant(one, 1, number), kind)

    def range(self, extent: Whole | int) -> Iterator[Whole]:
        """A loop over whole numbers from 0 on."""
        with count(0, self.whole(extent)) as index:
            yield index

    def lanes(self, most: int, extent: int) -> Iterator[Lane]:
        """A loop over neighbouring indices, as many at a time as vectors have lanes."""
        width = min(most, power_of_two(extent))
        full = extent // width * width
        if full == width:
            yield from self.lane(self.whole(0), width)
        elif full:
            with count(0, self.whole(full), width) as first:
                yield from self.lane(first, width)
        if extent > full:
            yield from self.lane(self.whole(full), extent - full)

    def lane(self, first: Whole, active: int) -> Iterator[Lane]:
        """One body of a loop over lanes."""
        self.here = Lane(first, 1, active)
        yield self.here
        self.here = None

    def whole(self, number: Whole | int) -> Whole:
        """A number that may be a literal."""
        return number if isinstance(number, Whole) else Whole(self.builder, INT64(number))

    def place(self, one: ir.Type, address: Whole, index: Whole | int) -> ir.Value:
        """The pointer to an element."""
        return self.builder.gep(address.pointer(one), [self.whole(index).value])

    def load_i8(self, address: Whole, index: Whole | int) -> Whole:
        """An int64 of a table."""
        return Whole(self.builder, self.builder.load(self.place(INT64, address, index)))

    def store_i8(self, address: Whole, index: Whole | int, number: Whole | int) -> None:
        """Write an int64 of a table."""
        self.builder.store(self.whole(number).value, self.place(INT64, address, index))

    def load(self, kind: str, address: Whole, index: Index) -> Scalar:
        """A number for each lane, or one for all."""
        b, one = self.builder, FLOATS[kind]
        if not isinstance(index, Lane):
            return Scalar(b, b.load(self.place(one, address, index)), kind)
        if index.step == 1:
            return Scalar(b, self.load_row(kind, address, index), kind)
        value = constant(one, index.lanes, 0.0)
        for i in range(index.active):
            entry = b.load(self.place(one, address, index.first + i * index.step))
            value = b.insert_element(value, entry, INT32(i)) if index.lanes > 1 else entry
        return Scalar(b, value, kind)

    def load_row(self, kind: str, address: Whole, index: Lane) -> ir.Value:
        """Neighbouring numbers, and zeros in lanes beyond them."""
        b, short = self.builder, in_lanes(FLOATS[kind], index.active)
        at = b.bitcast(self.place(FLOATS[kind], address, index.first), short.as_pointer())
        loaded = b.load(at, align=SIZES[kind])
        if index.active == index.lanes:
            return loaded
        return widen(b, loaded, index.active, index.lanes, 0.0)

    def store(self, kind: str, address: Whole, index: Index, value: Scalar) -> None:
        """Write a number for each lane, or the last lane's."""
        b, one = self.builder, FLOATS[kind]
        if not isinstance(index, Lane):
            last = value.value
            if value.lanes > 1:
                assert self.here is not None
                last = b.extract_element(last, INT32(self.here.active - 1))
            b.store(last, self.place(one, address, index))
            return
        vector = value.in_lanes(index.lanes).value
        if index.step == 1:
            if index.active < index.lanes:
                vector = part(b, vector, 0, index.active)
            at = b.bitcast(self.place(one, address, index.first), vector.type.as_pointer())
            b.store(vector, at, align=SIZES[kind])
            return
        for i in range(index.active):
            entry = b.extract_element(vector, INT32(i)) if index.lanes > 1 else vector
            b.store(entry, self.place(one, address, index.first + i * index.step))

    def combine(self, kind: str, how: str, address: Whole, index: Index, term: Scalar) -> None:
        """Add a term to what is in memory, or put the larger one there."""
        if not isinstance(index, Lane) and self.here is not None:
            fold = Fold(self, kind, how)
            fold.take(term)
            term = fold.result()
        old = self.load(kind, address, index)
        self.store(kind, address, index, COMBINE[how][0](old, term))


class Fold:
    """A sum or a maximum over the entries of loops, in a vector of partial results."""

    def __init__(self, writer: Writer, kind: str, how: str) -> None:
        self.writer, self.kind = writer, kind
        self.combine, self.nothing = COMBINE[how]
        lanes = full_lanes(kind)
        start = Scalar(writer.builder, constant(FLOATS[kind], lanes, self.nothing), kind)
        self.total = Variable(start)

    def take(self, term: Scalar) -> None:
        """Take in what the active lanes hold; outside of lanes one number."""
        b, here = self.writer.builder, self.writer.here
        lanes, active = (1, 1) if here is None else (here.lanes, here.active)
        old = self.total.get()
        row = widen(b, term.in_lanes(lanes).value, active, old.lanes, self.nothing)
        self.total.set(self.combine(old, old.like(row)))

    def result(self) -> Scalar:
        """All lanes together."""
        return in_fewer_lanes(self.total.get(), 1, self.combine)
