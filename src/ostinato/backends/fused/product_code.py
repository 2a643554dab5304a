"""The loops of products and of packing round the tiles, as LLVM code.

Imported only to build; `product` says what the functions do.
"""

from __future__ import annotations

from llvmlite import ir

from ostinato.backends.fused.tile import (
    NUMBERS,
    PANEL_BYTES,
    SIZES,
    choose_panels,
    define_tiles,
    load,
    max_rows,
    store,
    vector,
    width,
)
from ostinato.backends.fused.whole import Whole, call, choose, count, define

DEPTH_BLOCK = 512
"""Rows of a panel at a time: at 64 bytes each they fill a first-level cache of 32 KB."""
ROW_BLOCK = 192
"""Rows of A at a time: with DEPTH_BLOCK float32 numbers each they stay in a second-level cache."""
PACK_BLOCK = 32
"""Rows of W^T at a time, where a panel takes 64 bytes of each: few pages for all panels."""


def define_tile_rows(module: ir.Module, kind: str) -> ir.Function:
    """Tiles of equal rows: all of them with the same panels, then with the next ones."""
    tile = define_tiles(module, kind)
    function, builder, given = define(module, f"tile_rows_{kind}", 12)
    a, a_row, a_column, packed, panel, c, c_row, depth, accumulate, tiles, rows, panels = given
    most = choose_panels(rows)
    groups = panels.up(most)
    with count(0, groups) as group:
        # the first of equal shares: floor(group * panels / groups)
        first = group * panels // groups
        share = (group + 1) * panels // groups - first
        weights, columns = packed + first * panel, c + first * PANEL_BYTES
        with count(0, tiles) as t:
            row = t * rows
            call(
                tile, a + row * a_row, a_row, a_column, weights, panel,
                columns + row * c_row, c_row, depth, accumulate, rows, share,
            )  # fmt: skip
    builder.ret_void()
    return function


def define_product(module: ir.Module, kind: str) -> None:
    """Blocks of rows, of each the blocks of the depth, of each tiles of two heights."""
    tile_rows = define_tile_rows(module, kind)
    function, builder, given = define(module, f"strided_{kind}", 10)
    a, a_row, a_column, packed, c, c_row, rows, columns, depth, accumulate = given
    size = SIZES[kind]
    panels, panel = columns.up(width(kind)), depth * PANEL_BYTES
    a_bytes, c_bytes = a_row * size, c_row * size
    with count(0, rows, ROW_BLOCK) as row, count(0, depth, DEPTH_BLOCK) as start:
        height = (rows - row).at_most(ROW_BLOCK)
        tiles = height.up(max_rows())
        low = height // tiles
        taller = height - low * tiles
        above = taller * (low + 1)
        weights = packed + start * PANEL_BYTES
        block = (depth - start).at_most(DEPTH_BLOCK)
        add = choose(start.test("==", 0), accumulate, 1)
        corner = a + row * a_bytes + start * a_column * size
        for first, number, tall in ((row * 0, taller, low + 1), (above, tiles - taller, low)):
            call(
                tile_rows, corner + first * a_bytes, a_bytes, a_column, weights, panel,
                c + (row + first) * c_bytes, c_bytes, block, add, number, tall, panels,
            )  # fmt: skip
    builder.ret_void()

    _, builder, (a, a_row, *rest) = define(module, f"product_{kind}", 9)
    call(function, a, a_row, 1, *rest)
    builder.ret_void()


def define_pack_some(module: ir.Module, kind: str) -> ir.Function:
    """Rows `first` to `last` of one panel, number by number, with zeros beyond the columns."""
    function, builder, given = define(module, f"pack_some_{kind}", 7)
    w, row_bytes, column_bytes, columns, first, last, out = given
    number = NUMBERS[kind]
    with count(first, last) as k:
        at, to = w + k * column_bytes, out + k * PANEL_BYTES
        store(kind, ir.Constant(vector(kind), None), to)
        with count(0, columns) as j:
            value = builder.load((at + j * row_bytes).pointer(number))
            builder.store(value, (to + j * SIZES[kind]).pointer(number))
    builder.ret_void()
    return function


def define_pack(module: ir.Module, kind: str) -> None:
    """Whole panels by vectors where rows or columns of W are contiguous, the rest by numbers."""
    some = define_pack_some(module, kind)
    _, builder, (w, row, column, columns, depth, out) = define(module, f"pack_{kind}", 6)
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
        define_product(module, kind)
        define_pack(module, kind)
    return str(module)
