"""The tables of rows of different lengths, as LLVM code; `rows` says what is in them.

Imported only to build. Everything is an int64 in memory, and every pass goes once over the rows or
over the steps of all rows.
"""

# llvmlite's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

from dataclasses import dataclass, fields

from llvmlite import ir

from ostinato.backends.fused.native.source.abi import (
    AFTER,
    BEFORE,
    CARRY,
    CARRY_AFTER,
    CLOCK,
    COUNT,
    RECORD,
    ROW,
    SHARD,
)  # fmt: skip
from ostinato.backends.fused.native.source.int64 import INT64, Whole, choose, count, define

BYTE = ir.IntType(8)


@dataclass(frozen=True)
class Array:
    """Numbers at an address."""

    at: Whole

    def __getitem__(self, i: Whole | int) -> Whole:
        b = self.at.builder
        return Whole(b, b.load((self.at + self.place(i)).pointer(INT64)))

    def __setitem__(self, i: Whole | int, value: Whole | int) -> None:
        self.at.builder.store(self.at.lift(value), (self.at + self.place(i)).pointer(INT64))

    def place(self, i: Whole | int) -> Whole | int:
        return i * 8

    def add(self, i: Whole | int, value: Whole | int) -> Whole:
        """Add to a number; gives what it was."""
        was = self[i]
        self[i] = was + value
        return was

    def clear(self, length: Whole) -> None:
        """Write zeros."""
        with count(0, length) as i:
            self[i] = 0


@dataclass(frozen=True)
class Given:
    """The arguments of `fill_rows`."""

    mask: Whole
    resets: Whole
    steps: Whole
    batch: Whole
    reverse: Whole
    shards: Whole
    num_rows: Whole
    scratch: Whole
    clocks: Whole
    clocks_back: Whole
    flat: Whole
    order: Whole
    before: Whole
    row_of: Whole
    inverse: Whole
    last: Whole
    final_rows: Whole
    final_halves: Whole
    starts: Whole
    counts: Whole


