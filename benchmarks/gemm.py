"""How near an LSTM comes to the speed of plain matrix products on this machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks.contestants import Layer, Size
from benchmarks.markdown import numbers, rate, table
from benchmarks.part import Part, Row
from benchmarks.race import Effort, Race, race
from ostinato.backends.fused.native import dense

SIZES: tuple[Size, ...] = (
    (10, 80, 300, 300),
    (100, 128, 256, 256),
    (50, 64, 512, 512),
    (20, 64, 1024, 1024),
)
SQUARE = 2048
"""Large enough for any library to be at its best."""
HEADINGS = (
    "T, B, I, H", "fused LSTM, GFLOP/s", "its large products: torch.mm, NumPy, own",
    f"{SQUARE} squared: torch.mm, NumPy, own", "share of torch.mm", "of the fastest",
)  # fmt: skip

Product = Callable[[Tensor, Tensor], object]
LIBRARIES: dict[str, Product] = {
    "torch": torch.mm,
    "numpy": lambda a, b: np.matmul(a.numpy(), b.numpy()),
    "own": lambda a, b: dense.matmul(a, b.t(), a.new_empty(a.shape[0], b.shape[1])),
}
"""A [M, K] times B [K, N], by those who have a product of their own."""


def measure(effort: Effort) -> list[Row]:
    """A row for each size."""
    sizes = ((2, 64, 256, 256),) if effort.quick else SIZES
    return [row(size, 256 if effort.quick else SQUARE, effort) for size in sizes]


def row(size: Size, square: int, effort: Effort) -> Row:
    """The rate of the layer, and of the libraries at its own products and at their best."""
    layer = Layer("LSTM", size)
    pairs, matrix = products(layer), torch.randn(square, square)
    works = {name: lambda by=by: [by(*pair) for pair in pairs] for name, by in LIBRARIES.items()}
    squares = {f"{n} square": lambda by=by: by(matrix, matrix) for n, by in LIBRARIES.items()}
    works = {**layer.training(("fused",)), **works, **squares}
    # the threads of NumPy's BLAS spin for long after a product: it comes when the others are done
    last = {name: works.pop(name) for name in ("numpy", "numpy square")}
    found = Race({**race(works, effort).times, **race(last, effort).times})
    work = 2e-9 * sum(a.shape[0] * a.shape[1] * b.shape[1] for a, b in pairs)
    return {
        "size": size,
        "gflops": 3e-9 * layer.operations / found.seconds("fused"),
        "products": {name: work / found.seconds(name) for name in LIBRARIES},
        "square": {n: 2e-9 * square**3 / found.seconds(f"{n} square") for n in LIBRARIES},
    }


def products(layer: Layer) -> list[tuple[Tensor, Tensor]]:
    """What an LSTM multiplies once for all steps: x W, and the gradients of x, W and U."""
    num_steps, batch_size, _, hidden_size = layer.size
    x = layer.xs.detach().flatten(0, 1)
    w, u, *_ = layer.weights
    # rows of gates, and of h
    dz = torch.randn(num_steps * batch_size, len(u))
    h = torch.randn(num_steps * batch_size, hidden_size)
    return [(x, w.t()), (dz, w), (dz.t(), x), (dz.t(), h)]


def show(rows: list[Row]) -> list[str]:
    """Every size."""
    return table(HEADINGS, map(line, rows))


def line(row: Row) -> list[str]:
    """A row of the table. The machine's own rate is what a library reaches on these products."""
    rates, best = row["products"], row["square"]
    fastest = max(*rates.values(), *best.values())
    return [
        numbers(row["size"]),
        rate(row["gflops"]),
        ", ".join(rate(rates[name]) for name in LIBRARIES),
        ", ".join(rate(best[name]) for name in LIBRARIES),
        f"{row['gflops'] / max(rates['torch'], best['torch']):.2f}",
        f"{row['gflops'] / fastest:.2f}",
    ]


PART = Part(
    "gemm",
    "Against the machine's own speed of products",
    "A training step of a large fused LSTM, whose arithmetic is nearly all products (of which two\n"
    "thirds of those with h have only B rows), in the same run as plain products: by `torch.mm`,\n"
    "by NumPy's BLAS, and by the compiler's own routine, at the sizes that the layer multiplies\n"
    "once for all steps, and at a square that shows each at its best.",
    measure,
    show,
)
