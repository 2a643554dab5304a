"""A plan over the rows of a call: all its work as one script, all its memory as a few blocks.

Blocks of a script are named by what they hold: ``("x", 0)``, ``("param", 2)`` and the other roles
of buffers for tensors that come with a call, ``("start", i)`` and ``("final", i)`` for states,
``("grad", i)`` for the gradients of params. Whatever else a run needs lies in two blocks:
"lasting" is kept for the backward, "arena" is free again when the run is over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ostinato.backends.fused.ir.program import Gram
from ostinato.backends.fused.native import dense, product
from ostinato.backends.fused.native.dense import Matrix
from ostinato.backends.fused.native.loop import loop_address
from ostinato.backends.fused.native.script import Amount, Ready, Ref, Script
from ostinato.backends.fused.native.source.abi import (
    AFTER,
    BEFORE,
    CARRY,
    CARRY_AFTER,
    CODE,
    RECORD,
    ROW,
    SHARD,
    SIZES,
    SPARE,
)
from ostinato.backends.fused.passes.plan import Buffer, Kernel, Multiply, Place, Plan, Stage
from ostinato.backends.fused.run.rows import Layout

ROW_COUNTERS = {
    "record": RECORD, "before": BEFORE, "after": AFTER, "row": ROW, "carry": CARRY,
    "carry_after": CARRY_AFTER, "shard": SHARD, "fixed": RECORD,
}  # fmt: skip
"""Which number of a clock counts the rows of a buffer."""
LINE = 64
"""Bytes that memory is moved by: blocks begin at such places."""
SPLIT = 1 << 18
"""Bytes from which several threads copy."""
Role = tuple[str, int]
OWN_BLOCKS = ("lasting", "arena", "tables", "records", "steps")
"""Memory of a run, the tables of its rows, and how many records and steps they have."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A plan that is ready to run over some rows."""

    script: Ready
    given: tuple[Role, ...]
    """The blocks that a call brings, after those that every run has (`OWN_BLOCKS`)."""
    arena: int
    """Bytes that it needs while it runs."""
    lasting: int
    """Bytes that it leaves for the backward."""
    homes: dict[Role, Ref]
    """Where each role of the plan lies."""
    backward: dict[Any, Frame] = field(default_factory=dict[Any, Any])
    """Of a forward frame: those of its way back, by what is wanted of it."""


