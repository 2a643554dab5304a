"""The backward step of a step: reverse mode on the values, by one-line rules.

The result is a `Program` over the same graph. Its inputs are those of the step, its values (which
are later saved or worked out again), the gradients ``dy`` of the outputs, and the carried
gradients ``dstate`` of the state after the step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np

from ostinato.backends.fused.ir import views
from ostinato.backends.fused.ir.functions import FUNCTIONS, Writer
from ostinato.backends.fused.ir.program import Carry, Gram, Output, Program, Sum
from ostinato.backends.fused.ir.values import (
    Apply,
    Graph,
    Reading,
    Shape,
    Value,
    contiguous,
    topological,
)
from ostinato.backends.fused.lower.step import Step


@dataclass(frozen=True)
class Wanted:
    """Whose gradients are wanted: leaves of x and params by index; and whether the state's are."""

    xs: frozenset[int]
    params: frozenset[int]


@dataclass
class Tape:
    """The gradients found so far, by value."""

    graph: Graph
    needed: set[int]
    given: dict[int, list[tuple[Reading | None, Value]]] = field(default_factory=dict)
    sums: list[Sum] = field(default_factory=list[Sum])
    grams: list[Gram] = field(default_factory=list[Gram])

    def add(self, v: Value, g: Value | None, reading: Reading | None = None) -> None:
        """Note a share of the gradient of v; with a reading, of those entries of it."""
        if g is not None and id(v) in self.needed:
            self.given.setdefault(id(v), []).append((reading, g))

    def total(self, v: Value) -> Value | None:
        """The whole gradient of v, None where nothing came."""
        shares = self.given.get(id(v), [])
        terms = [g for reading, g in shares if reading is None]
        spread = [(reading, g) for reading, g in shares if reading is not None]
        terms += gathered(self.graph, v.shape, spread)
        total = None
        for term in terms:
            term = filled(self.graph, term, v.shape)
            total = term if total is None else self.graph.pointwise("add", total, term)
        return total


def filled(graph: Graph, v: Value, shape: Shape) -> Value:
    """A constant spread to a shape; any other value as it is."""
    if v.op == "const" and shape != ():
        return graph.make("pointwise", (v,), Apply("copy"), shape, v.dtype, "filled")
    return v


def reverse(step: Step, wanted: Wanted) -> Program:
    """The program of the backward step."""
    graph = step.graph
    roots = [*step.after, *step.ys]
    order = topological(roots)
    tape = Tape(graph, needed_values(step, order, wanted))
    for i, y in enumerate(step.ys):
        tape.add(y, graph.input("dy", i, y.shape, name=f"dy{i}"))
    carried: list[tuple[int, Value, Value]] = []
    for i, (before, after) in enumerate(zip(step.states, step.after, strict=True)):
        if before.op == "input":
            d = graph.input("dstate", i, after.shape, name=f"d_{before.name}")
            carried.append((i, before, d))
            # the copy can be stored, where a later stage reads what the step carries
            tape.add(after, graph.pointwise("copy", d, name=d.name))
    for v in reversed(order):
        pull(tape, v)
    return finish(step, tape, carried, wanted)


def finish(
    step: Step, tape: Tape, carried: list[tuple[int, Value, Value]], wanted: Wanted
) -> Program:
    """The program from a tape that has gone through all values."""
    zero = tape.graph.const(0.0)

    def grad(v: Value) -> Value:
        total = tape.total(v)
        return filled(tape.graph, zero if total is None else total, v.shape)

    carries = tuple(Carry(i, d, grad(before)) for i, before, d in carried)
    dxs = tuple(Output("dx", i, grad(step.xs[i])) for i in sorted(wanted.xs))
    sums, alike = without_twins(tape)
    return Program(tape.graph, carries, dxs, sums, tuple(tape.grams), True, alike)


def without_twins(tape: Tape) -> tuple[tuple[Sum, ...], tuple[tuple[int, int], ...]]:
    """Params with the same sums, as two biases that are added to each other, share them."""
    by_param: dict[int, list[Sum]] = {}
    for s in tape.sums:
        by_param.setdefault(s.param, []).append(s)
    products = {gram.param for gram in tape.grams}
    first: dict[frozenset[object], int] = {}
    alike: list[tuple[int, int]] = []
    for param, sums in by_param.items():
        key = frozenset((s.reading, s.value) for s in sums)
        if param not in products and key in first:
            alike.append((first[key], param))
        elif param not in products:
            first[key] = param
    twins = {twin for _, twin in alike}
    return tuple(s for s in tape.sums if s.param not in twins), tuple(alike)


