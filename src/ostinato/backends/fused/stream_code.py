"""One step as a list of instructions, for Numba; `listing` writes it.

Products read weights where they lie, [N, K] or [K, N], so that nothing is packed and a weight that
somebody changes is seen at once. For one row that costs nothing: what bounds it is reading them.
"""

# llvmlite's and Numba's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from ostinato.backends.fused.listing import WORDS
from ostinato.backends.fused.maths import radd
from ostinato.backends.fused.memory import (
    call,
    f4,
    f8,
    load_f4,
    load_f8,
    load_i8,
    store_f4,
    store_f8,
)


@njit(error_model="numpy")
def run_step(data):
    """All instructions: kernels on the table of addresses, and functions on places in it."""
    length, code, cur, rows = (
        load_i8(data, 0), load_i8(data, 1), load_i8(data, 2), load_i8(data, 3),
    )  # fmt: skip
    for i in range(length):
        one = code + 8 * WORDS * i
        if load_i8(one, 1) == 0:
            call(load_i8(one, 0), (cur, rows))
        else:
            run_function(one, cur)


@njit(error_model="numpy")
def run_function(one, cur):
    """A function of four places, (slot, bytes, row) each, and of sizes."""
    call(
        load_i8(one, 0),
        (
            load_i8(cur, load_i8(one, 2)) + load_i8(one, 3), load_i8(one, 4),
            load_i8(cur, load_i8(one, 5)) + load_i8(one, 6), load_i8(one, 7),
            load_i8(cur, load_i8(one, 8)) + load_i8(one, 9), load_i8(one, 10),
            load_i8(cur, load_i8(one, 11)) + load_i8(one, 12), load_i8(one, 13),
            load_i8(one, 14), load_i8(one, 15), load_i8(one, 16),
        ),
    )  # fmt: skip


def define_dots(load: Any, store: Any, number: Any, size: int) -> Callable[..., None]:
    """C [rows, columns] = A [rows, depth] W^T + D for W [columns, depth]; D of row 0 is a vector.

    D may be C itself, and an address of 0 is none. Rows of W by fours: a row of A is read once for
    all of them.
    """

    def dots(a, a_row, w, w_row, c, c_row, d, d_row, rows, columns, depth):
        fours = columns // 4 * 4
        for n in range(0, fours, 4):
            w0 = w + size * w_row * n
            w1 = w0 + size * w_row
            w2 = w1 + size * w_row
            w3 = w2 + size * w_row
            for r in range(rows):
                x = a + size * a_row * r
                s0 = number(0.0)
                s1 = number(0.0)
                s2 = number(0.0)
                s3 = number(0.0)
                for k in range(depth):
                    e = load(x, k, 0)
                    s0 = radd(s0, e * load(w0, k, 1))
                    s1 = radd(s1, e * load(w1, k, 2))
                    s2 = radd(s2, e * load(w2, k, 3))
                    s3 = radd(s3, e * load(w3, k, 4))
                # C and D in one scope, as they may be one
                if d != 0:
                    start = d + size * d_row * r
                    s0 += load(start, n, 5)
                    s1 += load(start, n + 1, 5)
                    s2 += load(start, n + 2, 5)
                    s3 += load(start, n + 3, 5)
                to = c + size * c_row * r
                store(to, n, s0, 5)
                store(to, n + 1, s1, 5)
                store(to, n + 2, s2, 5)
                store(to, n + 3, s3, 5)
        for n in range(fours, columns):
            w0 = w + size * w_row * n
            for r in range(rows):
                x = a + size * a_row * r
                s0 = number(0.0)
                for k in range(depth):
                    s0 = radd(s0, load(x, k, 0) * load(w0, k, 1))
                if d != 0:
                    s0 += load(d + size * d_row * r, n, 5)
                store(c + size * c_row * r, n, s0, 5)

    return dots


def define_sums(load: Any, store: Any, number: Any, size: int) -> Callable[..., None]:
    """The same for W [depth, columns]: rows of W by fours, each times a number, added up in C."""

    def sums(a, a_row, w, w_row, c, c_row, d, d_row, rows, columns, depth):
        fours = depth // 4 * 4
        for r in range(rows):
            x, to, start = a + size * a_row * r, c + size * c_row * r, d + size * d_row * r
            for n in range(columns):
                store(to, n, load(start, n, 5) if d != 0 else number(0.0), 5)
            for k in range(0, fours, 4):
                w0 = w + size * w_row * k
                w1 = w0 + size * w_row
                w2 = w1 + size * w_row
                w3 = w2 + size * w_row
                e0, e1 = load(x, k, 0), load(x, k + 1, 0)
                e2, e3 = load(x, k + 2, 0), load(x, k + 3, 0)
                for n in range(columns):
                    left = e0 * load(w0, n, 1) + e1 * load(w1, n, 2)
                    right = e2 * load(w2, n, 3) + e3 * load(w3, n, 4)
                    store(to, n, load(to, n, 5) + (left + right), 5)
            for k in range(fours, depth):
                w0 = w + size * w_row * k
                e0 = load(x, k, 0)
                for n in range(columns):
                    store(to, n, load(to, n, 5) + e0 * load(w0, n, 1), 5)

    return sums


def define_copy(load: Any, store: Any, size: int) -> Callable[..., None]:
    """C = A, by rows."""

    def copy(a, a_row, w, w_row, c, c_row, d, d_row, rows, columns, depth):
        for r in range(rows):
            x, to = a + size * a_row * r, c + size * c_row * r
            for n in range(columns):
                store(to, n, load(x, n, 0), 5)

    return copy


dots_f4, dots_f8 = define_dots(load_f4, store_f4, f4, 4), define_dots(load_f8, store_f8, f8, 8)
sums_f4, sums_f8 = define_sums(load_f4, store_f4, f4, 4), define_sums(load_f8, store_f8, f8, 8)
copy_f4, copy_f8 = define_copy(load_f4, store_f4, 4), define_copy(load_f8, store_f8, 8)
