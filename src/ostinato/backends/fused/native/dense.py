"""Large products on torch's threads: what is hoisted out of the time loop, as calls of a script.

Packing and multiplying are cut into shares, which threads take as they come. The same products on
every machine and in every process: a run that is resumed elsewhere gives the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.backends.fused.native import parallel
from ostinato.backends.fused.native.product import address, packed_size, padded
from ostinato.backends.fused.native.script import Ref, Script
from ostinato.backends.fused.native.source.abi import PANEL, PANEL_BYTES
from ostinato.backends.fused.native.source.machine import depth_block, row_block

KINDS = {torch.float32: "f4", torch.float64: "f8"}
SHARES = 4
"""Shares a thread, so that one which another process holds up delays the others little."""
WIDE = 96
"""Columns of a product from which it pays to gather the rows of a first."""
SMALL = 500_000
"""Multiplications that one thread does in the time of starting others."""


@dataclass(frozen=True)
class Matrix:
    """Numbers at an address, row and column strides counted in numbers."""

    at: Ref
    row: int
    column: int = 1

    @property
    def transposed(self) -> Matrix:
        return Matrix(self.at, self.column, self.row)


def pack(
    script: Script, w: Matrix, packed: Ref, columns: int, depth: int, kind: str, threads: int
) -> None:
    """Pack w [columns, depth] for products, which takes `product.packed_size` numbers."""
    step = share(columns, PANEL[kind], threads if columns * depth > SMALL // 8 else 1)
    shares = -(-columns // step)
    table = script.table(0, shares, step, w.at, w.row, w.column, columns, depth, packed)
    script.call(address("pack_share", kind), table, shares)


def multiply(
    script: Script, a: Matrix, w: Ref | Matrix, c: Matrix, size: tuple[int, int, int], kind: str,
    threads: int, start: Matrix | None = None, room: Ref | None = None,
) -> None:  # fmt: skip
    """c [rows, columns] = a [rows, depth] times what is packed, added to start where there is one.

    ``w`` is what is packed, or where it lies as [depth, columns] with rows of whole panels, to be
    read from there: of few rows of a, packing would be most of the work.
    ``size`` is (rows, columns, depth). Strides of a may be any; columns of c and start lie side by
    side. The start may be c itself, or one row for all. With ``room`` for `gather_size` numbers,
    the rows of an a that is read as its transpose are gathered first, block by block.
    """
    begin = start or c
    rows, columns, depth = size
    gathered = room is not None and a.row == 1 and a.column != 1 and columns >= WIDE
    if rows * columns * depth <= SMALL:
        threads = 1
    row_step, column_step = rows, padded(columns, kind)
    if rows >= columns:
        # a multiple of the rows of all tiles
        row_step = share(rows, 24, threads)
    else:
        column_step = share(columns, PANEL[kind], threads)
    if isinstance(w, Matrix):
        packed, panel, step = w.at, PANEL_BYTES, w.row
    else:
        packed, panel, step = w, depth * PANEL_BYTES, PANEL[kind]
    shares = -(-rows // row_step) * -(-columns // column_step)
    table = script.table(
        0, shares, row_step, column_step, a.at, a.row, a.column, packed, c.at, c.row, begin.at,
        begin.row, rows, columns, depth, int(start is not None), 0,
        room if gathered and room is not None else 0, panel, step,
    )  # fmt: skip
    script.call(address("product_share", kind), table, shares)


def gather_size(threads: int) -> int:
    """The numbers that `multiply` needs room for, to gather the rows of a."""
    return threads * depth_block() * row_block()


def share(length: int, unit: int, threads: int) -> int:
    """The length of one share, in whole units."""
    parts = 1 if threads == 1 else threads * SHARES
    return -(-length // (parts * unit)) * unit


def matmul(a: Tensor, w: Tensor, out: Tensor, *, accumulate: bool = False) -> Tensor:
    """out [M, N] = a [M, K] w^T for w [N, K], or out += that: one product, to be tried alone.

    Nothing is empty, and strides may be any but the last of `out`, which is 1.
    """
    kind, threads = KINDS[a.dtype], parallel.num_threads()
    (rows, depth), columns = a.shape, w.shape[0]
    packed = a.new_empty(packed_size(columns, depth, kind))
    script = Script()
    pack(script, Matrix(Ref("w"), *w.stride()), Ref("packed"), columns, depth, kind, threads)
    size = (rows, columns, depth)
    room = a.new_empty(gather_size(threads))
    left, into = Matrix(Ref("a"), *a.stride()), Matrix(Ref("out"), *out.stride())
    start = into if accumulate else None
    multiply(script, left, Ref("packed"), into, size, kind, threads, start, Ref("room"))
    blocks = {"a": a, "w": w, "out": out, "packed": packed, "room": room}
    ready = script.finish()
    ready.run([blocks[str(name)].data_ptr() for name in ready.blocks])
    return out
