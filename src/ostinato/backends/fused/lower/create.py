"""Torch ops that make rows out of nothing: constants and random numbers."""

from __future__ import annotations

from typing import Any

from ostinato.backends.fused.lower.context import Draw, Lowering, Operand, Row, Rule


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


def bernoulli(ctx: Lowering, _: Any, p: float = 0.5, **__: Any) -> Row:
    """1 with probability p, in the dtype of the op's result."""
    row = drawn(ctx, "rand")
    hit = ctx.pointwise("lt", row, p, dtype="b")
    return hit if not ctx.result_tensor().dtype.is_floating_point else ctx.arithmetic("copy", hit)


def native_dropout(
    ctx: Lowering, x: Operand, p: float, train: bool | None = True
) -> tuple[Row, Row]:
    row = ctx.row(x)
    if not train or p == 0:
        return row, constant(ctx, True)
    keep = ctx.pointwise("ge", drawn(ctx, "rand"), p, dtype="b")
    return ctx.arithmetic("mul", row, ctx.arithmetic("mul", keep, 1 / (1 - p))), keep


def uniform(ctx: Lowering, _: Any, low: float = 0.0, high: float = 1.0, **__: Any) -> Row:
    return ctx.arithmetic("add", ctx.arithmetic("mul", drawn(ctx, "rand"), high - low), low)


def normal(ctx: Lowering, _: Any, mean: float = 0.0, std: float = 1.0, **__: Any) -> Row:
    return ctx.arithmetic("add", ctx.arithmetic("mul", drawn(ctx, "randn"), std), mean)


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
    "rand_like": rand, "randn": randn, "randn_like": randn, "bernoulli": bernoulli,
    "native_dropout": native_dropout, "uniform": uniform, "normal": normal, "copy": copied,
}  # fmt: skip
