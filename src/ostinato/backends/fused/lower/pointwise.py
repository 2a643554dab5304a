"""Pointwise torch ops in terms of the functions of `functions.py`."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from ostinato.backends.fused.lower.context import Lowering, Operand, Row, Rule

UNARY = (
    "abs", "cos", "erf", "exp", "expm1", "log", "log1p", "neg", "relu", "rsqrt", "sigmoid",
    "sign", "sin", "sqrt", "tanh", "hardsigmoid", "hardswish", "mish",
)  # fmt: skip
FLAT = ("ceil", "floor", "round", "trunc")
COMPARE = ("eq", "ge", "gt", "le", "lt", "ne")
LOGIC = {"bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor"}
LOGIC |= {"logical_and": "and", "logical_or": "or", "logical_xor": "xor"}


def add(ctx: Lowering, a: Operand, b: Operand, alpha: float = 1) -> Row:
    return ctx.arithmetic(
        "add", a, b if alpha == 1 else ctx.arithmetic("mul", ctx_row(ctx, b, a), alpha)
    )


def sub(ctx: Lowering, a: Operand, b: Operand, alpha: float = 1) -> Row:
    return ctx.arithmetic(
        "sub", a, b if alpha == 1 else ctx.arithmetic("mul", ctx_row(ctx, b, a), alpha)
    )


def ctx_row(ctx: Lowering, x: Operand, like: Operand) -> Row:
    """An operand lined up with another one that has the batch."""
    if ctx.is_row(x):
        return ctx.row(x)
    values, row = ctx.broadcast(like, x)
    return Row(values[1], row.shape, row.merged)


def rsub(ctx: Lowering, a: Operand, b: Operand, alpha: float = 1) -> Row:
    return sub(ctx, b, a, alpha)


def power(ctx: Lowering, a: Operand, exponent: float) -> Row:
    """x to a constant power, the small ones as products."""
    if exponent == 0.5:
        return ctx.arithmetic("sqrt", a)
    if exponent == -0.5:
        return ctx.arithmetic("rsqrt", a)
    if exponent == -1:
        return ctx.arithmetic("div", 1.0, a)
    if exponent == 0:
        # 1 whatever x is, without a slope
        row = ctx.row(a)
        return Row(ctx.graph.const(1.0), row.shape, row.merged)
    if exponent in (1, 2, 3, 4):
        row = ctx.arithmetic("copy", a)
        square = ctx.arithmetic("times", row, row)
        by = {1: row, 2: square}
        by[3] = ctx.arithmetic("times", square, row)
        by[4] = ctx.arithmetic("times", square, square)
        return by[int(exponent)]
    return ctx.arithmetic("pow", a, float(exponent))


def exponential(ctx: Lowering, base: float, x: Operand) -> Row:
    """A constant to the power of x."""
    if base <= 0:
        raise ctx.refuse("raises a number that is not positive")
    return ctx.arithmetic("exp", ctx.arithmetic("mul", x, math.log(base)))


def where(ctx: Lowering, condition: Operand, a: Operand, b: Operand) -> Row:
    values, like = ctx.broadcast(condition, a, b)
    if values[1].dtype == values[2].dtype == "b":
        yes, no = (ctx.number(v) for v in values[1:])
        chosen = ctx.result("where", [ctx.truth(values[0]), yes, no], like, "f")
        return Row(ctx.truth(chosen.value), like.shape, like.merged)
    yes, no = (ctx.number(v) for v in values[1:])
    return ctx.result("where", [ctx.truth(values[0]), yes, no], like, "f")


def masked_fill(ctx: Lowering, x: Operand, mask: Operand, value: Operand) -> Row:
    return where(ctx, mask, value, x)


def clamp(ctx: Lowering, x: Operand, low: Any = None, high: Any = None) -> Row:
    """Between two numbers, or beyond one of them."""
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        row = ctx.row(x)
        if low is not None:
            row = where(ctx, ctx.pointwise("lt", row, low, dtype="b"), low, row)
        if high is not None:
            row = where(ctx, ctx.pointwise("gt", row, high, dtype="b"), high, row)
        return row
    borders = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
    if borders[0] > borders[1]:
        raise ctx.refuse("has a lower border above the upper one")
    return ctx.arithmetic("clamp", x, *borders)


def hardtanh(ctx: Lowering, x: Operand, low: float = -1.0, high: float = 1.0) -> Row:
    """As `clamp`, without gradient at the borders."""
    return ctx.arithmetic("hardtanh", x, float(low), float(high))


def leaky_relu(ctx: Lowering, x: Operand, slope: float = 0.01) -> Row:
    return ctx.arithmetic("leaky_relu", x, float(slope))


def elu(
    ctx: Lowering, x: Operand, alpha: float = 1.0, scale: float = 1.0, inner: float = 1.0
) -> Row:
    """scale * (x where positive, else alpha * (exp(inner x) - 1))."""
    return ctx.arithmetic("elu", x, float(alpha), float(scale), float(inner))


def celu(ctx: Lowering, x: Operand, alpha: float = 1.0) -> Row:
    return elu(ctx, x, alpha, 1.0, 1.0 / alpha)


def selu(ctx: Lowering, x: Operand) -> Row:
    # Klambauer et al. 2017 (arXiv 1706.02515), the constants as torch has them
    return elu(ctx, x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


def silu(ctx: Lowering, x: Operand) -> Row:
    return ctx.arithmetic("mul", x, ctx.arithmetic("sigmoid", x))


def gelu(ctx: Lowering, x: Operand, approximate: str = "none") -> Row:
    """Hendrycks and Gimpel 2016 (arXiv 1606.08415)."""
    return ctx.arithmetic("gelu" if approximate == "none" else "gelu_tanh", x)


def softplus(ctx: Lowering, x: Operand, beta: float = 1.0, threshold: float = 20.0) -> Row:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold."""
    return ctx.arithmetic("softplus", x, float(beta), float(threshold))


