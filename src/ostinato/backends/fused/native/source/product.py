"""The loops of products and of packing round the tiles, as LLVM code.

Imported only to build; `product` says what the functions do.
"""

# llvmlite's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

from llvmlite import ir

from ostinato.backends.fused.native.source.abi import PANEL_BYTES, SIZES
from ostinato.backends.fused.native.source.int64 import (
    INT64,
    Whole,
    call,
    choose,
    count,
    define,
    read,
    take,
)
from ostinato.backends.fused.native.source.machine import depth_block, row_block
from ostinato.backends.fused.native.source.scalars import FLOATS
from ostinato.backends.fused.native.source.tile import (
    choose_panels,
    define_tiles,
    few_rows,
    load,
    max_rows,
    store,
    usual_rows,
    vector,
    width,
)

PACK_BLOCK = 32
"""Rows of W^T at a time, where a panel takes 64 bytes of each: few pages for all panels."""


def define_tile_rows(module: ir.Module, kind: str) -> ir.Function:
    """Tiles of equal rows: all of them with the same panels, then with the next ones."""
    tile = define_tiles(module, kind)
    function, builder, given = define(module, f"tile_rows_{kind}", 16)
    a, a_tile, a_row, a_column, packed, panel, step, c, c_row, start, start_row = given[:11]
    depth, accumulate, tiles, rows, panels = given[11:]
    most = choose_panels(rows)
    groups = panels.up(most)
    with count(0, groups) as group:
        # the first of equal shares: floor(group * panels / groups)
        first = group * panels // groups
        share = (group + 1) * panels // groups - first
        weights, across = packed + first * panel, first * PANEL_BYTES
        with count(0, tiles) as t:
            row = t * rows
            call(
                tile, a + t * a_tile, a_row, a_column, weights, panel, step,
                c + across + row * c_row, c_row, start + across + row * start_row, start_row, depth,
                accumulate, rows, share,
            )  # fmt: skip
    builder.ret_void()
    return function


def define_gather(module: ir.Module, kind: str) -> ir.Function:
    """Rows of A as tiles read them: of each tile, column after column of its rows.

    gather(a, a_row, a_column, tiles, rows, depth, out): a_row counts bytes, of rows that lie side
    by side in memory: those of a matrix that is read as its transpose.
    """
    function, builder, (*given, out) = define(module, f"gather_{kind}", 7)
    a, a_row, a_column, tiles, rows, depth = given
    end = builder.append_basic_block("end")
    chosen = builder.switch(rows.value, end)
    for height in range(1, max_rows() + 1):
        case = builder.append_basic_block(f"rows_{height}")
        chosen.add_case(INT64(height), case)
        builder.position_at_end(case)
        column = ir.VectorType(FLOATS[kind], height)
        with count(0, depth, PACK_BLOCK) as first, count(0, tiles) as t:
            last = (first + PACK_BLOCK).at_most(depth)
            at, to = a + t * a_row * height, out + t * depth * (height * SIZES[kind])
            with count(first, last) as k:
                numbers = builder.load(
                    (at + k * a_column * SIZES[kind]).pointer(column), align=SIZES[kind]
                )
                place = (to + k * (height * SIZES[kind])).pointer(column)
                builder.store(numbers, place, align=SIZES[kind])
        builder.branch(end)
    builder.position_at_end(end)
    builder.ret_void()
    return function


def define_block(module: ir.Module, kind: str) -> ir.Function:
    """Some rows over all the depth, in tiles of two heights that differ by one; row bytes.

    The first rows of the depth are added to `start`, where that is wanted, the others to C. With
    `room` for it, each block of A is gathered first.
    """
    tile_rows, gather = define_tile_rows(module, kind), define_gather(module, kind)
    function, builder, given = define(module, f"block_{kind}", 15)
    a, a_row, a_column, packed, panel, step, c, c_row, begin, begin_row, rows = given[:11]
    panels, depth, accumulate, room = given[11:]
    size, gathered = SIZES[kind], room.test("!=", 0)
    tallest = choose(rows.test("<=", few_rows()), rows * 0 + max_rows(), usual_rows())
    tiles = rows.up(tallest)
    low = rows // tiles
    taller = rows - low * tiles
    above = taller * (low + 1)
    with count(0, depth, depth_block()) as start:
        corner = a + start * a_column * size
        weights = packed + start * step * size
        block = (depth - start).at_most(depth_block())
        at_first = start.test("==", 0)
        add = choose(at_first, accumulate, 1)
        origin, origin_row = choose(at_first, begin, c), choose(at_first, begin_row, c_row)
        for first, number, tall in ((rows * 0, taller, low + 1), (above, tiles - taller, low)):
            own = room + first * block * size
            with builder.if_then(gathered):
                call(gather, corner + first * a_row, a_row, a_column, number, tall, block, own)
            call(
                tile_rows, choose(gathered, own, corner + first * a_row),
                choose(gathered, tall * block * size, tall * a_row),
                choose(gathered, tall * 0 + size, a_row), choose(gathered, tall, a_column),
                weights, panel, step, c + first * c_row, c_row,
                origin + first * origin_row, origin_row, block, add, number, tall, panels,
            )  # fmt: skip
    builder.ret_void()
    return function


