"""Which rows are at work when: lengths, masks, resets and direction as tables of row numbers.

Rows are runs of steps without a reset, each from a start of its own. Masked steps are left out;
rows are sorted by length, longest first, and dealt to the shards, so that the rows at work in a
step are always the first ones of their shard. No loop knows of masks, resets or direction.

All tables of a call lie in one block of int64, at places that follow from its sizes alone: so calls
of one size with other lengths share everything but the numbers in it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from ostinato.backends.fused.native import parallel
from ostinato.backends.fused.native.compile import compile_text
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
)

TEXT = "from ostinato.backends.fused.native.source.rows import write_llvm\n"


@dataclass(frozen=True)
class Layout:
    """The sizes of a call, which say where each table lies."""

    steps: int
    """T."""
    batch: int
    """B."""
    num_rows: int
    """A row for each row of the batch and for each reset; some more where there are resets."""
    shards: int
    dense: bool
    """Whether records are the user's own [T, B] in its order."""
    reverse: bool = False
    """Of dense rows; others have the direction in their tables."""
    empty: bool = False
    """Whether no row has a step."""

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """Where each table begins, and its length."""
        clocks, records = self.steps * self.shards * CLOCK, self.steps * self.batch
        lengths = {"clocks": clocks, "clocks_back": clocks, "flat": self.shards * CLOCK}
        if not self.dense:
            lengths |= dict.fromkeys(("order", "before", "row_of", "inverse"), records)
            lengths |= dict.fromkeys(("last", "final_rows", "final_halves"), self.batch)
            lengths |= {"starts": self.num_rows, "counts": 2}
        found: dict[str, tuple[int, int]] = {}
        at = 0
        for name, length in lengths.items():
            found[name] = at, length
            at += length
        return found

    @cached_property
    def size(self) -> int:
        """Numbers in all tables."""
        return max(at + length for at, length in self.places.values())


@dataclass(frozen=True, eq=False)
class Rows:
    """The order of a run. Index tensors are None where they would change nothing."""

    layout: Layout
    num_records: int
    num_steps: int
    """Of the longest row."""
    tables: Tensor
    """int64, laid out as the layout says."""

    @cached_property
    def numbers(self) -> tuple[int, int, int]:
        """What a script is told of them: where the tables lie, records, steps."""
        return self.tables.data_ptr(), self.num_records, self.num_steps

    @property
    def num_rows(self) -> int:
        return self.layout.num_rows

    @property
    def dense(self) -> bool:
        """Whether records are the user's own [T, B] in its order."""
        return self.layout.dense

    @property
    def shards(self) -> int:
        return self.layout.shards

    def table(self, name: str, count: int) -> Tensor | None:
        """The first numbers of a table; None where rows are dense."""
        if self.dense:
            return None
        return self.tables.narrow(0, self.layout.places[name][0], count)

    @property
    def clocks(self) -> Tensor:
        """[steps, shards, 8], the steps in running order."""
        at, _ = self.layout.places["clocks"]
        size = self.num_steps, self.shards, CLOCK
        return self.tables.narrow(0, at, self.num_steps * self.shards * CLOCK).view(size)

    @property
    def order(self) -> Tensor | None:
        """[num_records] step and row of the batch, t * B + b, of each record."""
        return self.table("order", self.num_records)

    @property
    def starts(self) -> Tensor | None:
        """[num_rows] row of (state, initial) that each row starts from."""
        return self.table("starts", self.num_rows)

    @property
    def final_rows(self) -> Tensor | None:
        """[B] the row that ends each row of the batch."""
        return self.table("final_rows", self.layout.batch)


def shard_starts(rows: int, shards: int) -> np.ndarray:
    """The first row of each shard, and the end."""
    return np.arange(shards + 1) * rows // shards


def flat_clocks(records: int, shards: int, before: int, after: int) -> np.ndarray:
    """All records, cut into one range a shard."""
    bounds = shard_starts(records, shards)
    table = np.zeros((1, shards, CLOCK), np.int64)
    table[0, :, RECORD] = bounds[:-1]
    table[0, :, BEFORE] = bounds[:-1] + before
    table[0, :, AFTER] = bounds[:-1] + after
    table[0, :, SHARD] = np.arange(shards)
    table[0, :, COUNT] = np.diff(bounds)
    return table