def log_sigmoid(ctx: Lowering, x: Operand) -> tuple[Row, None]:
    return ctx.arithmetic("log_sigmoid", x), None


def lerp(ctx: Lowering, a: Operand, b: Operand, weight: Operand) -> Row:
    return ctx.arithmetic("lerp", a, b, weight)


def addcmul(ctx: Lowering, a: Operand, b: Operand, c: Operand, value: float = 1) -> Row:
    return _add_scaled(ctx, a, b, c, "mul", value)


def addcdiv(ctx: Lowering, a: Operand, b: Operand, c: Operand, value: float = 1) -> Row:
    return _add_scaled(ctx, a, b, c, "div", value)


def _add_scaled(ctx: Lowering, a: Operand, b: Operand, c: Operand, how: str, value: float) -> Row:
    values, like = ctx.broadcast(a, b, c)
    first, second, third = (Row(ctx.number(v), like.shape, like.merged) for v in values)
    term = ctx.arithmetic(how, second, third)
    return ctx.arithmetic("add", first, term if value == 1 else ctx.arithmetic("mul", term, value))


def threshold(ctx: Lowering, x: Operand, border: float, value: float) -> Row:
    return ctx.arithmetic("threshold", x, float(border), float(value))


def softshrink(ctx: Lowering, x: Operand, border: float = 0.5) -> Row:
    return ctx.arithmetic("softshrink", x, float(border))


def divide(ctx: Lowering, a: Operand, b: Operand, *, rounding_mode: str | None = None) -> Row:
    if rounding_mode is not None:
        raise ctx.refuse("rounds a quotient")
    return ctx.arithmetic("div", a, b)


def invert(ctx: Lowering, x: Operand) -> Row:
    row = ctx.row(x)
    return ctx.result("not", [ctx.truth(row.value)], row, "b")


def is_nan(ctx: Lowering, x: Operand) -> Row:
    return ctx.pointwise("ne", x, x, dtype="b")


def stop(ctx: Lowering, x: Operand) -> Row:
    """The value without its gradient."""
    row = ctx.row(x)
    return row if row.value.op == "const" else ctx.result("stop", [row.value], row, row.value.dtype)


def pass_gradient(ctx: Lowering, row: Row, before: Row | None) -> Row:
    """A value that was put in the place of another one, whose gradient it is given."""
    if before is None or before.shape != row.shape or before.value.op == "const":
        raise ctx.refuse("changes in place, without autograd, what has a gradient")
    held, source = ctx.stored(stop(ctx, row)), ctx.stored(before)
    value = ctx.graph.barrier("copy", held, source, name="passed")
    return Row(value, row.shape, row.merged)


def _arithmetic(function: str) -> Rule:
    return lambda ctx, *operands: ctx.arithmetic(function, *operands)


def _compare(function: str) -> Rule:
    def rule(ctx: Lowering, a: Operand, b: Operand) -> Row:
        values, like = ctx.broadcast(a, b)
        return ctx.result(function, [ctx.number(v) for v in values], like, "b")

    return rule


def _logic(function: str) -> Rule:
    def rule(ctx: Lowering, a: Operand, b: Operand) -> Row:
        values, like = ctx.broadcast(a, b)
        return ctx.result(function, [ctx.truth(v) for v in values], like, "b")

    return rule


RULES: dict[str, Rule] = {name: _arithmetic(name) for name in (*UNARY, *FLAT, "maximum", "minimum")}
RULES |= {name: _compare(name) for name in COMPARE}
RULES |= {name: _logic(function) for name, function in LOGIC.items()}
RULES |= {
    "add": add, "sub": sub, "rsub": rsub, "mul": _arithmetic("times"), "div": divide,
    "true_divide": divide, "where": where,
    "reciprocal": lambda ctx, x: ctx.arithmetic("div", 1.0, x), "pow.Tensor_Scalar": power,
    "pow.Scalar": exponential, "clamp": clamp, "clamp_min": clamp, "hardtanh": hardtanh,
    "clamp_max": lambda ctx, x, high: clamp(ctx, x, None, high),
    "leaky_relu": leaky_relu, "elu": elu, "celu": celu, "selu": selu,
    "silu": silu, "gelu": gelu, "softplus": softplus, "log_sigmoid_forward": log_sigmoid,
    "lerp": lerp, "addcmul": addcmul, "addcdiv": addcdiv, "threshold": threshold,
    "softshrink": softshrink, "square": lambda ctx, x: power(ctx, x, 2), "bitwise_not": invert,
    "logical_not": invert, "isnan": is_nan, "masked_fill": masked_fill, "detach": stop,
    "_prelu_kernel": _arithmetic("prelu"),
}  # fmt: skip
