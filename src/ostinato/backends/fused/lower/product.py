"""Matrix products: of rows by a parameter, and of the features of one row among themselves."""

from __future__ import annotations

from torch import Tensor

from ostinato.backends.fused.ir import views
from ostinato.backends.fused.ir.values import Value, contiguous
from ostinato.backends.fused.lower.context import Lowering, Operand, Row, Rule

PANEL = 16
"""Columns that a product writes at a time."""


def mm(ctx: Lowering, a: Operand, w: Operand) -> Row:
    """rows [B, K] by a parameter [K, N]."""
    if not ctx.is_row(a) or ctx.is_row(w) or not isinstance(w, Tensor):
        raise ctx.refuse("multiplies across the rows of the batch")
    row = ctx.row(a)
    if row.merged and w.shape[1] % PANEL:
        return spelled_out(ctx, row, w)
    weight, transposed = _orientation(ctx, w)
    value = by_parts(ctx, ctx.number(ctx.stored(row)), ctx.param(weight), transposed, w.shape[1])
    return Row(value, (*row.shape[:-1], w.shape[1]), row.merged)


def spelled_out(ctx: Lowering, row: Row, w: Tensor) -> Row:
    """A product of several vectors a row, whose results would not fit into whole panels."""
    (count, k), n = row.shape, w.shape[1]
    shape = (count, k, n)
    a = ctx.change(
        ctx.change(ctx.number(ctx.stored(row)), views.reshape((count, k, 1))), views.expand(shape)
    )
    terms = ctx.graph.pointwise("mul", a, ctx.change(ctx.param(w), views.expand(shape)))
    return Row(ctx.graph.reduce("sum", terms, (1,)), (count, n), row.merged)


def _orientation(ctx: Lowering, w: Tensor) -> tuple[Tensor, bool]:
    """The parameter behind a recorded transpose, and whether it is [K, N] (else [N, K])."""
    for op in ctx.outside:
        if op.results[0] is w and op.name in ("aten.t.default", "aten.transpose.int"):
            return op.args[0], False
    return w, True


def by_parts(ctx: Lowering, a: Value, w: Value, transposed: bool, n: int) -> Value:
    """The product of each part of a cat by its share of the weight, to hoist some parts."""
    if a.op != "assemble" or len(a.shape) != 1:
        return ctx.graph.product(a, w, n, transposed=transposed)
    terms = [
        ctx.graph.product(part, w, n, transposed=transposed, k_start=where.offset)
        for where, part in a.parts
        if where.strides == contiguous(a.shape)
    ]
    assert len(terms) == len(a.args)
    total = terms[0]
    for term in terms[1:]:
        total = ctx.graph.pointwise("add", total, term)
    return total


def addmm(
    ctx: Lowering, bias: Operand, a: Operand, w: Operand, *, beta: float = 1, alpha: float = 1
) -> Row:
    product = mm(ctx, a, w)
    if alpha != 1:
        product = ctx.arithmetic("mul", product, alpha)
    if beta == 0:
        return product
    if beta == 1:
        return ctx.arithmetic("add", product, bias)
    (_, value), like = ctx.broadcast(product, bias)
    spread = Row(value, like.shape, like.merged)
    return ctx.arithmetic("add", product, ctx.arithmetic("mul", spread, beta))


def mv(ctx: Lowering, a: Operand, w: Operand) -> Row:
    """rows [B, K] by a parameter [K], giving one number a row."""
    if not ctx.is_row(a) or ctx.is_row(w):
        raise ctx.refuse("multiplies across the rows of the batch")
    product = ctx.arithmetic("mul", a, w)
    axis = len(product.shape) - 1
    shape = product.shape[:axis]
    return Row(ctx.graph.reduce("sum", product.value, (axis,)), shape, product.merged)


def bmm(ctx: Lowering, a: Operand, b: Operand) -> Row:
    """[B, M, K] by [B, K, N], row by row."""
    left, right = _matrix(ctx, a), _matrix(ctx, b)
    if left.merged or right.merged:
        raise ctx.refuse("multiplies across the rows of the batch")
    (m, k), n = left.shape, right.shape[1]
    shape = (m, k, n)
    wide = ctx.change(ctx.change(left.value, views.reshape((m, k, 1))), views.expand(shape))
    tall = ctx.change(ctx.change(right.value, views.reshape((1, k, n))), views.expand(shape))
    terms = ctx.graph.pointwise("mul", wide, tall)
    return Row(ctx.graph.reduce("sum", ctx.stored(Row(terms, shape)), (1,)), (m, n))


def _matrix(ctx: Lowering, x: Operand) -> Row:
    row = ctx.row(x)
    return Row(ctx.number(row.value), row.shape, row.merged)


def baddbmm(
    ctx: Lowering, c: Operand, a: Operand, b: Operand, *, beta: float = 1, alpha: float = 1
) -> Row:
    product = bmm(ctx, a, b)
    if alpha != 1:
        product = ctx.arithmetic("mul", product, alpha)
    return (
        product
        if beta == 0
        else ctx.arithmetic("add", product, ctx.arithmetic("mul", c, float(beta)))
    )


RULES: dict[str, Rule] = {"mm": mm, "addmm": addmm, "mv": mv, "bmm": bmm, "baddbmm": baddbmm}
