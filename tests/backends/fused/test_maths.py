"""Scalar functions are accurate, keep NaN and infinities, and are vectorised."""

import ctypes
import re

import mpmath
import numpy as np
import pytest
import torch

from ostinato.backends.fused.native.compile import KERNEL, compile_text
from ostinato.backends.fused.native.source import build, maths

ONE = ("absolute", "ceil", "cos", "erf", "exp", "expm1", "floor", "log", "log1p", "relu",
       "round", "rsqrt", "sigmoid", "sign", "sin", "sqrt", "tanh", "trunc")  # fmt: skip
TWO = ("maximum", "minimum")
KINDS = ("f4", "f8")
TORCH = {"absolute": torch.abs}
SMOOTH = ("cos", "erf", "exp", "expm1", "log", "log1p", "rsqrt", "sigmoid", "sin", "sqrt", "tanh")
# sums of a few rounding errors, each 6e-8 or 1.1e-16
TOLERANCE = {"f4": 3e-7, "f8": 1e-15}


def text_of(names, kind, arity, size):
    """One kernel for each function: y[j] = f(x[j], z[j])."""
    given = ", ".join(f"load_{kind}(b{i}, j)" for i in range(arity))
    kernels = [
        f"""
def {name}_kernel(cur, rows):
    b0, b1, y = load_i8(cur, 0), load_i8(cur, 1), load_i8(cur, 2)
    for j in lanes_{kind}({size}):
        store_{kind}(y, j, {name}({given}))
"""
        for name in names
    ]
    return "".join(kernels)


def evaluate(name, x, z=None):
    """One function of arrays, compiled together with the others of its kind."""
    kind = x.dtype.str[1:]
    names = ONE if z is None else (*TWO, "pow")
    text = text_of(names, kind, 1 if z is None else 2, x.size)
    address = compile_text(text, [f"{n}_kernel" for n in names])[f"{name}_kernel"]
    z = x if z is None else z
    y = np.empty_like(x)
    table = np.array([x.ctypes.data, z.ctypes.data, y.ctypes.data])
    kernel = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(address)
    kernel(table.ctypes.data, 1)
    return y


def numbers(kind):
    """Small, middling and large ones, each with both signs."""
    rng = np.random.default_rng(0)
    low, high = (-37, 38) if kind == "f4" else (-300, 300)
    size = 10.0 ** rng.uniform(low, high, 2000)
    parts = (rng.uniform(-2, 2, 4000), rng.uniform(-100, 100, 4000), size, -size)
    return np.concatenate(parts).astype(kind)


def exactly(name, x):
    """The function in 40 digits, rounded to long double; NaN where it has no real value."""
    functions = {
        "rsqrt": lambda v: 1 / mpmath.sqrt(v),
        "sigmoid": lambda v: 1 / (1 + mpmath.exp(-v)),
    }
    function = functions.get(name) or getattr(mpmath, name)
    lowest = {"log": 0.0, "rsqrt": 0.0, "log1p": -1.0}.get(name, -np.inf)
    lowest = np.nextafter(lowest, 1.0) if np.isfinite(lowest) else lowest
    if name == "sqrt":
        lowest = 0.0
    with mpmath.workdps(40):

        def value(v):
            if v < lowest:
                return np.longdouble(np.nan)
            return np.longdouble(mpmath.nstr(function(mpmath.mpf(float(v))), 25))

        return np.array([value(v) for v in x])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SMOOTH)
def test_accuracy(name, kind):
    x = numbers(kind)
    if name in ("exp", "expm1", "sigmoid", "tanh", "erf"):
        x = np.clip(x, -700, 700)
    if name in ("sin", "cos"):
        x = x[np.abs(x) < 1e15]
    y, exact = evaluate(name, x), exactly(name, x)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(exact))
    limits = np.finfo(kind)
    inside = (np.abs(exact) > limits.tiny * 64) & (np.abs(exact) < limits.max)
    error = np.abs(y - exact)[inside]
    scale = np.maximum(np.abs(exact[inside]), 1 if name in ("sin", "cos") else 0)
    assert (error / scale).max() < TOLERANCE[kind]
    # what is below the normal numbers may be lost, but is never more than that
    below = np.abs(exact) <= limits.tiny * 64
    assert np.all(np.abs(y[below] - exact[below]) <= limits.tiny * 1.001)


