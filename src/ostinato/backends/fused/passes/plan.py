"""What the passes make of a program: buffers, and stages of kernels and products."""

from __future__ import annotations

from dataclasses import dataclass, field

from ostinato.backends.fused.ir import Value
from ostinato.backends.fused.program import Gram, Output, Program, Sum

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


@dataclass
class Kernel:
    """Row work between products: values to store, and sums to add to."""

    name: str
    there: frozenset[Value]
    """What it can read from memory; all else it works out."""
    stores: list[tuple[Value, Place]] = field(default_factory=list[tuple[Value, Place]])
    sums: list[tuple[Sum, Place]] = field(default_factory=list[tuple[Sum, Place]])
    reads: frozenset[int] = frozenset()
    """The numbers of the buffers that its text reads or writes, once there is one."""

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
