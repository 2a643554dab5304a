"""Functions of numbers, by the names that the text of kernels uses.

They take and give `Scalar`, in float32 or float64 and any number of lanes, and treat NaN and
infinities as torch does. Comparisons and the four operations need no function; conditions choose
by `where`, never by a branch.
"""

from __future__ import annotations

from ostinato.backends.fused.native.source.formulas import (
    cos,
    erf,
    exp,
    expm1,
    log,
    log1p,
    pow,
    sigmoid,
    sin,
    tanh,
)
from ostinato.backends.fused.native.source.scalars import Scalar

__all__ = (
    "absolute", "ceil", "cos", "erf", "exp", "expm1", "floor", "log", "log1p", "maximum",
    "minimum", "pow", "relu", "round", "rsqrt", "sigmoid", "sign", "sin", "sqrt", "tanh",
    "times", "trunc", "where",
)  # fmt: skip


def sqrt(x: Scalar) -> Scalar:
    """The square root; NaN for negative numbers."""
    return x.library("sqrt")


def rsqrt(x: Scalar) -> Scalar:
    """One over the square root."""
    return 1.0 / x.library("sqrt")


def absolute(x: Scalar) -> Scalar:
    """|x|."""
    return x.library("fabs")


def floor(x: Scalar) -> Scalar:
    """The next whole number below."""
    return x.library("floor")


def ceil(x: Scalar) -> Scalar:
    """The next whole number above."""
    return x.library("ceil")


def trunc(x: Scalar) -> Scalar:
    """The next whole number towards 0."""
    return x.library("trunc")


def round(x: Scalar) -> Scalar:
    """The nearest whole number, of two the even one."""
    return x.library("roundeven")


def sign(x: Scalar) -> Scalar:
    """-1, 0 or 1; of NaN 0, as in torch."""
    return (x < 0.0).where(-1.0, (x > 0.0).where(1.0, 0.0))


def times(a: Scalar, b: Scalar) -> Scalar:
    """a * b as a step of its own: what is added to it is added to the rounded product."""
    return a.times(b)


def where(condition: Scalar, yes: Scalar, no: Scalar) -> Scalar:
    """`yes` where the condition holds, else `no`; both are computed."""
    return condition.where(yes, no)


def maximum(a: Scalar, b: Scalar) -> Scalar:
    """The larger one; NaN if one of them is NaN."""
    return a.extreme("maximum", b)


def minimum(a: Scalar, b: Scalar) -> Scalar:
    """The smaller one; NaN if one of them is NaN."""
    return a.extreme("minimum", b)


def relu(x: Scalar) -> Scalar:
    """x or 0; NaN stays NaN."""
    return x.at_least(0.0)