def special(kind):
    """NaN, infinities, zeros, denormal, huge and ordinary numbers."""
    limits = np.finfo(kind)
    sizes = [0.0, limits.smallest_subnormal, limits.tiny, 1e-3, 0.5, 1.0, 1.5, 2.5, 30.0, 100.0]
    sizes += [limits.max / 2, limits.max, np.inf]
    if kind == "f8":
        sizes += [709.0, 710.0, 750.0, 1e4]
    return np.array([np.nan, *sizes, *[-size for size in sizes]], kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ONE)
def test_special_numbers_as_in_torch(name, kind):
    x = special(kind)
    if name in ("sin", "cos"):
        x = x[~(np.abs(x) > 1e15) | ~np.isfinite(x)]
    wanted = TORCH.get(name, getattr(torch, name, None))(torch.from_numpy(x)).numpy()
    tiny = np.finfo(kind).tiny
    np.testing.assert_allclose(evaluate(name, x), wanted, rtol=1e-6, atol=4 * tiny)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TWO)
def test_extremes_keep_nan(name, kind):
    x, z = (array.ravel().copy() for array in np.meshgrid(special(kind), special(kind)))
    wanted = getattr(torch, name)(torch.from_numpy(x), torch.from_numpy(z)).numpy()
    np.testing.assert_array_equal(evaluate(name, x, z), wanted)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("power", [-3.0, -2.0, -1.5, -0.3, 0.0, 0.3, 1.5, 2.5, 5.0, 6.0])
def test_powers(power, kind):
    x = np.concatenate([special(kind), np.linspace(-3, 3, 61).astype(kind)])
    z = np.full_like(x, power)
    with np.errstate(all="ignore"):
        wanted = torch.pow(torch.from_numpy(x), power).numpy()
    close = {"f4": 3e-7, "f8": 2e-13}[kind]
    np.testing.assert_allclose(np.abs(evaluate("pow", x, z)), np.abs(wanted), rtol=close)
    inside = np.isfinite(wanted) & (x != 0)
    got = evaluate("pow", x, z)
    np.testing.assert_array_equal(np.sign(got[inside]), np.sign(wanted[inside]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ONE)
def test_one_number_gives_what_a_lane_gives(name, kind):
    x = np.concatenate([special(kind), numbers(kind)[::50]])
    text = text_of([name], kind, 1, x.size).replace(f"lanes_{kind}", "range")
    y = np.empty_like(x)
    table = np.array([x.ctypes.data, x.ctypes.data, y.ctypes.data])
    address = compile_text(text, [f"{name}_kernel"])[f"{name}_kernel"]
    ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(address)(table.ctypes.data, 1)
    np.testing.assert_array_equal(y, evaluate(name, x))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sum_keeps_nan(kind):
    text = f"""
def kernel(cur, rows):
    x, y = load_i8(cur, 0), load_i8(cur, 1)
    for r in range(rows):
        total = fold_{kind}("sum")
        for j in lanes_{kind}(100):
            v = load_{kind}(x, r * 100 + j)
            total.take(v * {kind}(0.0) + (v - v))
        store_{kind}(y, r, total.result())
"""
    x = np.ones((3, 100), kind)
    x[0, 17], x[1, 99] = np.nan, np.inf
    y = np.empty(3, kind)
    table = np.array([x.ctypes.data, y.ctypes.data])
    address = compile_text(text, ["kernel"])["kernel"]
    ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(address)(table.ctypes.data, 3)
    np.testing.assert_array_equal(np.isnan(y), [True, True, False])


ARITHMETIC = r"\tv?(?:add|sub|mul|div|sqrt|max|min|fn?m(?:add|sub)\d+)"
PACKED = ARITHMETIC + r"p[sd]\b|\tf\w+\tv\d+\.[24][sd]"
SINGLE = ARITHMETIC + r"s[sd]\b|\tf(?:add|mul|div)\t[sd]\d"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*ONE, *TWO, "pow"])
def test_vectors_and_no_calls(name, kind):
    text = text_of([name], kind, 1 if name in ONE else 2, 128)
    assembly = build.assembly(text, {f"{name}_kernel": KERNEL})
    assert not re.findall(SINGLE, assembly)
    assert re.findall(PACKED, assembly) or name in (
        "absolute", "ceil", "floor", "relu", "round", "sign", "trunc",
    )  # fmt: skip
    assert not re.findall(r"\t(?:callq?|blr?)\t", assembly)


def test_everything_is_exported():
    assert set(maths.__all__) == {*ONE, *TWO, "pow", "times", "where"}
