"""Scalar functions for the text of compiled kernels, by the names that the text uses.

All take and give float32 or float64; a literal beside a float32 is rounded to it. They become
plain instructions where they are called, are vectorised by LLVM, and treat NaN and infinities as
torch does. Comparisons and the four operations need no function; conditions choose by `where`,
never by a branch.
"""

from __future__ import annotations

from ostinato.backends.fused import formulas
from ostinato.backends.fused.scalars import Scalar, scalar

exp = scalar(formulas.exp)
expm1 = scalar(formulas.expm1)
log = scalar(formulas.log)
log1p = scalar(formulas.log1p)
tanh = scalar(formulas.tanh)
sigmoid = scalar(formulas.sigmoid)
erf = scalar(formulas.erf)
sin = scalar(formulas.sin)
cos = scalar(formulas.cos)
pow = scalar(formulas.pow)

__all__ = (
    "absolute", "ceil", "cos", "erf", "exp", "expm1", "floor", "log", "log1p", "maximum",
    "minimum", "pow", "radd", "relu", "round", "rsqrt", "sigmoid", "sign", "sin", "sqrt", "tanh",
    "trunc", "where",
)  # fmt: skip


@scalar
def sqrt(x: Scalar) -> Scalar:
    """The square root; NaN for negative numbers."""
    return x.library("sqrt")


@scalar
def rsqrt(x: Scalar) -> Scalar:
    """One over the square root."""
    return 1.0 / x.library("sqrt")


@scalar
def absolute(x: Scalar) -> Scalar:
    """|x|."""
    return x.library("fabs")


@scalar
def floor(x: Scalar) -> Scalar:
    """The next whole number below."""
    return x.library("floor")


@scalar
def ceil(x: Scalar) -> Scalar:
    """The next whole number above."""
    return x.library("ceil")


@scalar
def trunc(x: Scalar) -> Scalar:
    """The next whole number towards 0."""
    return x.library("trunc")


@scalar
def round(x: Scalar) -> Scalar:
    """The nearest whole number, of two the even one."""
    return x.library("roundeven")


@scalar
def sign(x: Scalar) -> Scalar:
    """-1, 0 or 1; of NaN 0, as in torch."""
    above = (x > 0.0).where(x.like(x.lift(1.0)), 0.0)
    return (x < 0.0).where(x.like(x.lift(-1.0)), above)


@scalar
def where(condition: Scalar, yes: Scalar, no: Scalar) -> Scalar:
    """`yes` where the condition holds, else `no`; both are computed."""
    return condition.where(yes, no)


@scalar
def maximum(a: Scalar, b: Scalar) -> Scalar:
    """The larger one; NaN if one of them is NaN."""
    return a.extreme("maximum", b)


@scalar
def minimum(a: Scalar, b: Scalar) -> Scalar:
    """The smaller one; NaN if one of them is NaN."""
    return a.extreme("minimum", b)


@scalar
def relu(x: Scalar) -> Scalar:
    """x or 0; NaN stays NaN."""
    return x.at_least(0.0)


@scalar
def radd(total: Scalar, term: Scalar) -> Scalar:
    """total + term for sums over a loop: the one addition whose order may change."""
    return total.reordered_sum(term)
