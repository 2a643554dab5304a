"""Print the polynomial coefficients of `native.source.formulas`, fitted in 60 digits.

Each polynomial interpolates its function at Chebyshev nodes, which is within a factor of two of
the best one. Run: python benchmarks/fit_maths.py (needs mpmath, which torch brings along).
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 60


def fit(function: Callable, low, high, degree: int) -> tuple[list, float]:
    """Coefficients, constant term first, and the largest relative error on a grid."""
    low, high = mp.mpf(low), mp.mpf(high)
    middle, half = (low + high) / 2, (high - low) / 2
    count = degree + 1
    nodes = [middle + half * mp.cos(mp.pi * (2 * i + 1) / (2 * count)) for i in range(count)]
    rows = mp.matrix(count, count)
    for i, node in enumerate(nodes):
        for j in range(count):
            rows[i, j] = node**j
    found = list(mp.lu_solve(rows, mp.matrix([function(node) for node in nodes])))
    grid = [low + (high - low) * i / 400 for i in range(401)]
    error = max(abs(mp.polyval(found[::-1], x) / function(x) - 1) for x in grid)
    return found, float(error)


def exp_tail(r):
    """(exp(r) - 1 - r) / r**2."""
    return (mp.expm1(r) - r) / r**2 if abs(r) > 1e-20 else mp.mpf(1) / 2


def log_tail(z):
    """(log((1+s)/(1-s)) - 2s) / s at z = s**2: what fdlibm calls R."""
    s = mp.sqrt(z)
    return 2 * mp.atanh(s) / s - 2 if s else mp.mpf(0)


def log_ratio(z):
    """log_tail over z, so that it has a constant term."""
    return log_tail(z) / z if z else mp.mpf(2) / 3


def erf_small(z):
    """erf(x) / x at z = x**2."""
    x = mp.sqrt(z)
    return mp.erf(x) / x if x else 2 / mp.sqrt(mp.pi)


def erf_large(t):
    """erfc(x) * exp(x**2) at x = 2 (1 + t) / (1 - t)."""
    x = 2 * (1 + t) / (1 - t)
    return mp.erfc(x) * mp.exp(x * x)


def sin_tail(z):
    """(sin(r) - r) / r**3 at z = r**2."""
    r = mp.sqrt(z)
    return (mp.sin(r) - r) / r**3 if r else -mp.mpf(1) / 6


def cos_tail(z):
    """(cos(r) - 1 + r**2/2) / r**4 at z = r**2."""
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2 if z else mp.mpf(1) / 24


R = mp.log(2) / 2 * mp.mpf("1.001")
S = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
Q = (mp.pi / 4) ** 2
FITS = (
    ("EXP", exp_tail, -R, R, 4, 9),
    ("LOG", log_ratio, 0, S, 2, 6),
    ("ERF_SMALL", erf_small, 0, 1, 6, 11),
    ("ERF_LARGE", erf_large, mp.mpf(-1) / 3, mp.mpf(1) / 2, 8, 19),
    ("SIN", sin_tail, 0, Q, 2, 5),
    ("COS", cos_tail, 0, Q, 2, 5),
)


def main() -> None:
    for name, function, low, high, *degrees in FITS:
        for digits, degree in zip((9, 17), degrees, strict=True):
            found, error = fit(function, low, high, degree)
            print(f"{name} degree {degree}, relative error {error:.1e}")
            print("   ", ", ".join(mp.nstr(c, digits) for c in found))


if __name__ == "__main__":
    main()
