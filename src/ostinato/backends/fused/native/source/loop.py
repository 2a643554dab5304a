"""The one time loop, as LLVM code: it reads tables, and knows no cell. `loop` makes the tables."""

# llvmlite's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

from llvmlite import ir

from ostinato.backends.fused.native.source.abi import BUFFER, CLOCK, CODE, COUNT, SPARE
from ostinato.backends.fused.native.source.int64 import (
    INT64,
    call,
    call_at,
    count,
    define,
    entry,
    read,
    take,
)


def define_one(module: ir.Module) -> ir.Function:
    """One instruction: a kernel, or a product of the buffers of this step."""
    function, b, (code, cur, rows) = define(module, "run_one", 3)
    kind, address = read(code, 2)
    with b.if_else(kind.test("==", 0)) as (kernel, product):
        with kernel:
            call_at(address, cur, rows)
        with product:
            numbers = read(code, CODE)
            a = entry(cur, numbers[2]) + numbers[3]
            c = entry(cur, numbers[6]) + numbers[7]
            given = [
                a, numbers[4], numbers[5], c, numbers[8], rows * numbers[12], numbers[9],
                numbers[10], numbers[11],
            ]  # fmt: skip
            call_at(address, *given)
    b.ret_void()
    return function


def define_shard(module: ir.Module) -> ir.Function:
    """All steps of one range of rows: advance the addresses, then kernels and products in turn."""
    run_one = define_one(module)
    function, b, (data, shard) = define(module, "run_shard", 2)
    steps, num_buffers, buffers, clocks, code, length, tables, shards = read(data, 8)
    cur = tables + (num_buffers + SPARE) * shard * 8
    with count(0, steps) as t:
        clock = clocks + (t * shards + shard) * (8 * CLOCK)
        rows = entry(clock, COUNT)
        with b.if_then(rows.test("!=", 0)):
            with count(0, num_buffers) as buffer:
                start, step, counter = read(buffers + buffer * (8 * BUFFER), BUFFER)
                moved = start + entry(clock, counter) * step
                b.store(moved.value, (cur + buffer * 8).pointer(INT64))
            with count(0, length) as i:
                call(run_one, code + i * (8 * CODE), cur, rows)
    b.ret_void()
    return function


def write_llvm() -> str:
    """The text of `run_loop`, what every thread does: take shards until none is left."""
    module = ir.Module()
    run_shard = define_shard(module)
    _, b, (data,) = define(module, "run_loop", 1)
    shards = entry(data, 7)
    with count(0, shards):
        shard = take(data + 64)
        with b.if_then(shard.test("<", shards)):
            call(run_shard, data, shard)
    b.ret_void()
    return str(module)
