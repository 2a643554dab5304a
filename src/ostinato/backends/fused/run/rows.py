"""Which rows are at work when: lengths, masks, resets and direction as tables of row numbers.

Rows are runs of steps without a reset, each from a start of its own. Masked steps are left out;
rows are sorted by length, longest first, and dealt to the shards, so that the rows at work in a
step are always the first ones of their shard. No loop knows of masks, resets or direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ostinato.backends.fused.native.source.abi import (
    AFTER,
    BEFORE,
    CARRY,
    CARRY_AFTER,
    COUNT,
    RECORD,
    ROW,
    SHARD,
)


@dataclass(frozen=True, eq=False)
class Rows:
    """The order of a run. Index tensors are None where they would change nothing."""

    num_rows: int
    num_records: int
    clocks: np.ndarray
    """[T, shards, 8], the steps in running order."""
    clocks_back: np.ndarray
    """The same in reverse order, for the backward."""
    flat: np.ndarray
    """[1, shards, 8]: all records at once."""
    first: int
    """Where in the states [num_rows + num_records] the starts lie."""
    records: int
    """Where in the states the states after the records lie."""
    last: Tensor | slice
    """Where in the states the last states lie, one a row of the batch."""
    order: Tensor | None = None
    """[num_records] step and row of the batch, t * B + b, of each record."""
    starts: Tensor | None = None
    """[num_rows] row of (state, initial) that each row starts from."""
    before: Tensor | None = None
    """[num_records] where in the states the state before each record lies."""
    row_of: Tensor | None = None
    """[num_records] the row of each record."""
    final_rows: Tensor | None = None
    """[B] the row that ends each row of the batch."""
    lengths: Tensor | None = None
    """[num_rows] steps of each row."""

    @property
    def dense(self) -> bool:
        """Whether records are the user's own [T, B] in its order."""
        return self.order is None

    @property
    def shards(self) -> int:
        return self.clocks.shape[1]

    @property
    def final_halves(self) -> Tensor | slice:
        """Where in two steps of memory the last states lie: by whether a row has an odd length."""
        if self.lengths is None or self.final_rows is None:
            start = (len(self.clocks) % 2) * self.num_rows
            return slice(start, start + self.num_rows)
        return self.final_rows + (self.lengths[self.final_rows] % 2) * self.num_rows


def shard_starts(rows: int, shards: int) -> np.ndarray:
    """The first row of each shard, and the end."""
    return np.arange(shards + 1) * rows // shards


def flat_clocks(records: int, shards: int, before: int, after: int) -> np.ndarray:
    """All records, cut into one range a shard."""
    bounds = shard_starts(records, shards)
    table = np.zeros((1, shards, 8), np.int64)
    table[0, :, RECORD] = bounds[:-1]
    table[0, :, BEFORE] = bounds[:-1] + before
    table[0, :, AFTER] = bounds[:-1] + after
    table[0, :, SHARD] = np.arange(shards)
    table[0, :, COUNT] = np.diff(bounds)
    return table


def carry_clocks(table: np.ndarray, num_rows: int) -> np.ndarray:
    """Two halves of a carry buffer in turn."""
    parity = (np.arange(len(table)) % 2)[:, None]
    table[:, :, CARRY] = table[:, :, ROW] + parity * num_rows
    table[:, :, CARRY_AFTER] = table[:, :, ROW] + (1 - parity) * num_rows
    return table


@lru_cache(maxsize=64)
def dense_rows(steps: int, batch: int, reverse: bool, shards: int) -> Rows:
    """All rows at all steps."""
    bounds = shard_starts(batch, shards)
    table = np.zeros((steps, shards, 8), np.int64)
    times = np.arange(steps)[::-1] if reverse else np.arange(steps)
    table[:, :, RECORD] = times[:, None] * batch + bounds[:-1]
    before, after = (batch, 0) if reverse else (0, batch)
    table[:, :, BEFORE] = table[:, :, RECORD] + before
    table[:, :, AFTER] = table[:, :, RECORD] + after
    table[:, :, ROW] = bounds[:-1]
    table[:, :, SHARD] = np.arange(shards)
    table[:, :, COUNT] = np.diff(bounds)
    back = carry_clocks(table[::-1].copy(), batch)
    records = steps * batch
    first, last = (records, 0) if reverse else (0, records)
    return Rows(
        batch, records, carry_clocks(table, batch), back,
        flat_clocks(records, shards, before, after), first, after, slice(last, last + batch),
    )  # fmt: skip


