"""The inner loop of a product: a tile of C in registers, as LLVM instructions.

Weights are packed into panels: 64 bytes of columns (16 float32, 8 float64), row after row of K,
one panel after the other. A panel's row is one LLVM vector, which is one register of AVX-512, two
of AVX, four of NEON: only the shapes of the tiles know the machine.
"""

# llvmlite's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from ostinato.backends.fused.native.source.abi import PANEL_BYTES, SIZES
from ostinato.backends.fused.native.source.int64 import INT64, Whole, choose, define
from ostinato.backends.fused.native.source.machine import panel_rows
from ostinato.backends.fused.native.source.scalars import FLOATS, spread

CONTRACT = ("contract",)
MAX_ROWS = 12
"""Rows of A in a tile at most, where there are few of them: then the panels are read from afar, and
once for each tile."""
USUAL_ROWS = 8
"""Rows of A in a tile at most, where there are many."""


def max_rows() -> int:
    """The most rows of a tile on this machine."""
    return min(MAX_ROWS, panel_rows())


def usual_rows() -> int:
    """The most rows of a tile among many."""
    return min(USUAL_ROWS, panel_rows())


def few_rows() -> int:
    """Up to so many rows, tiles are as tall as can be."""
    return 2 * max_rows()


def max_panels(rows: int) -> int:
    """The most panels of a tile of so many rows on this machine.

    Of one row, eight vectors hide the latency of a multiplication; of more, four are enough.
    """
    return max(1, min(8 if rows == 1 else 4, panel_rows() // rows))


def choose_panels(rows: Whole) -> Whole:
    """`max_panels` of a number of rows that is known when the code runs."""
    most = rows * 0 + max_panels(1)
    for r in range(2, max_rows() + 1):
        most = choose(rows.test("<", r), most, max_panels(r))
    return most


def width(kind: str) -> int:
    """Columns of a panel."""
    return PANEL_BYTES // SIZES[kind]


def vector(kind: str) -> ir.Type:
    """A row of a panel."""
    return ir.VectorType(FLOATS[kind], width(kind))


def load(kind: str, at: Whole) -> ir.Value:
    """A vector that lies anywhere."""
    return at.builder.load(at.pointer(vector(kind)), align=SIZES[kind])


def store(kind: str, value: ir.Value, at: Whole) -> None:
    """Write a vector anywhere."""
    at.builder.store(value, at.pointer(vector(kind)), align=SIZES[kind])


@dataclass(frozen=True)
class Operands:
    """What a tile reads and writes; strides and the depth count bytes here."""

    a: Whole
    a_row: Whole
    a_column: Whole
    packed: Whole
    panel: Whole
    step: Whole
    """Numbers from a row of a panel to the next."""
    c: Whole
    c_row: Whole
    start: Whole
    start_row: Whole
    depth: Whole
    accumulate: Whole


@dataclass(frozen=True)
class Tile:
    """Writes C[rows, panels] = (start +) A[rows, depth] packed[depth, panels]."""

    kind: str
    rows: int
    panels: int
    at: Operands
    builder: ir.IRBuilder

    def emit(self) -> None:
        """Begin with the start or zero, run over the depth, write C."""
        at = self.at
        starts = self.start(self.places(at.start, at.start_row))
        for result, place in zip(self.loop(starts), self.places(at.c, at.c_row), strict=True):
            store(self.kind, result, place)

    def places(self, corner: Whole, row: Whole) -> list[Whole]:
        """The vectors of the tile in a matrix."""
        return [
            corner + row * r + p * PANEL_BYTES for r in range(self.rows) for p in range(self.panels)
        ]

    def start(self, places: list[Whole]) -> list[ir.Value]:
        """What is added to, else zeros."""
        b = self.builder
        before, old = b.block, b.append_basic_block("old")
        ready = b.append_basic_block("ready")
        b.cbranch(self.at.accumulate.test("!=", 0), old, ready)
        b.position_at_end(old)
        loaded = [load(self.kind, place) for place in places]
        b.branch(ready)
        b.position_at_end(ready)
        starts = [b.phi(vector(self.kind)) for _ in places]
        for start, value in zip(starts, loaded, strict=True):
            start.add_incoming(ir.Constant(vector(self.kind), None), before)
            start.add_incoming(value, old)
        return starts

    def loop(self, starts: list[ir.Value]) -> list[ir.Value]:
        """The totals after the depth, which is at least 1."""
        b = self.builder
        number = FLOATS[self.kind]
        rows = [(self.at.a + self.at.a_row * r).pointer(number) for r in range(self.rows)]
        panels = [(self.at.packed + self.at.panel * p).pointer(number) for p in range(self.panels)]
        before, loop = b.block, b.append_basic_block("loop")
        b.branch(loop)
        b.position_at_end(loop)
        indices = [b.phi(INT64) for _ in range(3)]
        totals = [b.phi(vector(self.kind)) for _ in starts]
        results = self.step(
            totals,
            [b.gep(row, [indices[1]]) for row in rows],
            [b.gep(panel, [indices[2]]) for panel in panels],
        )
        steps = (INT64(1), self.at.a_column.value, self.at.step.value)
        after = [b.add(index, step) for index, step in zip(indices, steps, strict=True)]
        pairs = ((indices, [INT64(0)] * 3, after), (totals, starts, results))
        for now, first, following in pairs:
            for phi, start, value in zip(now, first, following, strict=True):
                phi.add_incoming(start, before)
                phi.add_incoming(value, loop)
        done = b.append_basic_block("done")
        b.cbranch(b.icmp_signed("<", after[0], self.at.depth.value), loop, done)
        b.position_at_end(done)
        return results

    def step(
        self, totals: list[ir.Value], column: list[ir.Value], panels: list[ir.Value]
    ) -> list[ir.Value]:
        """totals plus the products of one column of A and one row of the panels.

        Of factors and weights those stay in registers that are fewer.
        """
        b = self.builder
        results = list(totals)
        pointer = vector(self.kind).as_pointer()

        def factor(r: int) -> ir.Value:
            return spread(b, b.load(column[r]), width(self.kind))

        def weight(p: int) -> ir.Value:
            return b.load(b.bitcast(panels[p], pointer), align=SIZES[self.kind])

        def add(r: int, p: int, f: ir.Value, w: ir.Value) -> None:
            at = r * self.panels + p
            results[at] = b.fadd(totals[at], b.fmul(f, w, flags=CONTRACT), flags=CONTRACT)

        if self.rows <= self.panels:
            factors = [factor(r) for r in range(self.rows)]
            for p in range(self.panels):
                w = weight(p)
                for r, f in enumerate(factors):
                    add(r, p, f, w)
        else:
            weights = [weight(p) for p in range(self.panels)]
            for r in range(self.rows):
                f = factor(r)
                for p, w in enumerate(weights):
                    add(r, p, f, w)
        return results


def define_tiles(module: ir.Module, kind: str) -> ir.Function:
    """A function that jumps to the loop for so many rows and panels.

    tile(a, a_row, a_column, packed, panel, step, c, c_row, start, start_row, depth, accumulate,
    rows, panels): a_column and step count numbers, the other strides bytes.
    """
    function, builder, (*given, rows, panels) = define(module, f"tile_{kind}", 14)
    end = builder.append_basic_block("end")
    chosen = builder.switch((rows * 16 + panels).value, end)
    for r in range(1, max_rows() + 1):
        for p in range(1, max_panels(r) + 1):
            block = builder.append_basic_block(f"tile_{r}_{p}")
            chosen.add_case(INT64(r * 16 + p), block)
            builder.position_at_end(block)
            Tile(kind, r, p, Operands(*given), builder).emit()
            builder.branch(end)
    builder.position_at_end(end)
    builder.ret_void()
    return function
