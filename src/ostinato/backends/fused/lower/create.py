"""Torch ops that make rows out of nothing: constants and random numbers."""

from __future__ import annotations

from typing import Any

from ostinato.backends.fused.lower.context import Draw, Lowering, Operand, Row, Rule
from ostinato.backends.fused.lower.pointwise import stop


def filled(number: float) -> Rule:
    """An op whose rows all hold one number."""

    def rule(ctx: Lowering, *_: Any, **__: Any) -> Row:
        return constant(ctx, number)

    return rule


def constant(ctx: Lowering, number: float | bool) -> Row:
    """A number in the shape of the op's result."""
    result = ctx.result_tensor()
    shape, merged = ctx.shaped(result)
    exact = bool(number) if not result.dtype.is_floating_point else float(number)
    return Row(ctx.graph.const(exact), shape, merged)


def full(ctx: Lowering, _: Any, number: float, **__: Any) -> Row:
    return constant(ctx, number)


def new_full(ctx: Lowering, _: Any, __: Any, number: float, **___: Any) -> Row:
    return constant(ctx, number)


def drawn(ctx: Lowering, kind: str) -> Row:
    """Fresh random numbers in the shape of the op's result, drawn for all steps at once."""
    shape, merged = ctx.shaped(ctx.result_tensor())
    value = ctx.graph.input("draw", len(ctx.draws), shape, name=f"{kind}{len(ctx.draws)}")
    ctx.draws.append(Draw(kind, shape))
    return Row(value, shape, merged)


def rand(ctx: Lowering, *_: Any, **__: Any) -> Row:
    return drawn(ctx, "rand")


def randn(ctx: Lowering, *_: Any, **__: Any) -> Row:
    return drawn(ctx, "randn")


def bernoulli(ctx: Lowering, x: Operand, p: Operand | None = None, **__: Any) -> Row:
    """1 with probability p, or x where there is no p, in the dtype of the op's result."""
    hit = ctx.pointwise("lt", drawn(ctx, "rand"), x if p is None else p, dtype="b")
    return hit if not ctx.result_tensor().dtype.is_floating_point else ctx.arithmetic("copy", hit)


def fill_bernoulli(ctx: Lowering, _: Operand, p: Operand = 0.5, **__: Any) -> Row:
    """In place, as ``t.bernoulli_(p)``."""
    return bernoulli(ctx, 0.0, p)


def native_dropout(
    ctx: Lowering, x: Operand, p: float, train: bool | None = True
) -> tuple[Row, Row]:
    row = ctx.row(x)
    if not train or p == 0:
        return row, constant(ctx, True)
    if p == 1:
        return ctx.arithmetic("mul", row, 0.0), constant(ctx, False)
    keep = ctx.pointwise("ge", drawn(ctx, "rand"), p, dtype="b")
    return ctx.arithmetic("mul", row, ctx.arithmetic("mul", keep, 1 / (1 - p))), keep


def uniform(ctx: Lowering, _: Any, low: float = 0.0, high: float = 1.0, **__: Any) -> Row:
    return ctx.arithmetic("add", ctx.arithmetic("mul", drawn(ctx, "rand"), high - low), low)


def fill_normal(ctx: Lowering, _: Any, mean: float = 0.0, std: float = 1.0, **__: Any) -> Row:
    """In place, as ``t.normal_(mean, std)``."""
    return normal(ctx, mean, std)


def normal(ctx: Lowering, mean: Operand, std: Operand = 1.0, *_: Any, **__: Any) -> Row:
    """Gaussian numbers, through which no gradient passes."""
    noise = ctx.arithmetic("mul", drawn(ctx, "randn"), std)
    return stop(ctx, ctx.arithmetic("add", noise, mean))


def exponential(ctx: Lowering, _: Any, rate: float = 1.0, **__: Any) -> Row:
    """In place, as ``t.exponential_(rate)``: -log(1 - u) / rate for a uniform u."""
    tail = ctx.arithmetic("log1p", ctx.arithmetic("neg", drawn(ctx, "rand")))
    return ctx.arithmetic("div", ctx.arithmetic("neg", tail), float(rate))


def copied(ctx: Lowering, target: Operand, source: Operand, *_: Any) -> Row:
    """``copy_``: the source, broadcast to what it overwrites."""
    values, like = ctx.broadcast(target, source)
    return Row(values[1], like.shape, like.merged)


ZERO = ("zeros", "zeros_like", "new_zeros", "zero", "empty", "empty_like", "new_empty")
ONE = ("ones", "ones_like", "new_ones")
CONSTANT = (*ZERO, *ONE, "full", "full_like", "new_full")
RULES: dict[str, Rule] = {**dict.fromkeys(ZERO, filled(0.0)), **dict.fromkeys(ONE, filled(1.0))}
RULES |= {
    "full": full, "full_like": full, "fill": full, "new_full": new_full, "rand": rand,
    "rand_like": rand, "randn": randn, "randn_like": randn, "bernoulli.default": bernoulli,
    "bernoulli.p": bernoulli, "bernoulli.float": fill_bernoulli, "bernoulli.Tensor": fill_bernoulli,
    "native_dropout": native_dropout, "uniform.default": uniform, "normal.default": fill_normal,
    "normal.Tensor_float": normal, "normal.float_Tensor": normal, "normal.Tensor_Tensor": normal,
    "normal.float_float": normal, "exponential.default": exponential, "copy": copied,
}  # fmt: skip
