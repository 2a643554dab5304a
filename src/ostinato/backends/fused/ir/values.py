"""The small language that a step is turned into: values of one row, in a hash-consed graph.

A `Value` has the features of one row as its shape; no value has a batch dimension. ``()`` is a
row scalar and ``(1,)`` a vector of length 1: they broadcast differently and are never mixed up.

==========  ====================  =======================================================
op          attrs                 meaning
==========  ====================  =======================================================
input       (kind, index)         x, a state before the step, a gradient, a random draw
param       (index,)              depends on neither x nor state: computed outside, in torch
const       (number,)             a number; fits any shape
pointwise   (function,)           args have this shape, or are constants
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

Shape = tuple[int, ...]
STORED = ("input", "param", "product", "reduce", "assemble", "barrier")
"""What has a place in memory, so that a view may stand on it."""


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """One node of the graph. Equal nodes of a graph are the same object."""

    op: str
    args: tuple[Value, ...]
    attrs: tuple[object, ...]
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
        return str(self.attrs[0]) if self.op in ("pointwise", "reduce", "barrier") else self.op

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
        attrs: tuple[object, ...],
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
        return self.make("const", (), (repr(number),), (), dtype, "const")

    def input(self, kind: str, index: int, shape: Shape, dtype: str = "f", name: str = "") -> Value:
        return self.make("input", (), (kind, index), shape, dtype, name or f"{kind}{index}")

    def param(self, index: int, shape: Shape, dtype: str, name: str) -> Value:
        return self.make("param", (), (index,), shape, dtype, name)

    def pointwise(self, function: str, *args: Value, dtype: str = "f", name: str = "") -> Value:
        """A function of each entry; the shapes must be equal but for constants."""
        shapes = {a.shape for a in args if a.op != "const"}
        assert len(shapes) <= 1, (function, shapes)
        shape = shapes.pop() if shapes else ()
        return self.make("pointwise", args, (function,), shape, dtype, name or function)

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
        attrs = (transposed, k_start, n_start)
        return self.make("product", (a, w), attrs, (*a.shape[:-1], n), "f", f"{w.name}_product")

    def reduce(self, kind: str, a: Value, axes: tuple[int, ...]) -> Value:
        """Sum or amax over some axes, which are gone from the shape."""
        if not axes:
            return a
        shape = tuple(n for axis, n in enumerate(a.shape) if axis not in axes)
        return self.make("reduce", (a,), (kind, axes), shape, "f", kind)

    def assemble(self, parts: Iterable[tuple[Reading, Value]], shape: Shape, name: str) -> Value:
        """A stored value made of parts that stand apart in it."""
        kept = list(parts)
        if len(kept) == 1 and kept[0][0].covers(shape):
            return kept[0][1]
        attrs = tuple((reading.offset, reading.strides) for reading, _ in kept)
        dtype = "b" if all(v.dtype == "b" for _, v in kept) else "f"
        return self.make("assemble", (v for _, v in kept), attrs, shape, dtype, name)

    def read(self, stored: Value, reading: Reading) -> Value:
        """A stored value under another reading of its entries."""
        if reading.covers(stored.shape):
            return stored
        if stored.op == "assemble":
            for part, (offset, strides) in zip(stored.args, stored.attrs, strict=True):  # pyright: ignore
                if reading == Reading(offset, part.shape, strides):
                    return part
        attrs = (reading.offset, reading.strides)
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
            stored = self.make("barrier", (v, v), ("copy", ()), v.shape, v.dtype, v.name)
            changed = change(Reading(0, v.shape, contiguous(v.shape)))
            assert changed is not None
        return self.read(stored, changed)

    def stored_reading(self, v: Value) -> tuple[Value, Reading]:
        """The stored value behind a view or stored value, and how it is read."""
        if v.op == "view":
            offset, strides = v.attrs
            return v.args[0], Reading(offset, v.shape, strides)  # pyright: ignore
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
