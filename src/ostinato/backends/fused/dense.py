"""Large products on torch's threads: what is hoisted out of the time loop.

Packing and multiplying are cut into shares, which threads take as they come. On CPUs for which
MKL has no code of its own this is two to three times as fast as torch.mm; elsewhere it may be
level with it, so `is_faster` measures once on a machine; `wins` is what to ask.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ostinato.backends.fused import compile, parallel
from ostinato.backends.fused.product import PANEL, address, packed_size, padded

KINDS = {torch.float32: "f4", torch.float64: "f8"}
SHARES = 4
"""Shares a thread, so that one which another process holds up delays the others little."""
SMALL = 500_000
"""Multiplications that one thread does in the time of starting others."""


def matmul(a: Tensor, w: Tensor, out: Tensor, *, accumulate: bool = False) -> Tensor:
    """out [M, N] = a [M, K] w^T for w [N, K], or out += that: torch.mm(a, w.t(), out=out).

    All strides may be any but the last of `out`, which is 1. Gradients of weights are
    ``matmul(dy.t(), x.t(), out)``. No gradients are recorded.
    """
    kind = KINDS[a.dtype]
    (rows, depth), columns = a.shape, w.shape[0]
    assert w.dtype == out.dtype == a.dtype
    assert w.shape[1] == depth
    assert tuple(out.shape) == (rows, columns)
    if 0 in (rows, depth, columns):
        return out if accumulate else out.zero_()
    threads = parallel.num_threads() if rows * depth * columns > SMALL else 1
    packed = a.new_empty(packed_size(columns, depth, kind))
    pack(w, packed, kind, threads)
    multiply(a, packed, out, kind, threads, accumulate)
    return out


def pack(w: Tensor, packed: Tensor, kind: str, threads: int) -> None:
    """Pack w [N, K] for `multiply`."""
    columns, depth = w.shape
    step = share(columns, PANEL[kind], threads)
    shares = -(-columns // step)
    numbers = (w.data_ptr(), *w.stride(), columns, depth, packed.data_ptr())
    data = np.array((0, shares, step, *numbers), np.int64)
    parallel.run(address("pack_share", kind), data.ctypes.data, min(shares, threads))


def multiply(
    a: Tensor, packed: Tensor, out: Tensor, kind: str, threads: int, accumulate: bool
) -> None:
    """out = a times what is packed: cut by rows, or by columns where these are more."""
    (rows, depth), columns = a.shape, out.shape[1]
    row_step, column_step = rows, padded(columns, kind)
    if rows >= columns:
        # a multiple of the rows of all tiles
        row_step = share(rows, 12, threads)
    else:
        column_step = share(columns, PANEL[kind], threads)
    shares = -(-rows // row_step) * -(-columns // column_step)
    numbers = (
        a.data_ptr(), *a.stride(), packed.data_ptr(), out.data_ptr(), out.stride(0),
        rows, columns, depth, int(accumulate),
    )  # fmt: skip
    data = np.array((0, shares, row_step, column_step, *numbers), np.int64)
    parallel.run(address("product_share", kind), data.ctypes.data, min(shares, threads))


def share(length: int, unit: int, threads: int) -> int:
    """The length of one share, in whole units."""
    parts = 1 if threads == 1 else threads * SHARES
    return -(-length // (parts * unit)) * unit


def wins(rows: int, columns: int, depth: int) -> bool:
    """Whether to take `matmul` rather than torch.mm for so large a product.

    Where a panel would be mostly empty, or where the calls take longer than the work, torch.mm is
    better.
    """
    return min(rows, columns, depth) >= 8 and rows * columns * depth > 2 * SMALL and is_faster()


@functools.cache
def is_faster() -> bool:
    """Whether `matmul` beats torch.mm on this machine, measured once and noted on the disk."""
    note = compile.cache_directory() / f"matmul-{compile.key_of('matmul')[:16]}"
    try:
        return note.read_text() == "faster"
    except OSError:
        faster = measure()
        compile.write(note, b"faster" if faster else b"slower")
        return faster


def measure() -> bool:
    """Race the two, in turn, at the size of a hoisted product: some milliseconds."""
    a, w, out = torch.randn(640, 256), torch.randn(512, 256), torch.empty(640, 512)
    own, other = [], []
    with torch.no_grad():
        for _ in range(8):
            own.append(stopwatch(lambda: matmul(a, w, out)))
            other.append(stopwatch(lambda: torch.mm(a, w.t(), out=out)))
    return min(own) < min(other)


def stopwatch(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
