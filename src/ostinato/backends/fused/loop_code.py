"""The one time loop, for Numba: it reads tables, and knows no cell. `loop` makes the tables."""

# llvmlite's and Numba's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

from ostinato.backends.fused.loop import CODE, SPARE
from ostinato.backends.fused.memory import call, load_i8, store_i8

CLOCKS = 8
"""Numbers a step and shard: seven row counters, and how many rows are at work."""


@intrinsic
def take(typing, address):
    """Add one to the int64 at an address and give what it was, safe between threads."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        pointer = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", pointer, ir.Constant(ir.IntType(64), 1), "seq_cst")

    return types.int64(types.int64), emit


@njit(error_model="numpy")
def run_shard(data, shard):
    """All steps of one range of rows: advance the addresses, then kernels and products in turn."""
    steps, num_buffers, buffers = load_i8(data, 0), load_i8(data, 1), load_i8(data, 2)
    clocks, code, length = load_i8(data, 3), load_i8(data, 4), load_i8(data, 5)
    shards = load_i8(data, 7)
    cur = load_i8(data, 6) + 8 * (num_buffers + SPARE) * shard
    for t in range(steps):
        clock = clocks + 8 * CLOCKS * (t * shards + shard)
        rows = load_i8(clock, CLOCKS - 1)
        if rows > 0:
            for b in range(num_buffers):
                row = load_i8(clock, load_i8(buffers, 3 * b + 2))
                store_i8(cur, b, load_i8(buffers, 3 * b) + row * load_i8(buffers, 3 * b + 1))
            for i in range(length):
                run_one(code + 8 * CODE * i, cur, rows)


@njit(error_model="numpy")
def run_one(code, cur, rows):
    """One instruction: a kernel, or a product of the buffers of this step."""
    if load_i8(code, 0) == 0:
        call(load_i8(code, 1), (cur, rows))
    else:
        a = load_i8(cur, load_i8(code, 2)) + load_i8(code, 3)
        c = load_i8(cur, load_i8(code, 6)) + load_i8(code, 7)
        call(
            load_i8(code, 1),
            (
                a, load_i8(code, 4), load_i8(code, 5), c, load_i8(code, 8),
                rows * load_i8(code, 12), load_i8(code, 9), load_i8(code, 10), load_i8(code, 11),
            ),
        )  # fmt: skip


@njit(error_model="numpy")
def run_loop(data):
    """What every thread does: take shards until none is left."""
    shards = load_i8(data, 7)
    shard = take(data + 64)
    while shard < shards:
        run_shard(data, shard)
        shard = take(data + 64)
