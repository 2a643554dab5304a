"""What the passes make of a program: buffers, and stages of kernels and products."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from ostinato.backends.fused.ir.program import Gram, Output, Program, Sum
from ostinato.backends.fused.ir.values import Reading, Shape, Value

CLOCKS = ("record", "before", "after", "row", "carry", "carry_after", "shard", "fixed")
"""The row counters that place a buffer: see docs/design/fused.md."""


@dataclass(frozen=True)
class Buffer:
    """Rows of numbers in memory. ``role`` says who gives the memory: a kind and an index."""

    number: int
    role: tuple[str, int]
    width: int
    clock: str

    @property
    def name(self) -> str:
        return f"{self.role[0]}{self.role[1]}"


@dataclass(frozen=True)
class Place:
    """Where a value lies: from ``offset`` on in each row of a buffer."""

    buffer: Buffer
    offset: int = 0


@dataclass(frozen=True)
class Multiply:
    """c = a by a weight, or c += that, for ``repeat`` vectors a row."""

    value: Value
    a: Place
    c: Place
    weight: int
    transposed: bool
    k_start: int
    n_start: int
    k: int
    n: int
    repeat: int
    accumulate: bool
    start: int | None
    """The param that is added to every row, if any."""


@dataclass(frozen=True)
class Load:
    """Read a value's entry of this turn of the loops from memory."""

    value: Value
    place: Place
    reading: Reading
    """Where in the row of the buffer; its shape is that of the loops."""


@dataclass(frozen=True)
class Compute:
    """Work a pointwise value out from its args."""

    value: Value


@dataclass(frozen=True)
class Same:
    """A value that is what another variable holds."""

    value: Value
    of: Value


@dataclass(frozen=True)
class Fold:
    """Take a term into the variable of a reduction's result."""

    result: Value
    term: Value


@dataclass(frozen=True)
class Store:
    """Write a value's entry of this turn to memory, or combine it with what is there."""

    value: Value
    place: Place
    reading: Reading
    combine: str = ""
    """``sum`` or ``amax``; empty for a plain write."""
    part_of: Value | None = None
    """The reduction or assembly that is made of such pieces."""


Statement = Load | Compute | Same | Fold | Store


@dataclass(frozen=True)
class Nest:
    """Loops over a shape, and what one turn of the innermost one does."""

    shape: Shape
    kept: int
    """The axes that folds keep, the leading ones."""
    folds: tuple[Value, ...]
    """The reductions that begin anew for each entry of the kept axes."""
    statements: tuple[Statement, ...]
    ends: tuple[Store, ...]
    """Where folded values are put, for each entry of the kept axes."""


@dataclass(frozen=True)
class Fill:
    """A number all over a value's place, before the row's loops begin."""

    place: Place
    size: int
    number: str
    part_of: Value | None = None


@dataclass(frozen=True)
class Body:
    """What a kernel does with one row."""

    fills: tuple[Fill, ...]
    nests: tuple[Nest, ...]

    @cached_property
    def buffers(self) -> tuple[Buffer, ...]:
        """What it reads or writes, in the order of first use."""
        used: dict[Buffer, None] = dict.fromkeys(fill.place.buffer for fill in self.fills)
        for nest in self.nests:
            for statement in (*nest.statements, *nest.ends):
                if isinstance(statement, (Load, Store)):
                    used[statement.place.buffer] = None
        return tuple(used)


@dataclass
class Kernel:
    """Row work between products: values to store, and sums to add to."""

    name: str
    there: frozenset[Value]
    """What it can read from memory; all else it works out."""
    stores: list[tuple[Value, Place]] = field(default_factory=list[tuple[Value, Place]])
    sums: list[tuple[Sum, Place]] = field(default_factory=list[tuple[Sum, Place]])
    body: Body | None = None
    """Its loops, once `loop_nests` has made them."""

    @property
    def empty(self) -> bool:
        return not (self.stores or self.sums)


@dataclass
class Stage:
    """Kernels and products in turn: once over all rows, or once for each step."""

    loop: bool
    work: list[Kernel | Multiply] = field(default_factory=list[Kernel | Multiply])


@dataclass
class Plan:
    """A program with a time and a place for everything."""

    program: Program
    buffers: list[Buffer] = field(default_factory=list[Buffer])
    homes: dict[Value, Place] = field(default_factory=dict[Value, Place])
    stages: list[Stage] = field(default_factory=list[Stage])
    outputs: list[tuple[Output, Place]] = field(default_factory=list[tuple[Output, Place]])
    grams: list[tuple[Gram, Place, Place]] = field(default_factory=list[tuple[Gram, Place, Place]])

    def buffer(self, role: tuple[str, int], width: int, clock: str) -> Buffer:
        """The buffer of a role, made on first use."""
        for known in self.buffers:
            if known.role == role:
                return known
        made = Buffer(len(self.buffers), role, width, clock)
        self.buffers.append(made)
        return made

    def temporary(self, kind: str, width: int, clock: str) -> Buffer:
        """A new buffer of a kind."""
        index = sum(b.role[0] == kind for b in self.buffers)
        return self.buffer((kind, index), width, clock)

    def kernels(self) -> list[Kernel]:
        """All kernels, in order."""
        return [w for stage in self.stages for w in stage.work if isinstance(w, Kernel)]


def padded(n: int) -> int:
    """A row that a product may write: a multiple of 16 numbers."""
    return -(-n // 16) * 16


def room(v: Value) -> int:
    """The numbers of a row that holds a value, with the padding that a product wants."""
    return padded(v.size) if v.op == "product" and len(v.shape) == 1 else v.size


def multiplications(plan: Plan) -> int:
    """Multiplications in products, for one row and step."""
    work = [w for stage in plan.stages for w in stage.work if isinstance(w, Multiply)]
    grams = sum(gram.d.size * gram.a.shape[-1] for gram, _, _ in plan.grams)
    return grams + sum(w.n * w.k * w.repeat for w in work)
