"""A script: all the compiled calls of a run, one after the other, as one block of numbers.

A call is a C function of one address, that of a table of int64 among which are addresses of
memory. A `Ref` stands for such an address while the script is written: so many bytes from the
start of a block, which has its place in memory only when the script runs. Running it then takes
one call from Python, whatever the number of stages: compiled code copies the numbers, adds the
places of the blocks, and makes the calls.

The functions beside the time loop (`loop`) and products (`dense`)::

    copy   [0, shares, step, to, to_row, at, at_row, index, rows, bytes]: rows in order, or those
           of an int64 index, where -1 stands for zeros; strides count bytes, at_row 0 repeats one
           row
    clear  [at, bytes]: zeros
    sum    [to, at, row_bytes, rows, columns, accumulate]: the sum of rows
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ostinato.backends.fused.native import parallel
from ostinato.backends.fused.native.compile import compile_text
from ostinato.backends.fused.native.source.abi import HEAD

TEXT = "from ostinato.backends.fused.native.source.script import write_llvm\n"
NAMES = ("place", "run", "copy", "clear", "sum_f4", "sum_f8")
OWN = "script"
"""The block that the tables themselves are."""


@dataclass(frozen=True)
class Ref:
    """An address that is known when the script runs: bytes from the start of a block."""

    block: object
    offset: int = 0

    def __add__(self, more: int) -> Ref:
        return Ref(self.block, self.offset + more)


class Amount(int):
    """A count that is known when the script runs; as a number, the most that it can be."""

    block: str
    factor: int

    def __new__(cls, most: int, block: str, factor: int = 1) -> Amount:
        made = super().__new__(cls, most)
        made.block, made.factor = block, factor
        return made

    def __mul__(self, by: int) -> Amount:
        return Amount(int(self) * by, self.block, self.factor * by)


@dataclass
class Script:
    """Tables and calls as they are written; `finish` makes them ready to run."""

    words: list[int] = field(default_factory=list[int])
    spots: list[tuple[int, object, int, int]] = field(default_factory=list[Any])
    """Where in the words an address or amount stands: of which block, how far from its start, and
    how many times that block's number."""
    calls: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    """Function, the place of its table, shares."""
    held: list[object] = field(default_factory=list[object])
    """What must live as long as the script, as addresses in it point there."""

    def table(self, *numbers: int | Ref) -> Ref:
        """Write down a table."""
        at = len(self.words)
        for place, number in enumerate(numbers, at):
            if type(number) is Ref:
                self.spots.append((place, number.block, number.offset, 1))
                self.words.append(0)
            elif type(number) is Amount:
                self.spots.append((place, number.block, 0, number.factor))
                self.words.append(0)
            else:
                self.words.append(number)  # pyright: ignore[reportArgumentType]
        return Ref(OWN, 8 * at)

    def space(self, length: int) -> Ref:
        """Room for numbers that a call writes."""
        at = len(self.words)
        self.words += [0] * length
        return Ref(OWN, 8 * at)

    def array(self, array: np.ndarray) -> int:
        """The address of numbers that never change."""
        assert array.dtype == np.int64
        assert array.flags.c_contiguous
        self.held.append(array)
        return array.ctypes.data

    def call(self, function: int, table: Ref, shares: int = 1) -> None:
        """Note that a function is to be run, on threads where it comes in several shares."""
        self.calls.append((function, table.offset, shares))

    def copy(
        self, to: Ref, to_row: int, at: Ref, at_row: int, rows: int, size: int,
        index: int | Ref = 0, shares: int = 1,
    ) -> None:  # fmt: skip
        """Copy rows of `size` bytes."""
        if index == 0 and to_row == at_row == size:
            # one run of bytes
            rows, size, shares = 1, rows * size, 1
        step = -(-rows // shares)
        table = self.table(0, shares, step, to, to_row, at, at_row, index, rows, size)
        self.call(functions()["copy"], table, shares)

    def clear(self, at: Ref, size: int) -> None:
        """Write zeros."""
        self.call(functions()["clear"], self.table(at, size))

    def sum(
        self, kind: str, to: Ref, at: Ref, row_bytes: int, rows: int, columns: int, accumulate: bool
    ) -> None:
        """Add up rows."""
        table = self.table(to, at, row_bytes, rows, columns, int(accumulate))
        self.call(functions()[f"sum_{kind}"], table)

    def finish(self, first: tuple[str, ...] = ()) -> Ready:
        """The script, to be run as often as wanted; its addresses begin with those of `first`."""
        start = len(self.words)
        listed: list[int | Ref] = [len(self.calls)]
        for function, table, shares in self.calls:
            listed += [function, Ref(OWN, table), shares]
        self.table(*listed)
        number: dict[object, int] = {name: i for i, name in enumerate((OWN, *first))}
        spots = [(at, number.setdefault(b, len(number)), *rest) for at, b, *rest in self.spots]
        return Ready(
            np.array(self.words, np.int64),
            np.array(spots, np.int64),
            tuple(number)[1:],
            start,
            tuple(self.held),
        )


@dataclass(frozen=True)
class Ready:
    """A finished script."""

    words: np.ndarray
    spots: np.ndarray
    """[n, 4]: where in the words a number stands, of which block, what is added, and a factor."""
    blocks: tuple[object, ...]
    """The blocks whose addresses it must be told; of an `Amount`, the number."""
    start: int
    """Where among the words the list of calls begins."""
    held: tuple[object, ...]

    @cached_property
    def head(self) -> tuple[int, ...]:
        """What never changes of what compiled code is given: the words, the spots, the calls."""
        own = HEAD + len(self.blocks)
        return (
            self.words.ctypes.data, len(self.words), self.spots.ctypes.data, len(self.spots),
            8 * self.start, 8 * own,
        )  # fmt: skip

    @cached_property
    def room(self) -> type[ctypes.Array[ctypes.c_int64]]:
        """The head, addresses of blocks, and a copy of the words: what a run is given."""
        return ctypes.c_int64 * (HEAD + len(self.blocks) + len(self.words))

    def run(self, addresses: Sequence[int]) -> None:
        """Run all calls, with blocks of memory at these addresses, which stay there meanwhile."""
        threads = parallel.num_threads()
        openmp = openmp_address() if threads > 1 else 0
        given = self.room(openmp, threads, *self.head, *addresses)
        if openmp or threads == 1:
            runner("run")(ctypes.addressof(given))
        else:
            runner("place")(ctypes.addressof(given))
            words = given[HEAD + len(self.blocks) + self.start :]
            run_calls(np.array(words[1:]).reshape(-1, 3).tolist())


def run_calls(calls: Sequence[Sequence[int]]) -> None:
    """One call after the other from Python, where threads are Python's."""
    for function, table, shares in calls:
        parallel.run(function, table, shares)


@functools.cache
def openmp_address() -> int:
    """Where OpenMP starts its threads, or 0 where torch has none."""
    openmp = parallel.find_openmp()
    return 0 if openmp is None else (ctypes.cast(openmp, ctypes.c_void_p).value or 0)


@functools.cache
def runner(name: str) -> Callable[[int], None]:
    """The function that puts a script's addresses in place, and the one that then runs it."""
    return parallel.callable_at(functions()[name])


@functools.cache
def functions() -> dict[str, int]:
    """The addresses of all functions, compiled together once on a machine."""
    return compile_text(TEXT, dict.fromkeys(NAMES, 1))
