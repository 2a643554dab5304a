"""The text of kernels, run as Python, writes code that does what the text says."""

from __future__ import annotations

import ctypes
import re

import numpy as np
import pytest

from ostinato.backends.fused.native.compile import KERNEL, compile_text
from ostinato.backends.fused.native.source import build

KINDS = ("f4", "f8")
EXTENTS = (1, 2, 3, 5, 8, 13, 16, 17, 26, 31, 32, 33, 48, 100)


def run(text: str, *arrays: np.ndarray, rows: int = 1) -> None:
    """Run the kernel `kernel` of a text on a table of arrays."""
    address = compile_text(text, ["kernel"])["kernel"]
    table = np.array([array.ctypes.data for array in arrays], np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(address)(table.ctypes.data, rows)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extent", EXTENTS)
def test_lanes_write_what_range_writes(extent: int, kind: str) -> None:
    text = f"""
def kernel(cur, rows):
    a, b = load_i8(cur, 0), load_i8(cur, 1)
    for j in LOOP({extent}):
        x = load_{kind}(a, j)
        every_other = load_{kind}(a, j * 2 + 1)
        store_{kind}(b, j + 3, where(x > {kind}(4.0), x * every_other + {kind}(0.1), -x))
        store_{kind}(b, j * 3 + {extent + 9}, x)
"""
    a = np.arange(2 * extent + 40).astype(kind)
    single, vectors = (np.full(5 * extent + 40, np.nan, kind) for _ in range(2))
    run(text.replace("LOOP", "range"), a, single)
    run(text.replace("LOOP", f"lanes_{kind}"), a, vectors)
    np.testing.assert_array_equal(single, vectors)
    x = a[:extent]
    wanted = np.where(x > 4, x * a[1 : 2 * extent : 2] + np.dtype(kind).type(0.1), -x)
    np.testing.assert_allclose(vectors[3 : extent + 3], wanted, rtol=1e-6)
    np.testing.assert_array_equal(vectors[extent + 9 :: 3][:extent], x)
    # nothing else is written
    assert np.isnan(vectors[:3]).all()
    assert np.isfinite(vectors).sum() == 2 * extent


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extent", EXTENTS)
def test_folds_take_each_entry_once(extent: int, kind: str) -> None:
    text = f"""
def kernel(cur, rows):
    a, b = load_i8(cur, 0), load_i8(cur, 1)
    for r in range(rows):
        total, most, one = fold_{kind}("sum"), fold_{kind}("amax"), fold_{kind}("sum")
        for j in lanes_{kind}({extent}):
            x = load_{kind}(a, r * {extent} + j)
            total.take(x)
            most.take(x)
            one.take(load_{kind}(a, 0))
        store_{kind}(b, r * 3, total.result())
        store_{kind}(b, r * 3 + 1, most.result())
        store_{kind}(b, r * 3 + 2, one.result())
"""
    a = -1.0 - np.random.default_rng(0).permutation(3 * extent).astype(kind)
    b = np.zeros((3, 3), kind)
    run(text, a, b, rows=3)
    entries = a.reshape(3, extent)
    np.testing.assert_array_equal(b[:, 0], entries.sum(1))
    np.testing.assert_array_equal(b[:, 1], entries.max(1))
    np.testing.assert_array_equal(b[:, 2], a[0] * extent)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extent", EXTENTS)
def test_terms_are_combined_in_memory(extent: int, kind: str) -> None:
    text = f"""
def kernel(cur, rows):
    a, each, one, most = load_i8(cur, 0), load_i8(cur, 1), load_i8(cur, 2), load_i8(cur, 3)
    for r in range(rows):
        for j in lanes_{kind}({extent}):
            x = load_{kind}(a, j)
            combine_{kind}("sum", each, j * 2, x)
            combine_{kind}("sum", one, 1, x)
            combine_{kind}("amax", most, 0, x)
            store_{kind}(most, 1, x)
"""
    a = np.random.default_rng(0).permutation(extent).astype(kind)
    each, one, most = np.ones(2 * extent, kind), np.ones(3, kind), np.full(3, -7, kind)
    run(text, a, each, one, most, rows=2)
    np.testing.assert_array_equal(each[::2], 1 + 2 * a)
    np.testing.assert_array_equal(each[1::2], 1)
    np.testing.assert_array_equal(one, [1, 1 + 2 * a.sum(), 1])
    np.testing.assert_array_equal(most, [a.max(), a[-1], -7])


def test_conditions() -> None:
    text = """
def kernel(cur, rows):
    a, b = load_i8(cur, 0), load_i8(cur, 1)
    for j in lanes_f4(6):
        x = load_f4(a, j)
        one, two = x > f4(1.0), x < f4(4.0)
        store_f4(b, j, where(one & two, f4(1.0), f4(0.0)))
        store_f4(b, j + 6, where(one | two, f4(1.0), f4(0.0)))
        store_f4(b, j + 12, where(one ^ ~two, f4(1.0), f4(0.0)))
        store_f4(b, j + 18, where(f4(True) & (x != f4(2.0)), f4(1.0), f4(0.0)))
        store_f4(b, j + 24, where(f4(False) | (x == x), f4(1.0), f4(0.0)))
"""
    a = np.array([0, 1, 2, 3, 5, np.nan], np.float32)
    b = np.empty((5, 6), np.float32)
    run(text, a, b)
    one, two = a > 1, a < 4
    wanted = [one & two, one | two, one ^ ~two, a != 2, a == a]
    np.testing.assert_array_equal(b, np.array(wanted, np.float32))


def test_whole_numbers_and_calls_by_address() -> None:
    text = """
def kernel(cur, rows):
    total = load_i8(cur, 0)
    store_i8(total, 0, load_i8(total, 0) + rows * 2)

def twice(function, cur):
    call(function, cur, 3)
    for r in range(4):
        call(function, cur, r)
"""
    found = compile_text(text, {"kernel": KERNEL, "twice": 2})
    total = np.zeros(1, np.int64)
    table = np.array([total.ctypes.data])
    twice = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(found["twice"])
    twice(found["kernel"], table.ctypes.data)
    assert total[0] == 2 * (3 + 0 + 1 + 2 + 3)


def test_many_buffers_are_vectors() -> None:
    lines = [f"    b{i} = load_i8(cur, {i})" for i in range(40)]
    total = " + ".join(f"load_f4(b{i}, j)" for i in range(32))
    lines += ["    for j in lanes_f4(128):", f"        total = {total}"]
    lines += [f"        store_f4(b{i}, j, total)" for i in range(32, 40)]
    text = "\n".join(["def kernel(cur, rows):", *lines]) + "\n"
    assembly = build.assembly(text, {"kernel": KERNEL})
    packed = re.findall(r"\tv?addps\b|\tfadd\tv\d+\.4s", assembly)
    single = re.findall(r"\tv?addss\b|\tfadd\ts\d+", assembly)
    assert packed
    assert not single


@pytest.mark.parametrize("kind", KINDS)
def test_a_product_of_a_step_is_rounded_before_it_is_added(kind: str) -> None:
    text = f"""
def kernel(cur, rows):
    a, b = load_i8(cur, 0), load_i8(cur, 1)
    for j in lanes_{kind}(40):
        x, y = load_{kind}(a, j), load_{kind}(a, j + 1)
        store_{kind}(b, j, times(x, y) - times(y, x))
"""
    a = np.random.default_rng(0).standard_normal(41).astype(kind)
    b = np.full(40, np.nan, kind)
    run(text, a, b)
    np.testing.assert_array_equal(b, 0)
