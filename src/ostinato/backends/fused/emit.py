"""From a plan to the text of its kernels, for Numba, to be read by people too.

def forward_1_0(cur, rows):
    product0 = load_i8(cur, 3)
    for r in range(rows):
        for j in range(26):
            add = load_f4(product0, j, 3) + load_f4(bias, j, 4)
            store_f4(after0, j, tanh(add), 5)
        product0 += 416
"""

from __future__ import annotations

import keyword
import math
from dataclasses import dataclass, field

from ostinato.backends.fused.functions import FUNCTIONS
from ostinato.backends.fused.ir import Reading, Shape, Value, contiguous
from ostinato.backends.fused.nests import Fill, Nest, Row
from ostinato.backends.fused.passes.plan import Buffer, Kernel, Place, Plan

NUM_SCOPES = 64
"""How many buffers one function can tell apart, see `memory`."""
SIZES = {"f4": 4, "f8": 8}
HEADER = """from ostinato.backends.fused.maths import *
from ostinato.backends.fused.memory import {names}

inf, nan = float("inf"), float("nan")
"""
NEUTRAL = {"sum": "0.0", "amax": "-inf"}
COMBINE = {"sum": "radd({0}, {1})", "amax": "maximum({0}, {1})"}


@dataclass(frozen=True)
class Loop:
    """One loop: its variable and extent, and the axis of the shape that it ends at."""

    variable: str
    extent: int
    axis: int


def emit(plan: Plan, dtype: str) -> str:
    """The text of all kernels of a plan."""
    names = f"{dtype}, load_{dtype}, load_i8, store_{dtype}"
    kernels = [KernelText(plan, kernel, dtype).write() for kernel in plan.kernels()]
    return "\n\n".join([HEADER.format(names=names), *kernels])