def carry_clocks(table: np.ndarray, num_rows: int, first: int) -> np.ndarray:
    """Two halves of a carry buffer in turn, of which the first step reads this one."""
    parity = ((np.arange(len(table)) + first) % 2)[:, None]
    table[:, :, CARRY] = table[:, :, ROW] + parity * num_rows
    table[:, :, CARRY_AFTER] = table[:, :, ROW] + (1 - parity) * num_rows
    return table


@lru_cache(maxsize=64)
def dense_rows(steps: int, batch: int, reverse: bool, shards: int) -> Rows:
    """All rows at all steps."""
    bounds = shard_starts(batch, shards)
    table = np.zeros((steps, shards, CLOCK), np.int64)
    times = np.arange(steps)[::-1] if reverse else np.arange(steps)
    table[:, :, RECORD] = times[:, None] * batch + bounds[:-1]
    before, after = (batch, 0) if reverse else (0, batch)
    table[:, :, BEFORE] = table[:, :, RECORD] + before
    table[:, :, AFTER] = table[:, :, RECORD] + after
    table[:, :, ROW] = bounds[:-1]
    table[:, :, SHARD] = np.arange(shards)
    table[:, :, COUNT] = np.diff(bounds)
    # the last step backward leaves its results in the first half
    back = carry_clocks(table[::-1].copy(), batch, steps)
    records = steps * batch
    flat = flat_clocks(records, shards, before, after)
    tables = np.concatenate([t.reshape(-1) for t in (carry_clocks(table, batch, 0), back, flat)])
    layout = Layout(steps, batch, batch, shards, dense=True, reverse=reverse)
    return Rows(layout, records, steps, torch.from_numpy(tables))


def ragged_rows(mask: Tensor, resets: Tensor | None, reverse: bool, shards: int) -> Rows:
    """Rows of different lengths, from a mask [T, B] and resets [T, B]."""
    steps, batch = mask.shape
    mask = mask.contiguous()
    extra = 0
    if resets is not None:
        resets = resets.contiguous()
        extra = up_to_power_of_two(int(resets.sum()))
    layout = layout_of(steps, batch, batch + extra, shards)
    tables = torch.empty(layout.size, dtype=torch.int64, device="cpu")
    room = 4 * layout.num_rows + steps + batch + shards + 8
    scratch = torch.empty(room, dtype=torch.int64, device="cpu")
    new = 0 if resets is None else resets.data_ptr()
    given = (mask.data_ptr(), new, steps, batch, int(reverse), shards, layout.num_rows)
    fill()(*given, scratch.data_ptr(), *places(layout, tables.data_ptr()))
    at, _ = layout.places["counts"]
    num_records, num_steps = tables[at : at + 2].tolist()
    if num_records == 0:
        layout = Layout(steps, batch, layout.num_rows, shards, dense=False, empty=True)
    return Rows(layout, num_records, num_steps, tables)


def up_to_power_of_two(number: int) -> int:
    """The next power of two, so that calls with about as many rows have one size."""
    return 1 << (number - 1).bit_length() if number else 0


@lru_cache(maxsize=64)
def layout_of(steps: int, batch: int, num_rows: int, shards: int) -> Layout:
    """The layout of rows that are not dense."""
    return Layout(steps, batch, num_rows, shards, dense=False)


TABLES = (
    "clocks", "clocks_back", "flat", "order", "before", "row_of", "inverse", "last", "final_rows",
    "final_halves", "starts", "counts",
)  # fmt: skip
"""The tables that `fill` writes, in the order of its arguments."""


def places(layout: Layout, start: int) -> list[int]:
    """The addresses of the tables."""
    return [start + 8 * layout.places[name][0] for name in TABLES]


@functools.cache
def fill() -> Callable[..., None]:
    """``fill(mask, resets, T, B, reverse, shards, num_rows, scratch, *tables)``, addresses."""
    count = 8 + len(TABLES)
    address = compile_text(TEXT, {"fill_rows": count})["fill_rows"]
    return parallel.callable_at(address, count)
