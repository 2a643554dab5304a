"""The work of a plan as a list of instructions, for one step at a time.

An instruction is a kernel on the table of addresses, or a function of `stream_code` on four places
in it: ``C = A times W + D`` by rows. A place is a slot of the table, the bytes from there, and the
length of a row in numbers. The slots are the plan's buffers; one more that holds 0; then one for
each output that is copied out of a buffer.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ostinato.backends.fused.native.compile import compile_text
from ostinato.backends.fused.native.source.abi import SIZES, STEP
from ostinato.backends.fused.passes.plan import Kernel, Multiply, Place, Plan

TEXT = "from ostinato.backends.fused.native.source.step import write_llvm\n"
FUNCTIONS = ("dots", "sums", "copy")
Spot = tuple[int, int, int]
"""A slot, bytes from the address in it, numbers a row."""


@functools.cache
def functions() -> dict[str, int]:
    """The addresses of all functions beside kernels, compiled together once on a machine."""
    names = [f"{name}_{kind}" for name in FUNCTIONS for kind in ("f4", "f8")]
    return compile_text(TEXT, {"run_step": 1, **dict.fromkeys(names, 11)})


@functools.cache
def runner(release: bool) -> Any:
    """The function that runs a step; with ``release`` it lets go of the interpreter's lock."""
    kind = ctypes.CFUNCTYPE if release else ctypes.PYFUNCTYPE
    return kind(None, ctypes.c_void_p)(functions()["run_step"])


@dataclass(frozen=True)
class Listing:
    """A plan, to be listed for so many rows."""

    plan: Plan
    kernels: dict[str, int]
    """Their addresses by name."""
    shapes: Sequence[Sequence[int]]
    """Of the params."""
    kind: str
    rows: int

    @property
    def nothing(self) -> Spot:
        """A place that is not there."""
        return len(self.plan.buffers), 0, 0

    @property
    def outputs(self) -> list[int]:
        """The slots of what the caller gets."""
        beyond = len(self.plan.buffers) + 1
        return [
            place.buffer.number if place.buffer.role[0] == "y" else beyond + i
            for i, (_, place) in enumerate(self.plan.outputs)
        ]

    @property
    def length(self) -> int:
        """The slots of a table."""
        return len(self.plan.buffers) + 1 + len(self.plan.outputs)

    def slot(self, kind: str, index: int) -> int:
        """The slot of a buffer."""
        return next(b.number for b in self.plan.buffers if b.role == (kind, index))

    def code(self) -> list[int]:
        """All instructions, one after the other."""
        found: list[int] = []
        for work in (work for stage in self.plan.stages for work in stage.work):
            if isinstance(work, Kernel):
                found += [self.kernels[work.name], 0, *[0] * (STEP - 2)]
            else:
                found += self.product(work)
        for slot, (output, place) in zip(self.outputs, self.plan.outputs, strict=True):
            if slot != place.buffer.number:
                size, none = output.value.size, self.nothing
                found += self.call(
                    "copy", self.spot(place), none, (slot, 0, size), none, (self.rows, size, 0)
                )
        return found

    def product(self, work: Multiply) -> list[int]:
        """One instruction, or one for each row where a row holds several vectors."""
        length = self.shapes[work.weight][-1]
        row, column = work.n_start, work.k_start
        if work.transposed:
            row, column = column, row
        w = (self.slot("param", work.weight), (row * length + column) * self.size, length)
        name = "sums" if work.transposed else "dots"
        several = work.repeat > 1
        rows = work.repeat if several else self.rows
        found: list[int] = []
        for r in range(self.rows if several else 1):
            a, c = self.spot(work.a, r), self.spot(work.c, r)
            if several:
                a, c = (*a[:2], work.k), (*c[:2], work.n)
            d = c if work.accumulate else self.nothing
            if work.start is not None:
                # a row of length 0: the same vector for all rows
                d = (self.slot("param", work.start), 0, 0)
            found += self.call(name, a, w, c, d, (rows, work.n, work.k))
        return found

    @property
    def size(self) -> int:
        """Bytes of a number."""
        return SIZES[self.kind]

    def spot(self, place: Place, row: int = 0) -> Spot:
        """A place of the plan, from a row on."""
        width = place.buffer.width
        return place.buffer.number, (place.offset + row * width) * self.size, width

    def call(
        self, name: str, a: Spot, w: Spot, c: Spot, d: Spot, sizes: tuple[int, int, int]
    ) -> list[int]:
        """An instruction that calls a function, with sizes (rows, columns, depth)."""
        return [functions()[f"{name}_{self.kind}"], 1, *a, *w, *c, *d, *sizes]