def needed_values(step: Step, order: list[Value], wanted: Wanted) -> set[int]:
    """The values through which a gradient passes to a state, a wanted x or a wanted param."""
    needed = {id(s) for s in step.states if s.op == "input"}
    needed |= {id(step.xs[i]) for i in wanted.xs}
    for v in order:
        if v.op == "param" and v.index in wanted.params:
            needed.add(id(v))
        passes = v.dtype == "f" and not (v.op == "pointwise" and v.function == "stop")
        if passes and any(id(a) in needed for a in v.args):
            needed.add(id(v))
    return needed


def pull(tape: Tape, v: Value) -> None:
    """Pass the gradient of a value on to its args."""
    if id(v) not in tape.needed or v.op == "input" or id(v) not in tape.given:
        return
    if v.op == "param":
        merge_sums(tape, v)
        return
    g = tape.total(v)
    assert g is not None
    rule = {
        "pointwise": pull_pointwise, "view": pull_view, "product": pull_product,
        "reduce": pull_reduce, "assemble": pull_assemble, "barrier": pull_barrier,
    }[v.op]  # fmt: skip
    rule(tape, v, g)


def merge_sums(tape: Tape, v: Value) -> None:
    """One sum for each reading of a param."""
    dense = Reading(0, v.shape, contiguous(v.shape))
    by_reading: dict[Reading, Value] = {}
    for reading, g in tape.given[id(v)]:
        reading = reading or dense
        for part, value in parts_of(reading, g):
            known = by_reading.get(part)
            by_reading[part] = value if known is None else tape.graph.pointwise("add", known, value)
    index = v.index
    for reading, g in by_reading.items():
        # a param that broadcasts takes the sum over the features it is spread to
        axes = tuple(
            i
            for i, (n, s) in enumerate(zip(reading.shape, reading.strides, strict=True))
            if s == 0 and n > 1
        )
        kept = [i for i in range(len(reading.shape)) if i not in axes]
        shape, strides = (tuple(t[i] for i in kept) for t in (reading.shape, reading.strides))
        summed = tape.graph.reduce("sum", filled(tape.graph, g, reading.shape), axes)
        tape.sums.append(Sum(index, Reading(reading.offset, shape, strides), summed))


def parts_of(reading: Reading, g: Value) -> list[tuple[Reading, Value]]:
    """A gradient that is put together from parts, part by part, where it is read as it is."""
    if g.op != "assemble" or not reading.covers(g.shape):
        return [(reading, g)]
    return g.parts


def pull_pointwise(tape: Tape, v: Value, g: Value) -> None:
    """Each function knows its own vector-Jacobian product."""
    vjp = FUNCTIONS[v.function].vjp
    assert vjp is not None, v.function
    for a, d in zip(v.args, vjp(Writer(tape.graph), g, v, *v.args), strict=False):
        if d is not None and a.op != "const":
            tape.add(a, filled(tape.graph, d, a.shape))


def pull_view(tape: Tape, v: Value, g: Value) -> None:
    """To the place that the view reads."""
    stored, reading = tape.graph.stored_reading(v)
    tape.add(stored, g, reading)


def pull_product(tape: Tape, v: Value, g: Value) -> None:
    """g times the other side of the weights; the weights' own gradient is summed over all rows."""
    a, w, *start = v.args
    for c in start:
        tape.add(c, g)
    transposed, k_start, n_start = v.block
    d = tape.graph.product(
        g,
        w,
        a.shape[-1],
        transposed=not transposed,
        k_start=cast("int", n_start),
        n_start=cast("int", k_start),
    )
    tape.add(a, d)
    if id(w) in tape.needed:
        tape.grams.append(Gram(w.index, transposed, k_start, n_start, g, a))


def spread(graph: Graph, v: Value, shape: Shape, axes: tuple[int, ...]) -> Value:
    """A value without some axes, broadcast along them."""
    wide = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return graph.reshaped(graph.reshaped(v, views.reshape(wide)), views.expand(shape))


def pull_reduce(tape: Tape, v: Value, g: Value) -> None:
    """Spread over what was reduced."""
    kind, axes = v.function, v.axes
    (a,) = v.args
    w = Writer(tape.graph)
    wide = spread(tape.graph, g, a.shape, axes)
    if kind == "amax":
        top = w("eq", a, spread(tape.graph, v, a.shape, axes), dtype="b")
        share = w("float", top)
        ties = spread(tape.graph, tape.graph.reduce("sum", share, axes), a.shape, axes)
        # of NaN there is no top: 0 / 0, as torch has it
        wide = w("div", w("mul", wide, share), ties)
    tape.add(a, wide)


