"""Small products on packed weights: the C functions, by address.

Weights are packed once a call into panels of 64 bytes of columns; the product then runs a tile of
C in registers over the depth, at two to three times the speed of MKL where A has few rows, and
never below it. All arguments are int64: addresses, counts, and strides that count numbers (of
`kind` "f4" or "f8"), not bytes::

    product(a, a_row, packed, c, c_row, rows, columns, depth, accumulate)
        C [rows, columns] = A [rows, depth] W^T, or C += that where accumulate is 1
    padded(...)
        the same, faster where columns are no multiple of a panel: it writes `padded(columns)`
        numbers of each row of C, 0 (added) beyond the columns
    strided(a, a_row, a_column, packed, c, c_row, rows, columns, depth, accumulate)
        product of an A with any strides: D^T A is a product of D, transposed by its strides
    pack(w, row_stride, column_stride, columns, depth, out)
        W [columns, depth], a weight as torch has it; swap the strides for the backward product

Depth and rows are at least 1. Nothing needs alignment, and W, A and C do not overlap.
`packed_size` is what `out` has room for. `product_share` and `pack_share` do parts of these on
threads, for `dense`.
"""

from __future__ import annotations

import functools

from ostinato.backends.fused.compile import compile_text

PANEL_BYTES = 64
PANEL = {"f4": 16, "f8": 8}
"""Columns of a panel: 64 bytes."""

TEXT = "from ostinato.backends.fused.product_code import write_llvm\n"

ARGUMENTS = {
    "product": 9, "padded": 9, "strided": 10, "pack": 6, "product_share": 1, "pack_share": 1,
}  # fmt: skip


def padded(columns: int, kind: str) -> int:
    """The room of a row of C."""
    return -(-columns // PANEL[kind]) * PANEL[kind]


def packed_size(columns: int, depth: int, kind: str) -> int:
    """How many numbers W [columns, depth] takes when it is packed."""
    return padded(columns, kind) * depth


@functools.cache
def address(name: str, kind: str) -> int:
    """The address of one of these functions for one kind of numbers."""
    return compiled()[f"{name}_{kind}"]


@functools.cache
def compiled() -> dict[str, int]:
    """All functions, compiled together once on a machine."""
    signatures = {
        f"{name}_{kind}": f"void({', '.join(['int64'] * count)})"
        for name, count in ARGUMENTS.items()
        for kind in PANEL
    }
    return compile_text(TEXT, signatures)