@dataclass
class Framing:
    """A frame in the making."""

    plan: Plan
    kind: str
    kernels: dict[str, int]
    shapes: list[tuple[int, ...]]
    """Of the params."""
    rows: Layout
    threads: int
    homes: dict[Role, Ref] = field(default_factory=dict[Role, Ref])
    script: Script = field(default_factory=Script)
    sizes: dict[str, int] = field(default_factory=lambda: {"arena": 0, "lasting": 0})
    spread: dict[Role, Ref] = field(default_factory=dict[Role, Ref])

    @property
    def size(self) -> int:
        """Bytes of a number."""
        return SIZES[self.kind]

    def finish(self) -> Frame:
        script = self.script.finish(OWN_BLOCKS)
        given = script.blocks[len(OWN_BLOCKS) :]
        sizes = self.sizes["arena"], self.sizes["lasting"]
        return Frame(script, given, *sizes, dict(self.homes))  # pyright: ignore[reportArgumentType]

    def room(self, numbers: int, block: str = "arena") -> Ref:
        """Memory for so many numbers."""
        at = self.sizes[block]
        self.sizes[block] += -(-numbers * self.size // LINE) * LINE
        return Ref(block, at)

    def home(self, buffer: Buffer) -> Ref:
        """Where a buffer lies; in the arena where nothing else was said."""
        if buffer.role not in self.homes:
            self.homes[buffer.role] = self.room(self.length(buffer) * buffer.width)
        return self.homes[buffer.role]

    def length(self, buffer: Buffer) -> int:
        """The rows of a buffer."""
        return self.lengths[buffer.clock]

    @cached_property
    def lengths(self) -> dict[str, int]:
        """The rows of buffers by what places them, at most."""
        rows = self.rows
        states = rows.num_rows + int(self.num_records)
        return {
            "record": int(self.num_records), "row": rows.num_rows, "shard": rows.shards, "fixed": 1,
            "carry": 2 * rows.num_rows, "carry_after": 2 * rows.num_rows,
            "before": states, "after": states,
        }  # fmt: skip

    @cached_property
    def num_records(self) -> int:
        """Steps of all rows."""
        rows = self.rows
        if rows.empty:
            return 0
        most = rows.steps * rows.batch
        return most if rows.dense else Amount(most, "records")

    @cached_property
    def num_steps(self) -> int:
        """Steps of the longest row."""
        rows = self.rows
        if rows.empty:
            return 0
        return rows.steps if rows.dense else Amount(rows.steps, "steps")

    def table(self, name: str) -> Ref:
        """One of the tables of the rows."""
        return Ref("tables", 8 * self.rows.places[name][0])

    @property
    def first(self) -> int:
        """Where in the states [num_rows + num_records] the starts lie."""
        return int(self.num_records) if self.rows.dense and self.rows.reverse else 0

    @property
    def after(self) -> int:
        """Where in the states the states after the records lie."""
        return 0 if self.rows.dense and self.rows.reverse else self.rows.num_rows

    def work(self) -> None:
        """All stages in order."""
        for stage in self.plan.stages:
            if stage.loop:
                self.loop(stage)
            else:
                self.flat(stage)

    def loop(self, stage: Stage) -> None:
        """The kernels and products of a stage, step by step."""
        if not stage.work or not self.num_steps:
            return
        buffers: list[int | Ref] = []
        for b in self.plan.buffers:
            length = 0 if b.clock == "fixed" else b.width * self.size
            buffers += [self.home(b), length, ROW_COUNTERS[b.clock]]
        code: list[int | Ref] = []
        for work in stage.work:
            one = [0, self.kernels[work.name]] if isinstance(work, Kernel) else self.product(work)
            code += [*one, *[0] * (CODE - len(one))]
        clocks = self.table("clocks_back" if self.plan.program.backward else "clocks")
        self.run_loop(buffers, code, clocks, self.num_steps)

    def run_loop(
        self, buffers: list[int | Ref], code: list[int | Ref], clocks: Ref, steps: int
    ) -> None:
        """A call of the time loop, for all shards of a clock table."""
        shards, number = self.rows.shards, len(self.plan.buffers)
        script = self.script
        current = script.space((number + SPARE) * shards)
        table = script.table(
            steps, number, script.table(*buffers), clocks, script.table(*code),
            len(code) // CODE, current, shards, 0,
        )  # fmt: skip
        script.call(loop_address(), table, shards)

    def product(self, work: Multiply) -> list[int | Ref]:
        """A product as an instruction of the loop."""
        a, c = work.a, work.c
        many = work.repeat > 1
        a_row, c_row = (work.k, work.n) if many else (a.buffer.width, c.buffer.width)
        return [
            1, product.address("product", self.kind), a.buffer.number, a.offset * self.size, a_row,
            self.packed(work), c.buffer.number, c.offset * self.size, c_row, work.n, work.k,
            int(work.accumulate), work.repeat,
        ]  # fmt: skip

    def packed(self, work: Multiply) -> Ref:
        """A product's weight, packed."""
        stride = self.shapes[work.weight][1]
        rows, columns = (1, stride) if work.transposed else (stride, 1)
        at = (
            Ref(("param", work.weight)) + (work.n_start * rows + work.k_start * columns) * self.size
        )
        packed = self.room(product.packed_size(work.n, work.k, self.kind))
        weight = Matrix(at, rows, columns)
        dense.pack(self.script, weight, packed, work.n, work.k, self.kind, self.threads)
        return packed

    def flat(self, stage: Stage) -> None:
        """Kernels and products over all records at once."""
        for work in stage.work if self.num_records else ():
            if isinstance(work, Multiply):
                self.multiply(work)
            else:
                self.run_kernel(work)

    def run_kernel(self, kernel: Kernel) -> None:
        """A kernel over all records."""
        buffers: list[int | Ref] = []
        body = kernel.body
        assert body is not None
        for b in self.plan.buffers:
            if b not in body.buffers:
                buffers += [0, 0, 0]
            elif b.clock in ("shard", "fixed"):
                length = 0 if b.clock == "fixed" else b.width * self.size
                buffers += [self.home(b), length, ROW_COUNTERS[b.clock]]
            else:
                buffers += [self.records(b), b.width * self.size, 0]
        code = [0, self.kernels[kernel.name], *[0] * (CODE - 2)]
        self.run_loop(buffers, list(code), self.table("flat"), 1)

    def multiply(self, work: Multiply) -> None:
        """A product over all records."""
        records = self.num_records * work.repeat
        a, c = self.matrix(work.a, work.k, work.repeat), self.matrix(work.c, work.n, work.repeat)
        packed = self.packed(work)
        start = c if work.accumulate else None
        if work.start is not None:
            start = Matrix(Ref(("param", work.start)), 0)
        size = (records, work.n, work.k)
        dense.multiply(self.script, a, packed, c, size, self.kind, self.threads, start)

    def matrix(self, place: Place, width: int, repeat: int) -> Matrix:
        """A place for all records; vectors of a row stand one below another."""
        row = place.buffer.width
        at = self.records(place.buffer) + place.offset * self.size
        if repeat == 1 or row == width * repeat:
            return Matrix(at, row if repeat == 1 else width)
        whole = self.room(int(self.num_records) * width * repeat)
        self.copy(whole, width * repeat, at, row, self.num_records, width * repeat)
        return Matrix(whole, width)

    def records(self, buffer: Buffer) -> Ref:
        """A buffer with one row for each record, in their order."""
        rows, home = self.rows, self.home(buffer)
        row = buffer.width * self.size
        if buffer.clock == "record":
            return home
        if buffer.clock == "after":
            return home + self.after * row
        if buffer.clock == "before" and rows.dense:
            return home + (rows.num_rows - self.after) * row
        if buffer.role not in self.spread:
            index = self.table("before") if buffer.clock == "before" else self.row_of()
            made = self.room(int(self.num_records) * buffer.width)
            width = buffer.width
            self.copy(made, width, home, width, self.num_records, width, index)
            self.spread[buffer.role] = made
        return self.spread[buffer.role]

    def row_of(self) -> Ref | int:
        """The row of each record."""
        rows = self.rows
        if not rows.dense:
            return self.table("row_of")
        return self.script.array(np.tile(np.arange(rows.num_rows), rows.steps))

    def copy(
        self, to: Ref, to_row: int, at: Ref, at_row: int, rows: int, width: int,
        index: Ref | int = 0,
    ) -> None:  # fmt: skip
        """Copy rows of numbers, on all threads where they are many."""
        if rows == 0 or width == 0:
            return
        size = self.size
        shares = self.threads if rows * width * size > SPLIT else 1
        shares = min(shares, int(rows))
        self.script.copy(to, to_row * size, at, at_row * size, rows, width * size, index, shares)

    def gradients(self, wanted: frozenset[int]) -> None:
        """The gradients of params from all rows, each into a tensor of its own."""
        begun: set[int] = set()
        needed = wanted | {first for first, twin in self.plan.program.alike if twin in wanted}
        for gram, d, a in self.plan.grams:
            if gram.param in needed:
                self.gram(gram, d, a, begun)
        for buffer in self.plan.buffers:
            kind, index = buffer.role
            if kind == "sum" and index in needed:
                home, row = self.home(buffer), buffer.width * self.size
                grad, added = Ref(("grad", index)), index in begun
                self.script.sum(self.kind, grad, home, row, self.rows.shards, buffer.width, added)
                begun.add(index)
        for first, twin in self.plan.program.alike:
            if twin in wanted:
                number = int(np.prod(self.shapes[twin]))
                source = Ref(("grad", first))
                if first not in begun:
                    continue
                self.copy(Ref(("grad", twin)), number, source, number, 1, number)
                begun.add(twin)
        for index in sorted(needed - begun):
            self.clear_grad(index)

    @cached_property
    def gather_room(self) -> Ref:
        """Room to gather rows in, for one product at a time."""
        return self.room(dense.gather_size(self.threads))

    def clear_grad(self, index: int) -> None:
        self.script.clear(Ref(("grad", index)), int(np.prod(self.shapes[index])) * self.size)

    def gram(self, gram: Gram, d: Place, a: Place, begun: set[int]) -> None:
        """The sum over records of d outer a, at its place in the gradient of a weight."""
        n, k = gram.d.shape[-1], gram.a.shape[-1]
        shape = self.shapes[gram.param]
        whole = int(np.prod(shape)) == n * k
        if gram.param not in begun and not (whole and self.num_records):
            self.clear_grad(gram.param)
            begun.add(gram.param)
        if not self.num_records:
            return
        repeat = gram.d.size // n
        records = self.num_records * repeat
        left, right = self.matrix(d, n, repeat), self.matrix(a, k, repeat)
        first, second = (gram.n_start, n), (gram.k_start, k)
        if gram.transposed:
            # the gradient is that of w.T: the other product, so that rows of the result are dense
            left, right, first, second = right, left, second, first
        out = Ref(("grad", gram.param)) + (first[0] * shape[-1] + second[0]) * self.size
        to, size = Matrix(out, shape[-1]), (first[1], second[1], records)
        a_side, w_side = left.transposed, right.transposed
        packed: Ref | Matrix
        if shape[-1] == 1 and left.column == 1 and first[1] % product.PANEL[self.kind] == 0:
            # of one column, as in a series, the gradient is a row, x^T d with d read as it lies
            a_side, packed, to, size = w_side, left, Matrix(out, first[1]), (1, first[1], records)
        else:
            packed = self.room(product.packed_size(second[1], records, self.kind))
            dense.pack(self.script, w_side, packed, second[1], records, self.kind, self.threads)
        start = to if gram.param in begun else None
        dense.multiply(
            self.script, a_side, packed, to, size, self.kind, self.threads, start, self.gather_room
        )
        begun.add(gram.param)
