"""The tables of ragged rows against the same worked out step by step in Python."""

import itertools
import random

import pytest
import torch

from ostinato.backends.fused.run.rows import (
    AFTER,
    BEFORE,
    CARRY,
    CARRY_AFTER,
    COUNT,
    RECORD,
    ROW,
    SHARD,
    Rows,
    dense_rows,
    ragged_rows,
)

KINDS = [(1, 1, 1), (5, 3, 1), (7, 9, 2), (12, 4, 3), (3, 1, 4), (40, 33, 2)]


def draw(steps: int, batch: int, seed: int, filled: float, often: float):
    random = torch.Generator().manual_seed(seed)
    mask = torch.rand(steps, batch, generator=random) < filled
    return mask, torch.rand(steps, batch, generator=random) < often


def runs(mask, resets, reverse):
    """The rows of each row of the batch: lists of steps, in running order."""
    steps, batch = mask.shape
    times = range(steps - 1, -1, -1) if reverse else range(steps)
    found = []
    for b in range(batch):
        rows: list[list[int]] = [[]]
        for t in times:
            if resets is not None and resets[t, b]:
                rows.append([])
            if mask[t, b]:
                rows[-1].append(t)
        found.append(rows)
    return found


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("often", [0.0, 0.3])
@pytest.mark.parametrize(("steps", "batch", "shards"), KINDS)
def test_every_record_stands_for_its_step(steps, batch, shards, often, reverse):
    mask, resets = draw(steps, batch, 7 * steps + batch, 0.6, often)
    given = resets if often else None
    rows = ragged_rows(mask, given, reverse, shards)
    wanted = runs(mask, given, reverse)
    order, starts = rows.order.tolist(), rows.starts.tolist()
    assert sorted(order) == [
        t * batch + b for t in range(steps) for b in range(batch) if mask[t, b]
    ]
    before = rows.table("before", rows.num_records).tolist()
    row_of = rows.table("row_of", rows.num_records).tolist()
    inverse = rows.table("inverse", steps * batch).tolist()
    last, finals = rows.table("last", batch).tolist(), rows.final_rows.tolist()
    halves = rows.table("final_halves", batch).tolist()
    taken = set()
    for b, parts in enumerate(wanted):
        places = set()
        for number, part in enumerate(parts):
            previous = None
            for t in part:
                record = inverse[t * batch + b]
                assert order[record] == t * batch + b
                place = row_of[record]
                assert before[record] == (place if previous is None else rows.num_rows + previous)
                previous = record
            if part:
                place = row_of[previous]
                assert starts[place] == (b if number == 0 else batch + b)
                places.add(place)
        assert len(places) == sum(map(bool, parts)), "a row each"
        assert not places & taken
        taken |= places
        end = parts[-1]
        assert halves[b] == finals[b] + len(end) % 2 * rows.num_rows
        assert last[b] == (rows.num_rows + inverse[end[-1] * batch + b] if end else finals[b])
        assert starts[finals[b]] == (b if len(parts) == 1 else batch + b)
    assert [
        inverse[t * batch + b] for t in range(steps) for b in range(batch) if not mask[t, b]
    ] == [-1] * int((~mask).sum())
    assert len(set(finals)) == batch


@pytest.mark.parametrize(("steps", "batch", "shards"), KINDS)
def test_clocks_lead_through_all_records(steps, batch, shards):
    mask, resets = draw(steps, batch, steps + batch, 0.7, 0.2)
    rows = ragged_rows(mask, resets, False, shards)
    clocks = rows.clocks.tolist()
    seen: list[int] = []
    for t, step in enumerate(clocks):
        for k, clock in enumerate(step):
            seen += range(clock[RECORD], clock[RECORD] + clock[COUNT])
            assert clock[AFTER] == clock[RECORD] + rows.num_rows
            assert clock[SHARD] == k
            assert clock[BEFORE] == (clock[ROW] if t == 0 else clocks[t - 1][k][AFTER])
            assert {clock[CARRY], clock[CARRY_AFTER]} == {clock[ROW], clock[ROW] + rows.num_rows}
            assert t == 0 or clock[COUNT] <= clocks[t - 1][k][COUNT], "rows only end"
    assert sorted(seen) == list(range(rows.num_records))
    assert sum(c[COUNT] for c in clocks[0]) <= rows.num_rows
    assert len(clocks) == rows.num_steps


def back(rows: Rows) -> list[list[list[int]]]:
    at, _ = rows.layout.places["clocks_back"]
    size = rows.num_steps, rows.shards, 8
    count = rows.num_steps * rows.shards * 8
    return rows.tables.narrow(0, at, count).view(size).tolist()


@pytest.mark.parametrize("kind", ["dense", "ragged"])
@pytest.mark.parametrize("steps", [1, 4, 5])
def test_the_way_back_ends_in_the_first_half(steps, kind):
    mask = torch.ones(steps, 6, dtype=torch.bool)
    rows = dense_rows(steps, 6, False, 2) if kind == "dense" else ragged_rows(mask, None, False, 2)
    clocks = back(rows)
    for clock in clocks[-1]:
        assert clock[CARRY_AFTER] == clock[ROW]
    for earlier, later in itertools.pairwise(clocks):
        for k in range(2):
            assert later[k][CARRY] == earlier[k][CARRY_AFTER]


def test_calls_of_one_size_have_one_layout():
    lengths = [random.Random(i).choices(range(10), k=8) for i in range(5)]
    masks = [torch.arange(9)[:, None] < torch.tensor(one)[None] for one in lengths]
    assert len({ragged_rows(mask, None, False, 2).layout for mask in masks}) == 1


def test_without_any_step_rows_are_empty():
    rows = ragged_rows(torch.zeros(4, 3, dtype=torch.bool), None, False, 1)
    assert rows.layout.empty
    assert rows.num_records == 0
    assert sorted(rows.starts.tolist()) == [0, 1, 2]