def pull_assemble(tape: Tape, v: Value, g: Value) -> None:
    """Each part its own piece."""
    for there, part in v.parts:
        # strides of a part are those of the whole, so that g is read like v
        tape.add(part, read_like(tape.graph, g, there, v.shape))


def read_like(graph: Graph, g: Value, there: Reading, shape: Shape) -> Value:
    """The entries of a gradient of this shape where a part of its value stands."""

    def change(r: Reading) -> Reading:
        start, offset = [], there.offset
        for stride in contiguous(shape):
            start.append(offset // stride if stride else 0)
            offset -= start[-1] * stride
        moved = r.offset + sum(i * s for i, s in zip(start, r.strides, strict=True))
        return Reading(moved, there.shape, r.strides)

    return graph.reshaped(g, change)


def pull_barrier(tape: Tape, v: Value, g: Value) -> None:
    """The closed derivatives of normalisation and softmax."""
    kind, axes = v.function, v.axes
    source = v.args[1]
    graph, w = tape.graph, Writer(tape.graph)

    def total(x: Value) -> Value:
        return spread(graph, graph.reduce("sum", x, axes), v.shape, axes)

    if kind == "copy":
        tape.add(source, g)
    elif kind == "first":
        tape.add(source, w.keep(is_first(tape, v, axes), spread(graph, g, source.shape, axes)))
    elif kind == "softmax":
        tape.add(source, w("mul", v, w("sub", g, total(w("mul", g, v)))))
    elif kind == "log_softmax":
        tape.add(source, w("sub", g, w("mul", w("exp", v), total(g))))
    else:
        n = float(np.prod([v.shape[i] for i in axes]))
        mean, share = w("div", total(g), n), w("div", total(w("mul", g, v)), n)
        centred = w("sub", w("sub", g, mean), w("mul", v, share))
        tape.add(source, w("mul", v.args[2], centred))


def is_first(tape: Tape, v: Value, axes: tuple[int, ...]) -> Value:
    """Whether an entry is the first of the largest ones along an axis, or the first NaN."""
    _, source, order = v.args
    (axis,) = axes
    graph, w = tape.graph, Writer(tape.graph)
    n = source.shape[axis]
    wide = tuple(n if i == axis else 1 for i in range(len(source.shape)))
    number = graph.reshaped(graph.reshaped(order, views.reshape(wide)), views.expand(source.shape))
    top = w("eq", source, spread(graph, v, source.shape, axes), dtype="b")
    unknown = w("ne", source, source, dtype="b")
    # the smallest number of a top, as the largest of negative ones
    negative = w("where", w("or", top, unknown, dtype="b"), w("neg", number), float(-n))
    first = spread(graph, graph.reduce("amax", negative, axes), source.shape, axes)
    return w("eq", negative, first, dtype="b")


def gathered(graph: Graph, shape: Shape, shares: list[tuple[Reading, Value]]) -> list[Value]:
    """Gradients of readings of a value, as few values of its whole shape."""
    groups: list[tuple[np.ndarray, list[tuple[Reading, Value]]]] = []
    for reading, g in shares:
        reading, g = summed(graph, reading, g)
        places = entries(reading)
        taken = np.zeros(int(np.prod(shape)), bool)
        taken[places] = True
        for used, parts in groups:
            if not (used & taken).any():
                used |= taken
                parts.append((reading, g))
                break
        else:
            groups.append((taken, [(reading, g)]))
    return [graph.assemble(parts, shape, "gathered") for _, parts in groups]


def summed(graph: Graph, reading: Reading, g: Value) -> tuple[Reading, Value]:
    """A gradient summed over the axes along which its reading broadcasts."""
    pairs = list(zip(reading.shape, reading.strides, strict=True))
    axes = tuple(i for i, (n, s) in enumerate(pairs) if s == 0 and n > 1)
    kept = [pair for i, pair in enumerate(pairs) if i not in axes]
    g = graph.reduce("sum", filled(graph, g, reading.shape), axes)
    return Reading(reading.offset, tuple(n for n, _ in kept), tuple(s for _, s in kept)), g


def entries(reading: Reading) -> np.ndarray:
    """The places that a reading reads, one for each index."""
    places = np.array(reading.offset)
    for n, stride in zip(reading.shape, reading.strides, strict=True):
        places = places[..., None] + np.arange(n) * stride
    return places.reshape(-1)