class Filling:
    """The function in the making: where its own numbers lie in the scratch."""

    def __init__(self, given: Given) -> None:
        self.given = given
        n, at = given.num_rows, given.scratch
        names = ("length", "place", "shard_of", "previous")
        for i, name in enumerate(names):
            setattr(self, name, Array(at + n * (8 * i)))
        at = at + n * 32
        # how many rows are longer, by how many steps are missing; the first row of each shard
        self.longer, at = Array(at), at + (given.steps + 1) * 8
        self.begins, at = Array(at), at + given.batch * 8
        self.bounds, at = Array(at), at + (given.shards + 1) * 8
        # the row, the step of the row, and a zero
        self.now = Array(at)

    length: Array
    place: Array
    shard_of: Array
    previous: Array

    def flag(self, flags: Whole, at: Whole) -> Whole:
        """A bool of [T, B]; zero where there are none."""
        b = at.builder
        address = choose(flags.test("!=", 0), flags + at, self.now.at + 16)
        return Whole(b, b.zext(b.load(address.pointer(BYTE)), INT64))

    def index(self, t: Whole, b: Whole) -> Whole:
        """t * B + b, of a step in running order."""
        given = self.given
        step = choose(given.reverse.test("!=", 0), given.steps - 1 - t, t)
        return step * given.batch + b

    def measure(self) -> None:
        """Number the rows, and count their steps."""
        given = self.given
        self.length.clear(given.num_rows)
        self.now[0], self.now[2] = 0, 0
        with count(0, given.batch) as b:
            self.begins[b] = self.now[0]
            with count(0, given.steps) as t:
                at = self.index(t, b)
                self.now.add(0, self.flag(given.resets, at))
                self.length.add(self.now[0], self.flag(given.mask, at))
            self.now.add(0, 1)

    def sort(self) -> None:
        """Places by length, the longest first, rows of one length in their order; and shards."""
        given = self.given
        self.longer.clear(given.steps + 1)
        with count(0, given.num_rows) as r:
            self.longer.add(given.steps - self.length[r], 1)
        self.now[0] = 0
        with count(0, given.steps + 1) as missing:
            number = self.longer[missing]
            self.longer[missing] = self.now.add(0, number)
        self.now[0] = 0
        with count(0, given.shards) as k:
            self.bounds[k] = self.now.add(
                0, (given.num_rows - k + given.shards - 1) // given.shards
            )
        Array(given.clocks).clear(given.steps * given.shards * CLOCK)
        with count(0, given.num_rows) as r:
            rank = self.longer.add(given.steps - self.length[r], 1)
            shard = rank % given.shards
            self.shard_of[r] = shard
            self.place[r] = self.bounds[shard] + rank // given.shards
            with count(0, self.length[r]) as t:
                self.clock(given.clocks, t, shard).add(COUNT, 1)

    def clock(self, clocks: Whole, t: Whole, shard: Whole) -> Array:
        """The numbers of one step and shard."""
        return Array(clocks + (t * self.given.shards + shard) * (8 * CLOCK))

    def carry(self, entry: Array, parity: Whole) -> None:
        """Which halves of a carry buffer are read and written."""
        row, half = entry[ROW], parity % 2 * self.given.num_rows
        entry[CARRY], entry[CARRY_AFTER] = row + half, row + self.given.num_rows - half

    def set_clocks(self) -> None:
        """The clocks of all steps that there are; records are numbered shard by shard."""
        given, counts = self.given, Array(self.given.counts)
        counts[0], counts[1] = 0, 0
        with count(0, given.num_rows) as r:
            length = self.length[r]
            counts[1] = choose(length.test("<", counts[1]), counts[1], length)
        with count(0, given.shards) as k, count(0, counts[1]) as t:
            entry = self.clock(given.clocks, t, k)
            first = t.test("==", 0)
            earlier = self.clock(given.clocks, choose(first, t, t - 1), k)
            bound, record = self.bounds[k], counts.add(0, entry[COUNT])
            entry[RECORD], entry[AFTER] = record, record + given.num_rows
            entry[ROW], entry[SHARD] = bound, k
            entry[BEFORE] = choose(first, bound, earlier[AFTER])
            self.carry(entry, t)
        with count(0, counts[1]) as t, count(0, given.shards) as k:
            entry, source = self.clock(given.clocks_back, t, k), counts[1] - 1 - t
            for i in range(CLOCK):
                entry[i] = self.clock(given.clocks, source, k)[i]
            # the last step leaves its results in the first half
            self.carry(entry, source + 1)
        with count(0, given.shards) as k:
            low, high = k * counts[0] // given.shards, (k + 1) * counts[0] // given.shards
            entry = self.clock(given.flat, k * 0, k)
            entry[RECORD], entry[BEFORE], entry[AFTER] = low, low, low + given.num_rows
            entry[ROW], entry[CARRY], entry[CARRY_AFTER] = 0, 0, 0
            entry[SHARD], entry[COUNT] = k, high - low

    def number_records(self) -> None:
        """Where each step of the batch is, and what was before it."""
        given, now = self.given, self.now
        Array(given.starts).clear(given.num_rows)
        with count(0, given.batch) as b:
            now[0], now[1] = self.begins[b], 0
            Array(given.starts)[self.place[now[0]]] = b
            with count(0, given.steps) as t:
                at = self.index(t, b)
                with at.builder.if_then(self.flag(given.resets, at).test("!=", 0)):
                    now.add(0, 1)
                    now[1] = 0
                    Array(given.starts)[self.place[now[0]]] = given.batch + b
                Array(given.inverse)[at] = -1
                with at.builder.if_then(self.flag(given.mask, at).test("!=", 0)):
                    self.note_record(at)
            row, steps = now[0], now[1]
            place = self.place[row]
            Array(given.final_rows)[b] = place
            Array(given.final_halves)[b] = place + steps % 2 * given.num_rows
            after = self.previous[row] + given.num_rows
            Array(given.last)[b] = choose(steps.test("==", 0), place, after)

    def note_record(self, at: Whole) -> None:
        """One step of a row."""
        given, now = self.given, self.now
        row, step = now[0], now[1]
        shard, place = self.shard_of[row], self.place[row]
        first = self.clock(given.clocks, step, shard)[RECORD]
        record = first + place - self.bounds[shard]
        Array(given.order)[record], Array(given.inverse)[at] = at, record
        Array(given.row_of)[record] = place
        after = self.previous[row] + given.num_rows
        Array(given.before)[record] = choose(step.test("==", 0), place, after)
        self.previous[row], now[1] = record, step + 1


def write_llvm() -> str:
    """The text of the function, for `build`."""
    module = ir.Module()
    names = [field.name for field in fields(Given)]
    _, builder, arguments = define(module, "fill_rows", len(names))
    filling = Filling(Given(*arguments))
    filling.measure()
    filling.sort()
    filling.set_clocks()
    filling.number_records()
    builder.ret_void()
    return str(module)
