"""The small language that a step is turned into: values of one row, in a hash-consed graph.

A `Value` has the features of one row as its shape; no value has a batch dimension. ``()`` is a
row scalar and ``(1,)`` a vector of length 1: they broadcast differently and are never mixed up.

==========  ====================  =======================================================
op          attrs                 meaning
==========  ====================  =======================================================
input       (kind, number)        x, a state before the step, a gradient, a random draw
param       (number,)             depends on neither x nor state: computed outside, in torch
const       (text,)               a number; fits any shape
pointwise   (function, owner)     args have this shape, or are constants
view        (offset, strides)     another reading of a stored value; stride 0 broadcasts
product     (transposed, k, n)    a [.., K] by w[n:n+N, k:k+K].T; by w[k:k+K, n:n+N] if transposed;
                                  a third arg is what the product is added to, in its place
reduce      (kind, axes)          sum or amax over axes of the shape
assemble    ((offset, strides)..) parts that stand side by side in one stored value
barrier     (kind, axes)          args[0], stored, with a derivative of its own to args[1]
==========  ====================  =======================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

Shape = tuple[int, ...]


class Source(NamedTuple):
    """Which input a value is."""

    kind: str
    number: int


class Param(NamedTuple):
    """Which param a value is."""

    number: int


class Number(NamedTuple):
    """A constant, spelled, as NaN differs from itself and -0.0 equals 0.0."""

    text: str


class Apply(NamedTuple):
    """A function of each entry."""

    function: str
    owner: int = 0
    """Tells equal ones apart that must not be one value."""


class Strided(NamedTuple):
    """Where the entries of a shape are in a stored value: offset + sum of index * stride."""

    offset: int
    strides: Shape


class Block(NamedTuple):
    """The part of a weight that a product reads."""

    transposed: bool
    k_start: int
    n_start: int


class Over(NamedTuple):
    """What is done over which axes."""

    kind: str
    axes: Shape


Parts = tuple[Strided, ...]
Attrs = Source | Param | Number | Apply | Strided | Block | Over | Parts
STORED = ("input", "param", "product", "reduce", "assemble", "barrier")
"""What has a place in memory, so that a view may stand on it."""


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """One node of the graph. Equal nodes of a graph are the same object."""

    op: str
    args: tuple[Value, ...]
    attrs: Attrs
    shape: Shape
    dtype: str
    """``f`` for the floating type of the program, ``b`` for bool."""
    name: str

    @property
    def size(self) -> int:
        """Numbers a row."""
        return math.prod(self.shape)

    @property
    def function(self) -> str:
        """The function of a pointwise value, the kind of a reduction or barrier; else the op."""
        if isinstance(self.attrs, Apply):
            return self.attrs.function
        return self.attrs.kind if isinstance(self.attrs, Over) else self.op

    @property
    def source(self) -> Source:
        """Which input this is."""
        assert isinstance(self.attrs, Source), self.op
        return self.attrs

    @property
    def index(self) -> int:
        """Which param this is."""
        assert isinstance(self.attrs, Param), self.op
        return self.attrs.number

    @property
    def number(self) -> float:
        """The number of a constant; of a condition 0 or 1."""
        return float(self.spelled == "True") if self.dtype == "b" else float(self.spelled)

    @property
    def spelled(self) -> str:
        """The number of a constant, as Python spells it."""
        assert isinstance(self.attrs, Number), self.op
        return self.attrs.text

    @property
    def reading(self) -> Reading:
        """How a view reads the value that it stands on."""
        assert isinstance(self.attrs, Strided), self.op
        return Reading(self.attrs.offset, self.shape, self.attrs.strides)

    @property
    def block(self) -> Block:
        """The part of the weight that a product reads."""
        assert isinstance(self.attrs, Block), self.op
        return self.attrs

    @property
    def axes(self) -> Shape:
        """What a reduction or a barrier goes over."""
        assert isinstance(self.attrs, Over), self.op
        return self.attrs.axes

    @property
    def parts(self) -> list[tuple[Reading, Value]]:
        """What an assembled value is made of, and where each part lies in it."""
        assert self.op == "assemble", self.op
        found: list[tuple[Reading, Value]] = []
        for where, part in zip(self.attrs, self.args, strict=True):
            assert isinstance(where, Strided), where
            found.append((Reading(where.offset, part.shape, where.strides), part))
        return found

    def __repr__(self) -> str:
        return f"%{self.name}"


def contiguous(shape: Shape) -> Shape:
    """The strides of a shape whose last dimension is dense."""
    strides: list[int] = []
    step = 1
    for n in reversed(shape):
        strides.insert(0, step)
        step *= n
    return tuple(strides)


@dataclass(frozen=True)
class Reading:
    """Where in a stored value the entries of a shape are: offset + sum of index * stride."""

    offset: int
    shape: Shape
    strides: Shape

    def covers(self, shape: Shape) -> bool:
        """Whether this reads a value of this shape as it is."""
        pairs = zip(self.shape, self.strides, contiguous(self.shape), strict=True)
        return (
            self.offset == 0
            and self.shape == shape
            and all(n == 1 or ours == dense for n, ours, dense in pairs)
        )

    def covers_run(self, shape: Shape) -> bool:
        """Whether this reads neighbours in order, wherever they begin."""
        return Reading(0, self.shape, self.strides).covers(shape)


class Graph:
    """Makes values, each distinct one once; the constructors keep the rules of the table above."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Value] = {}
        self._names: dict[str, int] = {}

    def make(
        self,
        op: str,
        args: Iterable[Value],
        attrs: Attrs,
        shape: Shape,
        dtype: str = "f",
        name: str = "",
    ) -> Value:
        """The value itself, new or the one that was made before."""
        args = tuple(args)
        key = (op, tuple(map(id, args)), attrs, shape, dtype)
        if key not in self._made:
            self._made[key] = Value(op, args, attrs, shape, dtype, self._name(name or op))
        return self._made[key]

    def _name(self, wanted: str) -> str:
        wanted = "".join(c if c.isalnum() else "_" for c in wanted)
        count = self._names.get(wanted, 0)
        self._names[wanted] = count + 1
        return f"{wanted}_{count}" if count or wanted[-1].isdigit() else wanted

    def const(self, number: float | bool) -> Value:
        dtype = "b" if isinstance(number, bool) else "f"
        # nan differs from itself, and -0.0 equals 0.0: the text tells them apart
        number = number if dtype == "b" else float(number)
        return self.make("const", (), Number(repr(number)), (), dtype, "const")

    def input(self, kind: str, index: int, shape: Shape, dtype: str = "f", name: str = "") -> Value:
        return self.make("input", (), Source(kind, index), shape, dtype, name or f"{kind}{index}")

    def param(self, index: int, shape: Shape, dtype: str, name: str) -> Value:
        return self.make("param", (), Param(index), shape, dtype, name)

    def pointwise(self, function: str, *args: Value, dtype: str = "f", name: str = "") -> Value:
        """A function of each entry; the shapes must be equal but for constants."""
        shapes = {a.shape for a in args if a.op != "const"}
        assert len(shapes) <= 1, (function, shapes)
        shape = shapes.pop() if shapes else ()
        return self.make("pointwise", args, Apply(function), shape, dtype, name or function)

    def product(
        self,
        a: Value,
        w: Value,
        n: int,
        *,
        transposed: bool = False,
        k_start: int = 0,
        n_start: int = 0,
    ) -> Value:
        """a [.., K] by K columns of w [N, K] from ``k_start`` and n rows from ``n_start``."""
        attrs = Block(transposed, k_start, n_start)
        return self.make("product", (a, w), attrs, (*a.shape[:-1], n), "f", f"{w.name}_product")

    def reduce(self, kind: str, a: Value, axes: tuple[int, ...]) -> Value:
        """Sum or amax over some axes, which are gone from the shape."""
        if not axes:
            return a
        shape = tuple(n for axis, n in enumerate(a.shape) if axis not in axes)
        return self.make("reduce", (a,), Over(kind, axes), shape, "f", kind)

    def barrier(
        self, kind: str, v: Value, *behind: Value, axes: Shape = (), name: str = ""
    ) -> Value:
        """A value that is stored, whose derivative, of a kind of its own, goes to what is behind.

        That is the first of them; the others are what the derivative needs.
        """
        return self.make("barrier", (v, *behind), Over(kind, axes), v.shape, v.dtype, name or kind)

    def assemble(self, parts: Iterable[tuple[Reading, Value]], shape: Shape, name: str) -> Value:
        """A stored value made of parts that stand apart in it."""
        kept = list(parts)
        if len(kept) == 1 and kept[0][0].covers(shape):
            return kept[0][1]
        attrs = tuple(Strided(reading.offset, reading.strides) for reading, _ in kept)
        dtype = "b" if all(v.dtype == "b" for _, v in kept) else "f"
        return self.make("assemble", (v for _, v in kept), attrs, shape, dtype, name)

    def read(self, stored: Value, reading: Reading) -> Value:
        """A stored value under another reading of its entries."""
        if reading.covers(stored.shape):
            return stored
        if stored.op == "assemble":
            for where, part in stored.parts:
                if reading == where:
                    return part
        attrs = Strided(reading.offset, reading.strides)
        return self.make("view", (stored,), attrs, reading.shape, stored.dtype, stored.name)

    def reshaped(self, v: Value, change: Callable[[Reading], Reading | None]) -> Value:
        """A value with a change of its reading, pushed through pointwise work to what is stored."""
        if v.op == "const":
            return v
        if v.op == "pointwise":
            if all(a.op == "const" for a in v.args):
                changed = change(Reading(0, v.shape, contiguous(v.shape)))
                shape = v.shape if changed is None else changed.shape
                return self.make(v.op, v.args, v.attrs, shape, v.dtype, v.name)
            args = [self.reshaped(a, change) for a in v.args]
            return self.pointwise(v.function, *args, dtype=v.dtype, name=v.name)
        stored, reading = self.stored_reading(v)
        changed = change(reading)
        if changed is None:
            stored = self.barrier("copy", v, v, name=v.name)
            changed = change(Reading(0, v.shape, contiguous(v.shape)))
            assert changed is not None
        return self.read(stored, changed)

    def stored_reading(self, v: Value) -> tuple[Value, Reading]:
        """The stored value behind a view or stored value, and how it is read."""
        if v.op == "view":
            return v.args[0], v.reading
        assert v.op in STORED, v.op
        return v, Reading(0, v.shape, contiguous(v.shape))


def topological(
    roots: Iterable[Value], stop: Callable[[Value], bool] = lambda _: False
) -> list[Value]:
    """All values that the roots need, each after its args; not looking behind ``stop``."""
    seen: set[int] = set()
    order: list[Value] = []
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        v, done = stack.pop()
        if done:
            order.append(v)
        elif id(v) not in seen:
            seen.add(id(v))
            stack.append((v, True))
            if not stop(v):
                stack.extend((a, False) for a in reversed(v.args))
    return order
