"""One step as a list of instructions, and the functions they call, as LLVM code.

`listing` writes the list. Products read weights where they lie, [N, K] or [K, N], so that nothing
is packed and a weight that somebody changes is seen at once. For one row that costs nothing: what
bounds it is reading them.
"""

# llvmlite's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llvmlite import ir

from ostinato.backends.fused.native.source.abi import SIZES, STEP
from ostinato.backends.fused.native.source.int64 import Whole, call_at, count, define, entry, read
from ostinato.backends.fused.native.source.scalars import (
    FLOATS,
    Scalar,
    Variable,
    constant,
    full_lanes,
    in_fewer_lanes,
    in_lanes,
)

HEIGHT = 4
"""Rows of W at a time: what is read of A serves all of them."""


def define_step(module: ir.Module) -> None:
    """All instructions: kernels on the table of addresses, and functions on places in it.

    A function is given four places, (slot, bytes, row) each, and sizes.
    """
    _, b, (data,) = define(module, "run_step", 1)
    length, code, cur, rows = read(data, 4)
    with count(0, length) as i:
        address, is_function, *words = read(code + i * (8 * STEP), STEP)
        with b.if_else(is_function.test("==", 0)) as (kernel, function):
            with kernel:
                call_at(address, cur, rows)
            with function:
                given: list[Whole] = []
                for slot, start, row in (words[j : j + 3] for j in range(0, 12, 3)):
                    given += [entry(cur, slot) + start, row]
                call_at(address, *given, *words[12:])
    b.ret_void()


@dataclass(frozen=True)
class Rows:
    """Rows of numbers: an address, and bytes from one row to the next."""

    kind: str
    at: Whole
    step: Whole

    def __getitem__(self, row: Whole | int) -> Rows:
        """From a row on."""
        return Rows(self.kind, self.at + self.step * row, self.step)

    def place(self, column: Whole | int, lanes: int) -> ir.Value:
        number = self.at + (column * SIZES[self.kind])
        return number.pointer(in_lanes(FLOATS[self.kind], lanes))

    def load(self, column: Whole | int, lanes: int = 1) -> Scalar:
        """Neighbouring numbers of the first row."""
        b = self.at.builder
        loaded = b.load(self.place(column, lanes), align=SIZES[self.kind])
        return Scalar(b, loaded, self.kind)

    def store(self, column: Whole | int, value: Scalar) -> None:
        """Write neighbouring numbers of the first row."""
        self.at.builder.store(value.value, self.place(column, value.lanes), align=SIZES[self.kind])


@dataclass(frozen=True)
class Given:
    """What the functions are given: C [rows, columns] = A [rows, depth] times W, + D.

    D may be C itself, its row 0 bytes long, which is one vector for all, and its address 0, which
    is none.
    """

    a: Rows
    w: Rows
    c: Rows
    d: Rows
    rows: Whole
    columns: Whole
    depth: Whole


def define_function(
    module: ir.Module, name: str, kind: str, write: Callable[[ir.IRBuilder, Given], None]
) -> None:
    """A function of four places and three sizes."""
    _, b, words = define(module, f"{name}_{kind}", 11)
    places = [Rows(kind, words[i], words[i + 1] * SIZES[kind]) for i in range(0, 8, 2)]
    write(b, Given(*places, *words[8:]))
    b.ret_void()


def parts(kind: str, extent: Whole) -> list[tuple[int, Whole, Whole]]:
    """An extent as (lanes at a time, from, to): twice a vector, then fewer, then one by one."""
    found: list[tuple[int, Whole, Whole]] = []
    start = extent * 0
    for lanes in (2 * full_lanes(kind), 4, 1):
        end = extent // lanes * lanes
        found.append((lanes, start, end))
        start = end
    return found


def dots(g: Given, n: Whole, r: Whole, height: int) -> list[Variable]:
    """A row of A times some rows of W: partial sums in lanes, which become fewer."""
    kind, b = g.a.kind, n.builder
    totals: list[Scalar] = []
    for lanes, first, last in parts(kind, g.depth):
        starts = [in_fewer_lanes(total, lanes) for total in totals]
        zero = Scalar(b, constant(FLOATS[kind], lanes, 0.0), kind)
        partial = [Variable(start) for start in starts or [zero] * height]
        with count(first, last, lanes) as k:
            x = g.a[r].load(k, lanes)
            for i, total in enumerate(partial):
                total.set(total.get() + x * g.w[n + i].load(k, lanes))
        totals = [total.get() for total in partial]
    return [Variable(total) for total in totals]


def write_dots(b: ir.IRBuilder, g: Given) -> None:
    """For W [columns, depth]: some rows of W at a time, each times a row of A."""
    high = g.columns // HEIGHT * HEIGHT
    for height, first, last in ((HEIGHT, high * 0, high), (1, high, g.columns)):
        with count(first, last, height) as n, count(0, g.rows) as r:
            totals = dots(g, n, r, height)
            with b.if_then(g.d.at.test("!=", 0)):
                for i, total in enumerate(totals):
                    total.set(total.get() + g.d[r].load(n + i))
            for i, total in enumerate(totals):
                g.c[r].store(n + i, total.get())


def write_sums(b: ir.IRBuilder, g: Given) -> None:
    """For W [depth, columns]: some rows of W at a time, each times a number, added up in C."""
    high = g.depth // HEIGHT * HEIGHT
    columns = parts(g.a.kind, g.columns)
    with count(0, g.rows) as r:
        write_start(b, g, r)
        for height, first, last in ((HEIGHT, high * 0, high), (1, high, g.depth)):
            with count(first, last, height) as k:
                factors = [g.a[r].load(k + i) for i in range(height)]
                for lanes, start, end in columns:
                    with count(start, end, lanes) as n:
                        total = g.c[r].load(n, lanes)
                        for i, factor in enumerate(factors):
                            total = total + factor * g.w[k + i].load(n, lanes)
                        g.c[r].store(n, total)


def write_start(b: ir.IRBuilder, g: Given, r: Whole) -> None:
    """Put D, or zeros, into a row of C."""
    for lanes, first, last in parts(g.a.kind, g.columns):
        with count(first, last, lanes) as n:
            zero = Scalar(b, constant(FLOATS[g.a.kind], lanes, 0.0), g.a.kind)
            start = Variable(zero)
            with b.if_then(g.d.at.test("!=", 0)):
                start.set(g.d[r].load(n, lanes))
            g.c[r].store(n, start.get())


def write_copy(b: ir.IRBuilder, g: Given) -> None:
    """C = A, by rows."""
    with count(0, g.rows) as r:
        for lanes, first, last in parts(g.a.kind, g.columns):
            with count(first, last, lanes) as n:
                g.c[r].store(n, g.a[r].load(n, lanes))


def write_llvm() -> str:
    """The text of all functions, for `build`."""
    module = ir.Module()
    define_step(module)
    for kind in SIZES:
        define_function(module, "dots", kind, write_dots)
        define_function(module, "sums", kind, write_sums)
        define_function(module, "copy", kind, write_copy)
    return str(module)
