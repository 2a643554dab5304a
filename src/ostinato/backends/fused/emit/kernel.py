"""From a finished plan to the text of its kernels: to be read, and to be run by `writer`.

def forward_1_0(cur, rows):
    from_product0 = load_i8(cur, 3)
    ...
    for r in range(rows):
        at_product0 = from_product0 + r * 416
        for j in lanes_f4(26):
            add = load_f4(at_product0, j) + load_f4(at_bias, j)
            store_f4(at_after0, j, tanh(add))
"""

from __future__ import annotations

import keyword
import math
from dataclasses import dataclass, field

from ostinato.backends.fused.ir.functions import FUNCTIONS
from ostinato.backends.fused.ir.values import Reading, Shape, Value
from ostinato.backends.fused.native.source.abi import SIZES
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


@dataclass(frozen=True)
class Loop:
    """One loop: its variable and extent, and the axis of the shape that it ends at."""

    variable: str
    extent: int
    axis: int


def emit(plan: Plan, dtype: str) -> str:
    """The text of all kernels of a plan."""
    return "\n\n".join(write_kernel(kernel, dtype) for kernel in plan.kernels())


def write_kernel(kernel: Kernel, dtype: str) -> str:
    """The whole function."""
    assert kernel.body is not None, kernel.name
    buffers, size = kernel.body.buffers, SIZES[dtype]
    opening = [f"def {kernel.name}(cur, rows):"]
    moving = [b for b in buffers if b.clock not in ("shard", "fixed")]
    for b in buffers:
        name = f"from_{b.name}" if b in moving else buffer_name(b)
        opening.append(f"    {name} = load_i8(cur, {b.number})")
    opening.append("    for r in range(rows):")
    opening += [f"        {buffer_name(b)} = from_{b.name} + r * {b.width * size}" for b in moving]
    return "\n".join([*opening, *RowText(kernel.body, dtype).write()]) + "\n"


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
        in_lanes = independent(memory)
        for i, loop in enumerate(self.loops):
            if i == kept:
                self.start_folds(nest)
            way = f"lanes_{self.dtype}" if loop is self.loops[-1] and in_lanes else "range"
            self.line(f"for {loop.variable} in {way}({loop.extent}):")
            self.depth += 1
        for statement in nest.statements:
            self.write_statement(statement)
        self.depth = depth + kept
        for result in nest.folds:
            self.line(f"{self.known[result]} = {self.known[result]}.result()")
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
            self.line(f'{self.known[result]} = fold_{self.dtype}("{result.function}")')

    def write_statement(self, statement: Statement) -> None:
        """One line, or none where a value has a variable already."""
        if isinstance(statement, Store):
            self.line(self.store(statement, self.text(statement.value)))
        elif isinstance(statement, Fold):
            self.line(f"{self.known[statement.result]}.take({self.text(statement.term)})")
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
            return f"{self.dtype}({v.spelled})"
        return self.known[v]

    def write_fill(self, fill: Fill) -> None:
        """A number all over a place."""
        start = f" + {fill.place.offset}" if fill.place.offset else ""
        self.line(f"for j in lanes_{self.dtype}({fill.size}):")
        at, number = f"j{start}", f"{self.dtype}({fill.number})"
        self.line(f"    store_{self.dtype}({buffer_name(fill.place.buffer)}, {at}, {number})")

    def load(self, place: Place, reading: Reading) -> str:
        return f"load_{self.dtype}({buffer_name(place.buffer)}, {self.index(reading)})"

    def store(self, store: Store, text: str) -> str:
        address, index = buffer_name(store.place.buffer), self.index(store.reading)
        if store.combine:
            return f'combine_{self.dtype}("{store.combine}", {address}, {index}, {text})'
        return f"store_{self.dtype}({address}, {index}, {text})"

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
        taken = keyword.iskeyword(v.name) or v.name in RESERVED or v.name.startswith(PREFIXES)
        wanted = f"{v.name}_" if taken else v.name
        name, count = wanted, 1
        while name in self.names:
            count += 1
            name = f"{wanted}_{count}"
        self.names.add(name)
        return name


RESERVED = {
    "cur", "rows", "r", "range", "inf", "nan", "f4", "f8", "where", "maximum", "minimum", "log1p",
    "expm1", *(f.text.split("(")[0] for f in FUNCTIONS.values()),
}  # fmt: skip
PREFIXES = ("at_", "combine_", "fold_", "from_", "lanes_", "load_", "store_")
"""What the text means something by, see `writer`."""


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


def independent(memory: list[Load | Store]) -> bool:
    """Whether neighbouring turns of the innermost loop may run at once.

    They may not where one of them could read, or write again, what another one writes: where a
    buffer is written that is also read or written at other places of the same loops.
    """
    for store in memory:
        if not isinstance(store, Store):
            continue
        for other in memory:
            same = (other.reading.offset, other.reading.strides) == (
                store.reading.offset, store.reading.strides,
            )  # fmt: skip
            if other.place.buffer == store.place.buffer and not same and overlap(other, store):
                return False
    return True


def overlap(one: Load | Store, other: Load | Store) -> bool:
    """Whether two readings of one buffer may have numbers in common."""
    (low, high), (least, most) = extent(one.reading), extent(other.reading)
    return low <= most and least <= high


def extent(reading: Reading) -> tuple[int, int]:
    """The first and the last number that a reading touches."""
    reach = [
        stride * (size - 1) for stride, size in zip(reading.strides, reading.shape, strict=True)
    ]
    low = reading.offset + sum(r for r in reach if r < 0)
    return low, reading.offset + sum(r for r in reach if r > 0)
