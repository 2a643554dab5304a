"""What a script runs beside loops and products, as LLVM code: its calls in turn, and moves.

Imported only to build; `script` says what the functions do.
"""

# llvmlite's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

from llvmlite import ir

from ostinato.backends.fused.native.source.abi import HEAD, SIZES
from ostinato.backends.fused.native.source.int64 import (
    INT64,
    call,
    call_at,
    choose,
    count,
    define,
    entry,
    read,
    take,
)
from ostinato.backends.fused.native.source.scalars import FLOATS

THREADS = ir.FunctionType(ir.VoidType(), [INT64, INT64, ir.IntType(32), ir.IntType(32)])
"""OpenMP's: function, data, number of threads, flags."""


def define_place(module: ir.Module) -> ir.Function:
    """Copy the words of a script to where they are its own, and put its addresses in."""
    copy = module.declare_intrinsic(
        "llvm.memcpy", [ir.IntType(8).as_pointer(), ir.IntType(8).as_pointer(), INT64]
    )
    function, b, (data,) = define(module, "place", 1)
    words, length, spots, number, _, own_bytes = read(data + 16, 6)
    own, byte = data + own_bytes, ir.IntType(8)
    b.call(copy, [own.pointer(byte), words.pointer(byte), (length * 8).value, ir.IntType(1)(0)])
    with count(0, number) as i:
        at, block, offset, factor = read(spots + i * 32, 4)
        # the first block is the words themselves
        base = choose(block.test("==", 0), own, entry(data, block + (HEAD - 1)))
        b.store((base * factor + offset).value, (own + at * 8).pointer(INT64))
    b.ret_void()
    return function


def define_run(module: ir.Module) -> None:
    """Every call of a script: on this thread, or on OpenMP's where it comes in several shares."""
    place = define_place(module)
    _, b, (data,) = define(module, "run", 1)
    call(place, data)
    openmp, threads, _, _, _, _, start, own_bytes = read(data, 8)
    listed = data + own_bytes + start
    with count(0, entry(listed, 0)) as i:
        function, given, shares = read(listed + (i * 3 + 1) * 8, 3)
        alone = b.or_(shares.test("==", 1), threads.test("==", 1))
        with b.if_else(alone) as (here, everywhere):
            with here:
                call_at(function, given)
            with everywhere:
                number = b.trunc(threads.value, ir.IntType(32))
                team = openmp.pointer(THREADS)
                b.call(team, [function.value, given.value, number, ir.IntType(32)(0)])
    b.ret_void()


def define_copy(module: ir.Module) -> None:
    """Rows from one place to another, in order or by an index, in shares of so many rows.

    An index of -1 stands for zeros.
    """
    clear = module.declare_intrinsic("llvm.memset", [ir.IntType(8).as_pointer(), INT64])
    copy = module.declare_intrinsic(
        "llvm.memcpy", [ir.IntType(8).as_pointer(), ir.IntType(8).as_pointer(), INT64]
    )
    _, b, (data,) = define(module, "copy", 1)
    shares, step, to, to_row, at, at_row, index, rows, size = read(data, 10)[1:]
    with count(0, shares):
        first = take(data) * step
        with b.if_then(first.test("<", rows)), count(first, (first + step).at_most(rows)) as row:
            # without an index the load is of the data itself, and not used
            indexed = index.test("!=", 0)
            number = read(choose(indexed, index + row * 8, data), 1)[0]
            source = at + choose(indexed, number, row) * at_row
            target = to + row * to_row
            byte = ir.IntType(8)
            with b.if_else(b.and_(indexed, number.test("==", -1))) as (without, there):
                with without:
                    end = [size.value, ir.IntType(1)(0)]
                    b.call(clear, [target.pointer(byte), byte(0), *end])
                with there:
                    end = [size.value, ir.IntType(1)(0)]
                    b.call(copy, [target.pointer(byte), source.pointer(byte), *end])
    b.ret_void()


def define_clear(module: ir.Module) -> None:
    """Zeros over some bytes."""
    clear = module.declare_intrinsic("llvm.memset", [ir.IntType(8).as_pointer(), INT64])
    _, b, (data,) = define(module, "clear", 1)
    at, size = read(data, 2)
    byte = ir.IntType(8)
    b.call(clear, [at.pointer(byte), byte(0), size.value, ir.IntType(1)(0)])
    b.ret_void()


def define_sum(module: ir.Module, kind: str) -> None:
    """The sum of rows that lie one below another, or that added to what is there."""
    _, b, (data,) = define(module, f"sum_{kind}", 1)
    to, at, row_bytes, rows, columns, accumulate = read(data, 6)
    number = FLOATS[kind]
    with count(0, columns) as j:
        target = (to + j * SIZES[kind]).pointer(number)
        with b.if_then(accumulate.test("==", 0)):
            b.store(ir.Constant(number, 0.0), target)
        with count(0, rows) as r:
            entry = (at + r * row_bytes + j * SIZES[kind]).pointer(number)
            b.store(b.fadd(b.load(target), b.load(entry)), target)
    b.ret_void()


def write_llvm() -> str:
    """The text of all functions, for `build`."""
    module = ir.Module()
    define_run(module)
    define_copy(module)
    define_clear(module)
    for kind in SIZES:
        define_sum(module, kind)
    return str(module)
