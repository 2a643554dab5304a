"""Torch ops over the features of a row: sums, norms and softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ostinato.backends.fused.ir import views
from ostinato.backends.fused.ir.values import Over, Shape, Value
from ostinato.backends.fused.lower.context import Lowering, Operand, Row, Rule
from ostinato.backends.fused.lower.pointwise import where


def reduced(ctx: Lowering, row: Row, kind: str, axes: tuple[int, ...], keep: bool = False) -> Row:
    """A sum or maximum over feature axes."""
    source = ctx.number(ctx.stored(row))
    value = ctx.graph.reduce(kind, pinned(ctx, source) if kind == "amax" else source, axes)
    shape = tuple(n for i, n in enumerate(row.shape) if i not in axes)
    if not keep:
        return Row(value, shape, row.merged)
    kept = tuple(1 if i in axes else n for i, n in enumerate(row.shape))
    return Row(ctx.change(value, views.reshape(kept)), kept, row.merged)


def pinned(ctx: Lowering, v: Value) -> Value:
    """A value that the backward reads as it was: the largest entry is found by equality.

    Worked out once more it may be rounded otherwise, and then no entry would be the largest.
    """
    if v.op != "pointwise":
        return v
    return ctx.graph.make("barrier", (v, v), Over("copy", ()), v.shape, v.dtype, v.name)


def count(row: Row, axes: tuple[int, ...]) -> int:
    """Entries that a reduction over axes takes in."""
    return math.prod(row.shape[i] for i in axes)


def total(
    ctx: Lowering, x: Operand, dims: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Row:
    row = ctx.row(x)
    return reduced(ctx, row, "sum", ctx.axes(row, dims), keepdim)


def mean(
    ctx: Lowering, x: Operand, dims: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Row:
    row = ctx.row(x)
    axes = ctx.axes(row, dims)
    return ctx.arithmetic("div", reduced(ctx, row, "sum", axes, keepdim), float(count(row, axes)))


def amax(ctx: Lowering, x: Operand, dims: Sequence[int] = (), keepdim: bool = False) -> Row:
    row = ctx.row(x)
    return reduced(ctx, row, "amax", ctx.axes(row, dims), keepdim)


def amin(ctx: Lowering, x: Operand, dims: Sequence[int] = (), keepdim: bool = False) -> Row:
    return ctx.arithmetic("neg", amax(ctx, ctx.arithmetic("neg", x), dims, keepdim))


def largest(ctx: Lowering, x: Operand, dim: int, keepdim: bool = False) -> tuple[Row, None]:
    """``max(dim)``: the values, whose gradient goes to the first of equal entries.

    Who uses the indices is refused.
    """
    row = ctx.row(x)
    axis = ctx.axis(row, dim)
    source = pinned(ctx, row_value(ctx, row))
    top = ctx.graph.reduce("amax", source, (axis,))
    order = ctx.constant(torch.arange(row.shape[axis], dtype=ctx.dtype, device="cpu"))
    value = barrier(ctx, "first", top, (axis,), source, order)
    shape = tuple(n for i, n in enumerate(row.shape) if i != axis)
    if not keepdim:
        return Row(value, shape, row.merged), None
    kept = tuple(1 if i == axis else n for i, n in enumerate(row.shape))
    return Row(ctx.change(value, views.reshape(kept)), kept, row.merged), None


def smallest(ctx: Lowering, x: Operand, dim: int, keepdim: bool = False) -> tuple[Row, None]:
    found, _ = largest(ctx, ctx.arithmetic("neg", x), dim, keepdim)
    return ctx.arithmetic("neg", found), None


def variance(
    ctx: Lowering,
    x: Operand,
    dims: Any = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> Row:
    row = ctx.row(x)
    axes = ctx.axes(row, dims)
    centred = _centred(ctx, row, axes)
    squares = reduced(ctx, ctx.arithmetic("mul", centred, centred), "sum", axes, keepdim)
    n = count(row, axes) - (1.0 if correction is None else correction)
    return ctx.arithmetic("div", squares, float(n))


def _centred(ctx: Lowering, row: Row, axes: tuple[int, ...]) -> Row:
    average = ctx.arithmetic("div", reduced(ctx, row, "sum", axes, True), float(count(row, axes)))
    return ctx.arithmetic("sub", row, average)


def deviation(
    ctx: Lowering,
    x: Operand,
    dims: Any = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> Row:
    # torch takes the gradient of the root as 0 at 0 here
    return ctx.arithmetic("sqrt0", variance(ctx, x, dims, correction=correction, keepdim=keepdim))


def vector_norm(
    ctx: Lowering,
    x: Operand,
    order: float = 2,
    dims: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Row:
    row = ctx.row(x)
    axes = ctx.axes(row, dims)
    if order == 1:
        return reduced(ctx, ctx.arithmetic("abs", row), "sum", axes, keepdim)
    if order == math.inf:
        return reduced(ctx, ctx.arithmetic("abs", row), "amax", axes, keepdim)
    if order != 2:
        raise ctx.refuse(f"takes a norm of order {order}")
    return ctx.arithmetic(
        "sqrt0", reduced(ctx, ctx.arithmetic("mul", row, row), "sum", axes, keepdim)
    )


def normalised(ctx: Lowering, row: Row, axes: tuple[int, ...], eps: float) -> Row:
    """(x - mean) / sqrt(var + eps) over axes, with the closed derivative of layer norm."""
    centred = _centred(ctx, row, axes)
    n = float(count(row, axes))
    squares = reduced(ctx, ctx.arithmetic("mul", centred, centred), "sum", axes, True)
    scale = ctx.arithmetic("rsqrt", ctx.arithmetic("add", ctx.arithmetic("div", squares, n), eps))
    (a, b), like = ctx.broadcast(centred, scale)
    value = barrier(
        ctx, "normalise", ctx.graph.pointwise("mul", a, b), axes, row_value(ctx, row), b
    )
    return Row(value, like.shape, row.merged)


def barrier(
    ctx: Lowering, kind: str, value: Value, axes: tuple[int, ...], source: Value, *needed: Value
) -> Value:
    """A stored value whose own derivative, over some axes, goes to the source."""
    return ctx.graph.barrier(kind, value, source, *needed, axes=axes)


def affine(ctx: Lowering, row: Row, gain: Any, bias: Any) -> Row:
    """row * gain + bias, where there are such."""
    row = row if gain is None else ctx.arithmetic("mul", row, gain)
    return row if bias is None else ctx.arithmetic("add", row, bias)


def layer_norm(
    ctx: Lowering, x: Operand, shape: Sequence[int], gain: Any, bias: Any, eps: float
) -> tuple[Row, None, None]:
    row = ctx.row(x)
    axes = tuple(range(len(row.shape) - len(shape), len(row.shape)))
    return affine(ctx, normalised(ctx, row, axes, eps), gain, bias), None, None


def group_norm(
    ctx: Lowering,
    x: Operand,
    gain: Any,
    bias: Any,
    n: int,
    channels: int,
    inner: int,
    groups: int,
    eps: float,
) -> tuple[Row, None, None]:
    row = ctx.row(x)
    if row.shape[0] != channels or row.merged:
        raise ctx.refuse("normalises across the rows of the batch")
    split: Shape = (groups, row.value.size // groups if row.value.size else 0)
    grouped = ctx.reshaped(Row(ctx.stored(row), row.shape), split)
    done = ctx.reshaped(normalised(ctx, grouped, (1,), eps), row.shape)
    if inner != 1 and (gain is not None or bias is not None):
        raise ctx.refuse("has a gain for channels of several features")
    return affine(ctx, done, gain, bias), None, None


def _exponentials(ctx: Lowering, row: Row, axes: tuple[int, ...]) -> tuple[Row, Row, Row]:
    """The shift by the maximum, x less it, and the sum of the exponentials of that."""
    top = reduced(ctx, row, "amax", axes, True)
    top = Row(ctx.graph.pointwise("stop", top.value), top.shape, top.merged)
    low = ctx.arithmetic("sub", row, top)
    return top, low, reduced(ctx, ctx.arithmetic("exp", low), "sum", axes, True)


def softmax(ctx: Lowering, x: Operand, dim: int, half: bool = False) -> Row:
    row = ctx.row(x)
    axes = (ctx.axis(row, dim),)
    _, low, sums = _exponentials(ctx, row, axes)
    share = ctx.arithmetic("div", ctx.arithmetic("exp", low), sums)
    return Row(
        barrier(ctx, "softmax", share.value, axes, row_value(ctx, row)), row.shape, row.merged
    )


def log_softmax(ctx: Lowering, x: Operand, dim: int, half: bool = False) -> Row:
    row = ctx.row(x)
    axes = (ctx.axis(row, dim),)
    _, low, sums = _exponentials(ctx, row, axes)
    logs = ctx.arithmetic("sub", low, ctx.arithmetic("log", sums))
    return Row(
        barrier(ctx, "log_softmax", logs.value, axes, row_value(ctx, row)), row.shape, row.merged
    )


def row_value(ctx: Lowering, row: Row) -> Value:
    """What the derivative of a barrier goes to."""
    return ctx.number(ctx.stored(row))


def log_sum_exp(ctx: Lowering, x: Operand, dims: Any, keepdim: bool = False) -> Row:
    row = ctx.row(x)
    axes = ctx.axes(row, dims)
    top = reduced(ctx, row, "amax", axes, True)
    top = Row(ctx.graph.pointwise("stop", top.value), top.shape, top.merged)
    # an infinite maximum would make inf - inf; torch takes 0 in its place
    endless = ctx.pointwise("eq", ctx.arithmetic("abs", top), math.inf, dtype="b")
    top = where(ctx, endless, 0.0, top)
    sums = reduced(ctx, ctx.arithmetic("exp", ctx.arithmetic("sub", row, top)), "sum", axes, True)
    logs = ctx.arithmetic("add", ctx.arithmetic("log", sums), top)
    shape = tuple(n for i, n in enumerate(row.shape) if i not in axes)
    return logs if keepdim else ctx.reshaped(logs, shape, row.merged)


RULES: dict[str, Rule] = {
    "sum": total, "mean": mean, "amax": amax, "amin": amin, "max.dim": largest, "min.dim": smallest,
    "var": variance, "std": deviation, "linalg_vector_norm": vector_norm, "norm": vector_norm,
    "native_layer_norm": layer_norm, "native_group_norm": group_norm, "_softmax": softmax,
    "_log_softmax": log_softmax, "logsumexp": log_sum_exp,
}  # fmt: skip
