"""From a finished plan to the text of its kernels, for Numba, to be read by people too.

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
from ostinato.backends.fused.ir import Reading, Shape, Value
from ostinato.backends.fused.passes.plan import (
    Body,
    Buffer,
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
    kernels = [write_kernel(kernel, dtype) for kernel in plan.kernels()]
    return "\n\n".join([HEADER.format(names=names), *kernels])


def write_kernel(kernel: Kernel, dtype: str) -> str:
    """The whole function."""
    assert kernel.body is not None, kernel.name
    buffers, size = kernel.body.buffers, SIZES[dtype]
    opening = [f"def {kernel.name}(cur, rows):"]
    opening += [f"    {buffer_name(b)} = load_i8(cur, {b.number})" for b in buffers]
    opening += ["    for r in range(rows):"]
    lines = RowText(kernel.body, dtype).write()
    moving = [b for b in buffers if b.clock not in ("shard", "fixed")]
    steps = [f"        {buffer_name(b)} += {b.width * size}" for b in moving]
    return "\n".join([*opening, *lines, *steps]) + "\n"


@dataclass
class RowText:
    """The lines for one row in the making."""

    body: Body
    dtype: str
    lines: list[str] = field(default_factory=list[str])
    depth: int = 2
    known: dict[Value, str] = field(default_factory=dict[Value, str])
    """The variables of values."""
    names: set[str] = field(default_factory=set[str])
    loops: list[Loop] = field(default_factory=list[Loop])

    def write(self) -> list[str]:
        for fill in self.body.fills:
            self.write_fill(fill)
        for nest in self.body.nests:
            self.write_nest(nest)
        return self.lines

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def write_nest(self, nest: Nest) -> None:
        """Loops from outside in, with the start and end of folds round the reduced ones."""
        memory = [s for s in nest.statements if isinstance(s, (Load, Store))]
        readings = [(s.reading.shape, s.reading.strides) for s in memory]
        self.loops = merged_loops(nest.shape, readings, nest.kept)
        known, depth = dict(self.known), self.depth
        kept = sum(loop.axis <= nest.kept for loop in self.loops)
        for i, loop in enumerate(self.loops):
            if i == kept:
                self.start_folds(nest)
            self.line(f"for {loop.variable} in range({loop.extent}):")
            self.depth += 1
        for statement in nest.statements:
            self.write_statement(statement)
        self.depth = depth + kept
        for end in nest.ends:
            self.line(self.store(end, self.known[end.value]))
        self.depth = depth
        if self.loops:
            stored = {end.value for end in nest.ends}
            folds = {v: self.known[v] for v in nest.folds if v not in stored}
            self.known = known | folds

    def start_folds(self, nest: Nest) -> None:
        for result in nest.folds:
            self.known[result] = self.name(result)
            self.line(f"{self.known[result]} = {self.dtype}({NEUTRAL[result.function]})")

    def write_statement(self, statement: Statement) -> None:
        """One line, or none where a value has a variable already."""
        if isinstance(statement, Store):
            text = self.text(statement.value)
            if statement.combine:
                old = self.load(statement.place, statement.reading)
                text = COMBINE[statement.combine].format(old, text)
            self.line(self.store(statement, text))
        elif isinstance(statement, Fold):
            name, term = self.known[statement.result], self.text(statement.term)
            self.line(f"{name} = {COMBINE[statement.result.function].format(name, term)}")
        elif isinstance(statement, Same):
            self.known[statement.value] = self.text(statement.of)
        elif isinstance(statement, Load):
            self.assign(statement.value, self.load(statement.place, statement.reading))
        else:
            self.compute(statement)

    def compute(self, statement: Compute) -> None:
        v = statement.value
        args = [self.text(a) for a in v.args]
        self.assign(v, FUNCTIONS[v.function].text.format(*args, type=self.dtype))

    def assign(self, v: Value, text: str) -> None:
        """A new variable."""
        self.known[v] = self.name(v)
        self.line(f"{self.known[v]} = {text}")

    def text(self, v: Value) -> str:
        """The variable of a value, or the number that it is."""
        if v.op == "const":
            number = v.attrs[0]
            return str(number) if v.dtype == "b" else f"{self.dtype}({number})"
        return self.known[v]

    def write_fill(self, fill: Fill) -> None:
        """A number all over a place."""
        start = f" + {fill.place.offset}" if fill.place.offset else ""
        self.line(f"for j in range({fill.size}):")
        at, number = f"j{start}", f"{self.dtype}({fill.number})"
        buffer, scope = buffer_name(fill.place.buffer), self.scope(fill.place)
        self.line(f"    store_{self.dtype}({buffer}, {at}, {number}, {scope})")

    def load(self, place: Place, reading: Reading) -> str:
        address, index, scope = buffer_name(place.buffer), self.index(reading), self.scope(place)
        return f"load_{self.dtype}({address}, {index}, {scope})"

    def store(self, store: Store, text: str) -> str:
        address, index = buffer_name(store.place.buffer), self.index(store.reading)
        return f"store_{self.dtype}({address}, {index}, {text}, {self.scope(store.place)})"

    def scope(self, place: Place) -> int:
        """The scope of a buffer. Where there are more buffers than scopes some share one."""
        return self.body.buffers.index(place.buffer) % NUM_SCOPES

    def index(self, reading: Reading) -> str:
        """The place of the loops' entry in a reading, as text."""
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