def define_product(module: ir.Module, kind: str) -> ir.Function:
    """Block after block of rows; `direct` panels go to C, and part of one through a scratch."""
    block = define_block(module, kind)
    some, builder, given = define(module, f"some_{kind}", 16)
    a, a_row, a_column, packed, panel, step, c, c_row, start, start_row, rows = given[:11]
    columns, depth, accumulate, direct, room = given[11:]
    a_bytes, c_bytes, start_bytes = (row * SIZES[kind] for row in (a_row, c_row, start_row))
    panels = columns.up(width(kind))
    space = ir.ArrayType(vector(kind), row_block())
    scratch = Whole(builder, builder.ptrtoint(builder.alloca(space), a.value.type))
    with count(0, rows, row_block()) as row:
        height = (rows - row).at_most(row_block())
        at, to, begin = a + row * a_bytes, c + row * c_bytes, start + row * start_bytes
        call(
            block, at, a_bytes, a_column, packed, panel, step, to, c_bytes, begin, start_bytes,
            height, direct, depth, accumulate, room,
        )  # fmt: skip
        with builder.if_then(direct.test("<", panels)):
            last = packed + direct * panel
            bytes_apart = row * 0 + PANEL_BYTES
            call(
                block, at, a_bytes, a_column, last, panel, step, scratch, bytes_apart, scratch,
                bytes_apart, height, row * 0 + 1, depth, 0, room,
            )  # fmt: skip
            rest, across = columns - direct * width(kind), direct * PANEL_BYTES
            copy_part(
                kind, scratch, (to + across, c_bytes), (begin + across, start_bytes),
                (height, rest), accumulate,
            )  # fmt: skip
    builder.ret_void()

    _, builder, given = define(module, f"strided_{kind}", 10)
    packed = (given[8] * PANEL_BYTES, width(kind))
    call(some, *given[:4], *packed, *given[4:6], *given[4:], given[7] // width(kind), 0)
    builder.ret_void()
    for name in ("product", "padded"):
        _, builder, (a, a_row, *others) = define(module, f"{name}_{kind}", 9)
        columns = others[4]
        direct = columns.up(width(kind)) if name == "padded" else columns // width(kind)
        packed = (others[5] * PANEL_BYTES, width(kind))
        call(some, a, a_row, 1, others[0], *packed, *others[1:3], *others[1:], direct, 0)
        builder.ret_void()
    return some


def copy_part(
    kind: str,
    scratch: Whole,
    to: tuple[Whole, Whole],
    start: tuple[Whole, Whole],
    size: tuple[Whole, Whole],
    add: Whole,
) -> None:
    """C = (start +) the first columns of a panel; matrices as corner and bytes a row."""
    b = scratch.builder
    (c, c_row), (begin, begin_row), (rows, columns) = to, start, size
    with count(0, rows) as row, count(0, columns) as column:
        there = column * SIZES[kind]
        value = b.load((scratch + row * PANEL_BYTES + there).pointer(FLOATS[kind]))
        place = (c + row * c_row + there).pointer(FLOATS[kind])
        with b.if_else(add.test("!=", 0)) as (more, alone):
            with more:
                old = b.load((begin + row * begin_row + there).pointer(FLOATS[kind]))
                b.store(b.fadd(old, value), place)
            with alone:
                b.store(value, place)


def define_shares(module: ir.Module, kind: str, some: ir.Function, pack: ir.Function) -> None:
    """Parts of a product or of packing, for as many threads as come; see `dense`."""
    _, b, (data,) = define(module, f"product_share_{kind}", 1)
    _, row_step, column_step, *numbers, _, room, panel, step = read(data, 20)[1:]
    a, a_row, a_column, packed, c, c_row, start, start_row, *sizes = numbers
    rows, columns, depth, accumulate = sizes
    # of the rows that there are, which may be fewer than those that the steps were chosen for
    row_shares = rows.up(row_step)
    shares = row_shares * columns.up(column_step)
    # each thread that comes has a part of the room to itself
    slot = take(data + 16 * 8)
    own = choose(room.test("!=", 0), room + slot * (row_block() * depth_block() * SIZES[kind]), 0)
    with count(0, shares):
        share = take(data)
        column, row = share // row_shares * column_step, share % row_shares * row_step
        with b.if_then(share.test("<", shares)):
            size = SIZES[kind]
            here = (columns - column).at_most(column_step)
            call(
                some, a + row * a_row * size, a_row, a_column,
                packed + column // width(kind) * panel, panel, step,
                c + (row * c_row + column) * size, c_row,
                start + (row * start_row + column) * size, start_row,
                (rows - row).at_most(row_step), here, depth, accumulate, here // width(kind), own,
            )  # fmt: skip
    b.ret_void()

    _, b, (data,) = define(module, f"pack_share_{kind}", 1)
    shares, step, w, row, column, columns, depth, out = read(data, 9)[1:]
    with count(0, shares):
        first = take(data) * step
        with b.if_then(first.test("<", columns)):
            size = SIZES[kind]
            call(
                pack, w + first * row * size, row, column, (columns - first).at_most(step), depth,
                out + first * depth * size,
            )  # fmt: skip
    b.ret_void()


def define_pack_some(module: ir.Module, kind: str) -> ir.Function:
    """Rows `first` to `last` of one panel, number by number, with zeros beyond the columns."""
    function, builder, given = define(module, f"pack_some_{kind}", 7)
    w, row_bytes, column_bytes, columns, first, last, out = given
    number = FLOATS[kind]
    with count(first, last) as k:
        at, to = w + k * column_bytes, out + k * PANEL_BYTES
        store(kind, ir.Constant(vector(kind), None), to)
        with count(0, columns) as j:
            value = builder.load((at + j * row_bytes).pointer(number))
            builder.store(value, (to + j * SIZES[kind]).pointer(number))
    builder.ret_void()
    return function


def define_pack(module: ir.Module, kind: str) -> ir.Function:
    """Whole panels by vectors where rows or columns of W are contiguous, the rest by numbers."""
    some = define_pack_some(module, kind)
    function, builder, given = define(module, f"pack_{kind}", 6)
    w, row, column, columns, depth, out = given
    row_bytes, column_bytes = row * SIZES[kind], column * SIZES[kind]
    whole, panel = columns // width(kind), depth * PANEL_BYTES

    def pack_rest(panels: Whole, taken: Whole, done: Whole) -> None:
        at = w + panels * width(kind) * row_bytes
        call(some, at, row_bytes, column_bytes, taken, done, depth, out + panels * panel)

    with builder.if_else(row.test("==", 1)) as (straight, other):
        with straight:
            copy_panels(kind, w, column_bytes, depth, whole, out)
        with other, builder.if_else(column.test("==", 1)) as (across, any_other):
            with across:
                squares = depth // width(kind) * width(kind)
                with count(0, whole) as p:
                    at = w + p * width(kind) * row_bytes
                    with count(0, squares, width(kind)) as k:
                        to = out + p * panel + k * PANEL_BYTES
                        transpose(kind, at + k * SIZES[kind], row_bytes, to)
                    pack_rest(p, p * 0 + width(kind), squares)
            with any_other, count(0, whole) as p:
                pack_rest(p, p * 0 + width(kind), p * 0)
    rest = columns - whole * width(kind)
    with builder.if_then(rest.test("!=", 0)):
        pack_rest(whole, rest, rest * 0)
    builder.ret_void()
    return function


def copy_panels(
    kind: str, w: Whole, column_bytes: Whole, depth: Whole, panels: Whole, out: Whole
) -> None:
    """Whole panels of a W whose columns are contiguous."""
    with count(0, depth, PACK_BLOCK) as first:
        last = (first + PACK_BLOCK).at_most(depth)
        with count(0, panels) as p, count(first, last) as k:
            value = load(kind, w + k * column_bytes + p * PANEL_BYTES)
            store(kind, value, out + (p * depth + k) * PANEL_BYTES)


def transpose(kind: str, w: Whole, row_bytes: Whole, out: Whole) -> None:
    """A square of the width of a panel: rows i and i + n / 2 are interleaved, log2(n) times."""
    n = width(kind)
    lanes = ir.VectorType(ir.IntType(32), n)
    low = [i // 2 + n * (i % 2) for i in range(n)]
    masks = [ir.Constant(lanes, [lane + shift for lane in low]) for shift in (0, n // 2)]
    rows = [load(kind, w + row_bytes * r) for r in range(n)]
    for _ in range(n.bit_length() - 1):
        pairs = zip(rows[: n // 2], rows[n // 2 :], strict=True)
        rows = [w.builder.shuffle_vector(a, b, mask) for a, b in pairs for mask in masks]
    for r, row in enumerate(rows):
        store(kind, row, out + r * PANEL_BYTES)


def write_llvm() -> str:
    """The text of all functions, for `build`."""
    module = ir.Module()
    for kind in SIZES:
        define_shares(module, kind, define_product(module, kind), define_pack(module, kind))
    return str(module)