@dataclass
class KernelText:
    """One kernel in the making."""

    plan: Plan
    kernel: Kernel
    dtype: str
    lines: list[str] = field(default_factory=list[str])
    used: dict[int, Buffer] = field(default_factory=dict[int, Buffer])
    depth: int = 2
    known: dict[Value, str] = field(default_factory=dict[Value, str])
    names: set[str] = field(default_factory=set[str])
    strides: list[tuple[Shape, Shape]] = field(default_factory=list[tuple[Shape, Shape]])
    loops: list[Loop] = field(default_factory=list[Loop])

    def write(self) -> str:
        """The whole function."""
        self.row = Row(self.plan, self.kernel)
        nests = self.row.build()
        for fill in self.row.fills:
            self.write_fill(fill)
        for nest in nests:
            self.write_nest(nest)
        body = self.lines
        self.kernel.reads = frozenset(self.used)
        opening = [f"def {self.kernel.name}(cur, rows):"]
        opening += [f"    {buffer_name(b)} = load_i8(cur, {b.number})" for b in self.used.values()]
        opening += ["    for r in range(rows):"]
        size = SIZES[self.dtype]
        moving = [b for b in self.used.values() if b.clock not in ("shard", "fixed")]
        steps = [f"        {buffer_name(b)} += {b.width * size}" for b in moving]
        return "\n".join([*opening, *body, *steps]) + "\n"

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def buffer(self, place: Place) -> str:
        """The name of a buffer's address in this kernel."""
        self.used[place.buffer.number] = place.buffer
        return buffer_name(place.buffer)

    def write_nest(self, nest: Nest) -> None:
        """The loops of a nest, after a dry run that collects how memory is read in it."""
        known, names, lines = dict(self.known), set(self.names), len(self.lines)
        self.strides, self.loops = [], full_loops(nest.shape)
        self.body(nest)
        del self.lines[lines:]
        self.known, self.names = known, names
        self.loops = merged_loops(nest.shape, self.strides, nest.kept)
        self.write_loops(nest)

    def write_loops(self, nest: Nest) -> None:
        """Loops from outside in, with the start and end of folds round the reduced ones."""
        known, depth = dict(self.known), self.depth
        kept = sum(loop.axis <= nest.kept for loop in self.loops)
        for i, loop in enumerate(self.loops):
            if i == kept:
                self.start_folds(nest)
            self.line(f"for {loop.variable} in range({loop.extent}):")
            self.depth += 1
        self.body(nest)
        self.depth = depth + kept
        results = self.end_folds(nest)
        self.depth = depth
        if self.loops:
            self.known = known | results

    def start_folds(self, nest: Nest) -> None:
        for fold in nest.folds:
            self.known[fold.result] = self.name(fold.result)
            neutral = NEUTRAL[fold.result.function]
            self.line(f"{self.known[fold.result]} = {self.dtype}({neutral})")

    def end_folds(self, nest: Nest) -> dict[Value, str]:
        """Put folded values where they belong; those that are row scalars stay variables."""
        results: dict[Value, str] = {}
        for fold in nest.folds:
            name = self.known[fold.result]
            if fold.place is None:
                results[fold.result] = name
                continue
            shape = fold.result.shape
            reading = Reading(fold.place.offset, shape, contiguous(shape))
            self.line(self.store(fold.place, self.index(reading), name))
        return results

    def body(self, nest: Nest) -> None:
        """What one turn of the innermost loop does."""
        for fold in nest.folds:
            term = self.value(fold.value, nest)
            name = self.known.setdefault(fold.result, "fold")
            self.line(f"{name} = {COMBINE[fold.result.function].format(name, term)}")
        for write in nest.writes:
            text = self.value(write.value, nest)
            index = self.index(write.reading)
            if write.combine:
                text = COMBINE[write.combine].format(self.load(write.place, index), text)
            self.line(self.store(write.place, index, text))

    def write_fill(self, fill: Fill) -> None:
        """A number all over a place."""
        start = f" + {fill.place.offset}" if fill.place.offset else ""
        self.line(f"for j in range({fill.size}):")
        self.line("    " + self.store(fill.place, f"j{start}", f"{self.dtype}({fill.number})"))

    def load(self, place: Place, index: str) -> str:
        return f"load_{self.dtype}({self.buffer(place)}, {index}, {self.scope(place)})"

    def store(self, place: Place, index: str, text: str) -> str:
        return f"store_{self.dtype}({self.buffer(place)}, {index}, {text}, {self.scope(place)})"

    def scope(self, place: Place) -> int:
        """The scope of a buffer. Where there are more buffers than scopes some share one."""
        return list(self.used).index(place.buffer.number) % NUM_SCOPES

    def index(self, reading: Reading) -> str:
        """The place of the loops' entry in a reading, as text."""
        self.strides.append((reading.shape, reading.strides))
        terms: list[str] = []
        for loop in self.loops:
            if loop.axis > len(reading.shape):
                continue
            stride = reading.strides[loop.axis - 1]
            if stride and loop.extent > 1:
                terms.append(loop.variable if stride == 1 else f"{loop.variable} * {stride}")
        if reading.offset or not terms:
            terms.append(str(reading.offset))
        return " + ".join(terms)

    def value(self, v: Value, nest: Nest) -> str:
        """The name of a value's entry, worked out by new lines where it is not there yet."""
        if v not in self.known:
            self.known[v] = self.work_out(v, nest)
        return self.known[v]

    def work_out(self, v: Value, nest: Nest) -> str:
        if v.op == "const":
            number = v.attrs[0]
            return str(number) if v.dtype == "b" else f"{self.dtype}({number})"
        if v in self.kernel.there or self.row.in_memory(v, nest):
            place = self.plan.homes[v] if v in self.kernel.there else self.row.place(v)
            return self.read(v, place, Reading(0, v.shape, contiguous(v.shape)))
        if v.op == "view":
            return self.read_view(v)
        if v.op == "barrier":
            return self.value(v.args[0], nest)
        assert v.op == "pointwise", (v, v.op, self.kernel.name)
        args = [self.value(a, nest) for a in v.args]
        name = self.name(v)
        text = FUNCTIONS[v.function].text.format(*args, type=self.dtype)
        self.line(f"{name} = {text}")
        return name

    def read_view(self, v: Value) -> str:
        stored = v.args[0]
        if stored in self.known and not stored.shape:
            return self.known[stored]
        offset, strides = v.attrs
        place = self.plan.homes[stored] if stored in self.kernel.there else self.row.place(stored)
        return self.read(v, place, Reading(int(offset), v.shape, strides))  # pyright: ignore

    def read(self, v: Value, place: Place, reading: Reading) -> str:
        moved = Reading(reading.offset + place.offset, reading.shape, reading.strides)
        name = self.name(v)
        self.line(f"{name} = {self.load(place, self.index(moved))}")
        return name

    def name(self, v: Value) -> str:
        """A name for a value that no other variable of the kernel has."""
        wanted = f"{v.name}_" if keyword.iskeyword(v.name) or v.name in RESERVED else v.name
        name, count = wanted, 1
        while name in self.names:
            count += 1
            name = f"{wanted}_{count}"
        self.names.add(name)
        return name


RESERVED = {
    "cur", "rows", "r", "range", "inf", "nan", "float", "load_i8", "f4", "f8", "radd", "where",
    "maximum", "minimum", *(f.text.split("(")[0] for f in FUNCTIONS.values()),
}  # fmt: skip


def buffer_name(buffer: Buffer) -> str:
    """The address of the row at hand."""
    return f"at_{buffer.name}"


def full_loops(shape: Shape) -> list[Loop]:
    """A loop for each axis."""
    return [Loop(f"j{i}", n, i + 1) for i, n in enumerate(shape)]


def merged_loops(shape: Shape, readings: list[tuple[Shape, Shape]], border: int) -> list[Loop]:
    """As few loops as possible: axes that lie dense in all readings become one."""
    groups: list[list[int]] = []
    for axis in range(len(shape)):
        dense = all(s[axis - 1] == s[axis] * shape[axis] for _, s in readings)
        if groups and axis != border and dense:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    names = ["j"] if len(groups) == 1 else [f"j{i}" for i in range(len(groups))]
    return [
        Loop(name, math.prod(shape[axis] for axis in axes), axes[-1] + 1)
        for name, axes in zip(names, groups, strict=True)
    ]