def ragged_rows(mask: Tensor, resets: Tensor | None, reverse: bool, shards: int) -> Rows:
    """Rows of different lengths, from a mask [T, B] and resets [T, B]."""
    there = mask.numpy()
    steps, batch = there.shape
    times = np.arange(steps)
    new = np.zeros_like(there) if resets is None else resets.numpy()
    if reverse:
        there, new, times = there[::-1], new[::-1], times[::-1]
    segment = np.cumsum(new, 0)
    begins = np.concatenate([[0], np.cumsum(segment[-1] + 1)])
    number = (begins[:-1] + segment).T[there.T]
    flat = (times[:, None] * batch + np.arange(batch)).T[there.T]
    num_rows = int(begins[-1])
    lengths = np.bincount(number, minlength=num_rows)
    sorted_rows = np.argsort(-lengths, kind="stable")
    order = np.concatenate([sorted_rows[k::shards] for k in range(shards)])
    place = np.empty(num_rows, np.int64)
    place[order] = np.arange(num_rows)
    sizes = [len(sorted_rows[k::shards]) for k in range(shards)]
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    ends = np.concatenate([[0], np.cumsum(lengths)])
    step = np.arange(len(number)) - ends[number]
    table, offsets = ragged_clocks(lengths[order], bounds, shards)
    shard = np.searchsorted(bounds, place[number], side="right") - 1
    record = offsets[step, shard] + place[number] - bounds[shard]
    return index_rows(
        table, record, flat, number, step, place, lengths, begins, segment[-1], shards
    )


def ragged_clocks(
    lengths: np.ndarray, bounds: np.ndarray, shards: int
) -> tuple[np.ndarray, np.ndarray]:
    """The clock table of sorted rows, and the first record of each step and shard."""
    steps = int(lengths.max(initial=0))
    table = np.zeros((steps, shards, 8), np.int64)
    for k in range(shards):
        inside = lengths[bounds[k] : bounds[k + 1]]
        table[:, k, COUNT] = (inside[None, :] > np.arange(steps)[:, None]).sum(1)
    counts = table[:, :, COUNT].T.reshape(-1)
    offsets = (np.cumsum(counts) - counts).reshape(shards, steps).T
    num_rows = len(lengths)
    table[:, :, RECORD] = offsets
    table[:, :, AFTER] = offsets + num_rows
    table[:, :, ROW] = bounds[:-1]
    table[:1, :, BEFORE] = bounds[:-1]
    table[1:, :, BEFORE] = table[:-1, :, AFTER]
    table[:, :, SHARD] = np.arange(shards)
    return table, offsets


def index_rows(
    table: np.ndarray, record: np.ndarray, flat: np.ndarray, number: np.ndarray, step: np.ndarray,
    place: np.ndarray, lengths: np.ndarray, begins: np.ndarray, resets: np.ndarray, shards: int,
) -> Rows:  # fmt: skip
    """The index tensors of ragged rows; arrays are by entry (active step) or by row."""
    num_rows, num_records, batch = len(lengths), len(record), len(resets)
    by_record = np.argsort(record)
    back = table[::-1].copy()
    # the state before a first step is the row's start, else the record before
    previous = np.empty(num_records, np.int64)
    previous[step > 0] = num_rows + record[np.flatnonzero(step > 0) - 1]
    previous[step == 0] = place[number[step == 0]]
    final = begins[1:] - 1
    ends = np.cumsum(lengths)
    last = np.where(
        lengths[final] > 0,
        num_rows + record[np.maximum(ends[final] - 1, 0)] if num_records else 0,
        place[final],
    )
    owner = np.repeat(np.arange(batch), resets + 1)
    is_first = np.zeros(num_rows, bool)
    is_first[begins[:-1]] = True
    starts = np.empty(num_rows, np.int64)
    starts[place] = np.where(is_first, owner, batch + owner)
    by_place = np.empty(num_rows, np.int64)
    by_place[place] = lengths

    def index(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array))

    return Rows(
        num_rows, num_records, carry_clocks(table, num_rows), carry_clocks(back, num_rows),
        flat_clocks(num_records, shards, 0, num_rows), 0, num_rows, index(last),
        index(flat[by_record]), index(starts), index(previous[by_record]),
        index(place[number][by_record]), index(place[final]), index(by_place),
    )  # fmt: skip
