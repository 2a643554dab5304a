"""Kernels reach memory by addresses, and are vectorised over any number of buffers."""

import ctypes
import re

import numpy as np
import pytest

from ostinato.backends.fused import build
from ostinato.backends.fused.compile import KERNEL, compile_text

HEADER = "from ostinato.backends.fused.memory import *\n"


def run(text, *arrays, rows):
    """Run the kernel `kernel` of a text on a table of arrays."""
    address = compile_text(HEADER + text, ["kernel"])["kernel"]
    table = np.array([array.ctypes.data for array in arrays], np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(address)(table.ctypes.data, rows)


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_numbers_and_literals(kind):
    text = f"""
def kernel(cur, rows):
    a = load_i8(cur, 0)
    b = load_i8(cur, 1)
    for j in range(rows):
        store_{kind}(b, j, load_{kind}(a, j, 0) + {kind}(0.1), 1)
"""
    a = np.arange(37).astype(kind)
    b = np.full(40, np.nan, kind)
    run(text, a, b, rows=37)
    np.testing.assert_array_equal(b[:37], a + np.dtype(kind).type(0.1))
    assert np.isnan(b[37:]).all()


def test_bools_and_whole_numbers():
    text = """
def kernel(cur, rows):
    a = load_i8(cur, 0)
    b = load_i8(cur, 1)
    c = load_i8(cur, 2)
    for j in range(rows):
        flag = load_b1(a, j, 0)
        store_b1(b, j, not flag, 1)
        store_i8(c, j, load_i8(c, j) + (1 if flag else 2))
"""
    a = np.arange(11) % 3 == 0
    b = np.zeros(11, bool)
    c = np.arange(11)
    run(text, a, b, c, rows=11)
    np.testing.assert_array_equal(b, ~a)
    np.testing.assert_array_equal(c, np.arange(11) + np.where(a, 1, 2))


def test_call_by_address():
    text = """
def kernel(cur, rows):
    store_i8(load_i8(cur, 0), 0, load_i8(load_i8(cur, 0), 0) + rows)

def twice(function, cur):
    call(function, (cur, 3))
    call(function, (cur, 4))
"""
    names = {"kernel": KERNEL, "twice": KERNEL}
    found = compile_text(HEADER + text, names)
    total = np.zeros(1, np.int64)
    table = np.array([total.ctypes.data])
    twice = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(found["twice"])
    twice(found["kernel"], table.ctypes.data)
    assert total[0] == 7


def many_buffers(count):
    """A kernel of so many buffers that run-time checks of overlaps would be too many."""
    lines = [f"    b{i} = load_i8(cur, {i})" for i in range(count)]
    lines += ["    for r in range(rows):", "        for j in range(128):"]
    total = " + ".join(f"load_f4(b{i}, j, {i})" for i in range(count - 8))
    lines += [f"            total = {total}"]
    lines += [f"            store_f4(b{i}, j, total, {i})" for i in range(count - 8, count)]
    lines += [f"        b{i} += 512" for i in range(count)]
    return HEADER + "\n".join(["def kernel(cur, rows):", *lines]) + "\n"


def test_many_buffers_are_vectorised():
    assembly = build.assembly(many_buffers(40), {"kernel": KERNEL})
    packed = re.findall(r"\tv?addps\b|\tfadd\tv\d+\.4s", assembly)
    single = re.findall(r"\tv?addss\b|\tfadd\ts\d+", assembly)
    assert packed
    assert not single


def test_scopes_are_literals():
    with pytest.raises(Exception, match="literal"):
        compile_text(HEADER + "def kernel(cur, rows):\n    load_f4(cur, 0, rows)\n", ["kernel"])
