"""How fast products and scalar functions are: own against torch, in turn, by median ratio.

Run: python benchmarks/product.py [small] [large] [maths]. Times of one line belong together;
across lines a machine may have changed its speed.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import torch
from torch import Tensor

from ostinato.backends.fused.native import dense, product
from ostinato.backends.fused.native.compile import compile_text
from ostinato.backends.fused.native.source import maths

ROWS = (1, 2, 3, 4, 8, 10, 16, 20, 64, 256)
WEIGHTS = ((2600, 650), (512, 128), (800, 200), (104, 26))
LARGE = ((960, 512, 128), (3200, 256, 64), (6400, 512, 128), (1000, 800, 200), (700, 2600, 650),
         (12800, 1024, 256))  # fmt: skip
KINDS = {"f4": torch.float32, "f8": torch.float64}
FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "sin", "sqrt", "rsqrt")
ELEMENTS = 4096


def race(own: Callable[[], object], other: Callable[[], object]) -> tuple[float, float, float]:
    """Seconds of both at their best, and the median of how much longer the other takes."""
    pairs = []
    until = time.perf_counter() + 0.15
    while len(pairs) < 9 or time.perf_counter() < until:
        times = [time.perf_counter()]
        for action in (own, other):
            action()
            times.append(time.perf_counter())
        pairs.append((times[1] - times[0], times[2] - times[1]))
    ratio = median(b / a for a, b in pairs)
    return min(a for a, _ in pairs), min(b for _, b in pairs), ratio


def show(label: str, work: float, raced: tuple[float, float, float]) -> None:
    """One line: own and torch's rates in units of the work, and the ratio."""
    own, other, ratio = raced
    print(f"{label:36} own {work / own:8.2f}  torch {work / other:8.2f}  ratio {ratio:5.2f}")


def c_function(name: str, kind: str) -> Callable[..., None]:
    """One of the functions of `product`."""
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * product.ARGUMENTS[name])(
        product.address(name, kind)
    )


def small(kind: str) -> None:
    """Products on packed weights, as in the time loop: one thread."""
    print(f"\nA [rows, K] W^T, W packed, {kind}, one thread, GFLOP/s")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for columns, depth in WEIGHTS:
        w = torch.randn(columns, depth, dtype=KINDS[kind])
        packed = w.new_empty(product.packed_size(columns, depth, kind))
        c_function("pack", kind)(w.data_ptr(), depth, 1, columns, depth, packed.data_ptr())
        for rows in ROWS:
            a, out = w.new_empty(rows, depth).normal_(), w.new_empty(rows, columns)
            room = product.padded(columns, kind)
            c = w.new_empty(rows, room)
            own = partial(
                c_function("product", kind), a.data_ptr(), depth, packed.data_ptr(), c.data_ptr(),
                room, rows, columns, depth, 0,
            )  # fmt: skip
            label = f"rows {rows} N {columns} K {depth}"
            raced = race(own, partial(torch.mm, a, w.t(), out=out))
            show(label, 2e-9 * rows * columns * depth, raced)
    torch.set_num_threads(threads)


def large(kind: str) -> None:
    """The products outside the time loop, packing included: all threads."""
    print(f"\nlarge, {kind}, {torch.get_num_threads()} threads, GFLOP/s")
    for rows, columns, depth in LARGE:
        x = torch.randn(rows, depth, dtype=KINDS[kind])
        w, dy = x.new_empty(columns, depth).normal_(), x.new_empty(rows, columns).normal_()
        pairs: dict[str, tuple[Tensor, Tensor]] = {
            "y = x W^T": (x, w),
            "dx = dy W": (dy, w.t()),
            "dW = dy^T x": (dy.t(), x.t()),
        }
        for label, (left, right) in pairs.items():
            out = x.new_empty(left.shape[0], right.shape[0])
            raced = race(
                partial(dense.matmul, left, right, out),
                partial(torch.mm, left, right.t(), out=out),
            )
            show(f"{label} {rows} {columns} {depth}", 2e-9 * rows * columns * depth, raced)


def scalars(kind: str) -> None:
    """Scalar functions in a loop over numbers in the first-level cache: one thread."""
    print(f"\nfunctions, {kind}, one thread, elements a nanosecond")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    text = ""
    for name in FUNCTIONS:
        assert hasattr(maths, name)
        text += f"""
def {name}_all(cur, rows):
    x, y = load_i8(cur, 0), load_i8(cur, 1)
    for j in lanes_{kind}({ELEMENTS}):
        store_{kind}(y, j, {name}(load_{kind}(x, j)))
"""
    found = compile_text(text, [f"{name}_all" for name in FUNCTIONS])
    x = torch.rand(ELEMENTS, dtype=KINDS[kind]) * 8
    y = torch.empty_like(x)
    table = np.array([x.data_ptr(), y.data_ptr()])
    for name in FUNCTIONS:
        kernel = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(found[f"{name}_all"])
        own = partial(kernel, table.ctypes.data, 1)
        show(name, ELEMENTS * 1e-9, race(own, partial(getattr(torch, name), x, out=y)))
    torch.set_num_threads(threads)


def main() -> None:
    parts = {"small": small, "large": large, "maths": scalars}
    for part in sys.argv[1:] or parts:
        for kind in KINDS:
            parts[part](kind)


if __name__ == "__main__":
    main()
