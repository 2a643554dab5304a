"""Scalar functions for the text of compiled kernels, by the names that the text uses.

All take and give float32 or float64; a literal beside a float32 is rounded to it. They become
plain instructions where they are called, are vectorised by LLVM, and treat NaN and infinities as
torch does. Comparisons and the four operations need no function; conditions choose by `where`,
never by a branch.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic

from ostinato.backends.fused import formulas
from ostinato.backends.fused.scalars import Scalar, scalar

exp = scalar(formulas.exp)
expm1 = scalar(formulas.expm1)
log = scalar(formulas.log)
log1p = scalar(formulas.log1p)
tanh = scalar(formulas.tanh)
sigmoid = scalar(formulas.sigmoid)
logsigmoid = scalar(formulas.logsigmoid)
silu = scalar(formulas.silu)
softplus = scalar(formulas.softplus)
erf = scalar(formulas.erf)
gelu = scalar(formulas.gelu)
gelu_tanh = scalar(formulas.gelu_tanh)
sin = scalar(formulas.sin)
cos = scalar(formulas.cos)
pow = scalar(formulas.pow)


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
def clamp(x: Scalar, low: Scalar, high: Scalar) -> Scalar:
    """x between two bounds, of which the upper one wins; NaN stays NaN. Also hardtanh."""
    return x.at_least(low).at_most(high)


@scalar
def clamp_min(x: Scalar, low: Scalar) -> Scalar:
    """x from below; NaN stays NaN."""
    return x.at_least(low)


@scalar
def clamp_max(x: Scalar, high: Scalar) -> Scalar:
    """x from above; NaN stays NaN."""
    return x.at_most(high)


@scalar
def relu(x: Scalar) -> Scalar:
    """x or 0; NaN stays NaN."""
    return x.at_least(0.0)


@scalar
def leaky_relu(x: Scalar, slope: Scalar) -> Scalar:
    """x, below 0 times a slope."""
    return (x > 0.0).where(x, x * slope)


@scalar
def elu(x: Scalar, alpha: Scalar, scale: Scalar, input_scale: Scalar) -> Scalar:
    """scale * x, below 0 scale * alpha * (exp(input_scale * x) - 1): aten.elu, and so selu."""
    below = formulas.expm1(x * input_scale) * (alpha * scale)
    return (x > 0.0).where(x * scale, below)


@scalar
def hardsigmoid(x: Scalar) -> Scalar:
    """A straight line from 0 at -3 to 1 at 3."""
    return (x + 3.0).at_least(0.0).at_most(6.0) / 6.0


@scalar
def radd(total: Scalar, term: Scalar) -> Scalar:
    """total + term for sums over a loop: the one addition whose order may change."""
    return total.reordered_sum(term)


@intrinsic(prefer_literal=True)
def powi(typing, x, exponent):
    """x to a literal whole number, by multiplications; one over it for a negative one."""
    if not isinstance(exponent, types.IntegerLiteral):
        raise RequireLiteralValue("the exponent is a literal int")

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return formulas.whole_power(Scalar(builder, args[0], x), exponent.literal_value).value

    return x(x, exponent), emit
