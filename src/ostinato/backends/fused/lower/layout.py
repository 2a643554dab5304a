"""Torch ops that only lay out the features anew: views, cat, split and their kin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ostinato.backends.fused import views
from ostinato.backends.fused.ir import Reading, Shape, Value, contiguous
from ostinato.backends.fused.lower.context import Lowering, Operand, Row, Rule


def same(ctx: Lowering, x: Operand, *_: Any, **__: Any) -> Row:
    """Ops that change nothing that matters here."""
    return ctx.row(x)


def convert(ctx: Lowering, x: Operand, *_: Any, **__: Any) -> Row:
    """A change of dtype, between the program's float type and bool."""
    row, wanted = ctx.row(x), ctx.result_tensor().dtype
    change = ctx.truth if not wanted.is_floating_point else ctx.number
    return Row(change(row.value), row.shape, row.merged)


def view(ctx: Lowering, x: Operand, *_: Any) -> Row:
    """A reshape, which may merge the first features with the batch for a product."""
    shape, merged = ctx.shaped(ctx.result_tensor())
    return ctx.reshaped(ctx.row(x), shape, merged)


def expand(ctx: Lowering, x: Operand, *_: Any, **__: Any) -> Row:
    """Broadcasting, also of a parameter to all rows."""
    shape, merged = ctx.shaped(ctx.result_tensor())
    if merged:
        raise ctx.refuse("spreads features over the batch")
    if isinstance(x, Tensor) and not ctx.is_row(x):
        lead = x.dim() == len(shape) + 1
        if lead and x.shape[0] != 1:
            raise ctx.refuse("spreads a parameter over the batch")
        value = ctx.param(x)
        inner = tuple(x.shape[1:] if lead else x.shape)
        return Row(ctx.change(ctx.change(value, views.reshape(inner)), views.expand(shape)), shape)
    return Row(ctx.change(ctx.row(x).value, views.expand(shape)), shape)


def permute(ctx: Lowering, x: Operand, dims: Sequence[int]) -> Row:
    row = ctx.row(x)
    dims = [d % row.dims for d in dims]
    if dims[0] != 0:
        raise ctx.refuse("moves the batch from the front")
    order = tuple(ctx.axis(row, d) for d in dims[1:])
    order = (0, *order) if row.merged else order
    return Row(
        ctx.change(row.value, views.permute(order)), tuple(row.shape[i] for i in order), row.merged
    )


def transpose(ctx: Lowering, x: Operand, a: int, b: int) -> Row:
    row = ctx.row(x)
    dims = list(range(row.dims))
    dims[a], dims[b] = dims[b], dims[a]
    return permute(ctx, x, dims)


def select(ctx: Lowering, x: Operand, dim: int, index: int) -> Row:
    row = ctx.row(x)
    axis = ctx.axis(row, dim)
    change = views.select(axis, index % row.shape[axis])
    return Row(ctx.change(row.value, change), row.shape[:axis] + row.shape[axis + 1 :], row.merged)


def narrowed(ctx: Lowering, row: Row, axis: int, start: int, length: int, step: int = 1) -> Row:
    """Some entries of an axis."""
    shape = (*row.shape[:axis], length, *row.shape[axis + 1 :])
    return Row(ctx.change(row.value, views.narrow(axis, start, length, step)), shape, row.merged)


def slice_(
    ctx: Lowering,
    x: Operand,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Row:
    row = ctx.row(x)
    dim = dim % row.dims
    size = ctx.batch_size if dim == 0 else row.shape[ctx.axis(row, dim)]
    first, last, step = slice(start, end, step).indices(size)
    if dim == 0 and (first, last, step) == (0, size, 1) and not row.merged:
        return row
    return narrowed(ctx, row, ctx.axis(row, dim), first, len(range(first, last, step)), step)


def split(ctx: Lowering, x: Operand, sizes: int | Sequence[int], dim: int = 0) -> tuple[Row, ...]:
    row = ctx.row(x)
    axis = ctx.axis(row, dim)
    total = row.shape[axis]
    if isinstance(sizes, int):
        sizes = [min(sizes, total - start) for start in range(0, total, sizes)]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(narrowed(ctx, row, axis, a, n) for a, n in zip(starts, sizes, strict=True))


def unbind(ctx: Lowering, x: Operand, dim: int = 0) -> tuple[Row, ...]:
    row = ctx.row(x)
    return tuple(select(ctx, x, dim, i) for i in range(row.shape[ctx.axis(row, dim)]))


def parts(ctx: Lowering, tensors: Sequence[Operand]) -> list[Row]:
    """The operands of a cat or stack as rows, parameters spread over them."""
    first = next((t for t in tensors if ctx.is_row(t)), None)
    if first is None:
        raise ctx.refuse("makes a batch of parameters")
    return [ctx.row(t) if ctx.is_row(t) else _spread(ctx, t, ctx.row(first)) for t in tensors]


def _spread(ctx: Lowering, t: Operand, like: Row) -> Row:
    if not isinstance(t, Tensor) or t.dim() != like.dims or t.shape[0] != 1:
        raise ctx.refuse("joins a parameter to a batch")
    shape = tuple(t.shape[1:])
    return Row(ctx.change(ctx.param(t), views.reshape(shape)), shape)


def cat(ctx: Lowering, tensors: Sequence[Operand], dim: int = 0) -> Row:
    rows = parts(ctx, [t for t in tensors if not (isinstance(t, Tensor) and t.numel() == 0)])
    merged = any(r.merged for r in rows)
    if merged and not all(r.merged for r in rows):
        raise ctx.refuse("joins batches of different rank")
    axis = ctx.axis(rows[0], dim)
    total = sum(r.shape[axis] for r in rows)
    shape = (*rows[0].shape[:axis], total, *rows[0].shape[axis + 1 :])
    starts = [sum(r.shape[axis] for r in rows[:i]) for i in range(len(rows))]
    dense = contiguous(shape)
    placed = [
        (Reading(start * dense[axis], r.shape, dense), _full(ctx, r))
        for start, r in zip(starts, rows, strict=True)
    ]
    return Row(joined(ctx, placed, shape), shape, merged)


def joined(ctx: Lowering, placed: list[tuple[Reading, Value]], shape: Shape) -> Value:
    """The parts as one stored value, bools as numbers."""
    if all(v.dtype == "b" for _, v in placed):
        numbers = [(r, ctx.number(v)) for r, v in placed]
        return ctx.truth(ctx.graph.assemble(numbers, shape, "cat"))
    return ctx.graph.assemble([(r, ctx.number(v)) for r, v in placed], shape, "cat")


def _full(ctx: Lowering, row: Row) -> Value:
    return ctx.stored(row)


def stack(ctx: Lowering, tensors: Sequence[Operand], dim: int = 0) -> Row:
    rows = parts(ctx, tensors)
    dim = dim % (rows[0].dims + 1)
    if dim == 0 or rows[0].merged:
        raise ctx.refuse("stacks batches")
    axis = dim - 1
    wide = [ctx.reshaped(r, (*r.shape[:axis], 1, *r.shape[axis:])) for r in rows]
    return cat(ctx, wide, dim)


def repeat(ctx: Lowering, x: Operand, counts: Sequence[int]) -> Row:
    """Tiling of the features, as a broadcast reading that is then reshaped."""
    row = ctx.row(x)
    lead = len(counts) - row.dims
    if lead or counts[0] != 1 or row.merged:
        raise ctx.refuse("repeats the rows of the batch")
    if all(c == 1 for c in counts):
        return row
    wide = tuple(n for size in row.shape for n in (1, size))
    full = tuple(n for c, size in zip(counts[1:], row.shape, strict=True) for n in (c, size))
    spread = ctx.change(ctx.change(row.value, views.reshape(wide)), views.expand(full))
    shape = tuple(c * n for c, n in zip(counts[1:], row.shape, strict=True))
    return ctx.reshaped(Row(spread, full), shape)


def roll(ctx: Lowering, x: Operand, shifts: Sequence[int], dims: Sequence[int] = ()) -> Row:
    row = ctx.row(x)
    if len(dims) != len(shifts):
        raise ctx.refuse("rolls across the rows of the batch")
    for shift, dim in zip(shifts, dims, strict=True):
        axis = ctx.axis(row, dim)
        n = row.shape[axis]
        k = shift % n
        if k:
            row = cat(
                ctx, [narrowed(ctx, row, axis, n - k, k), narrowed(ctx, row, axis, 0, n - k)], dim
            )
    return row


def flip(ctx: Lowering, x: Operand, dims: Sequence[int]) -> Row:
    row = ctx.row(x)
    value = row.value
    for axis in ctx.axes(row, dims):
        value = ctx.change(value, views.narrow(axis, row.shape[axis] - 1, row.shape[axis], -1))
    return Row(value, row.shape, row.merged)


def glu(ctx: Lowering, x: Operand, dim: int = -1) -> Row:
    row = ctx.row(x)
    a, b = split(ctx, row, row.shape[ctx.axis(row, dim)] // 2, dim)
    return ctx.arithmetic("mul", a, ctx.arithmetic("sigmoid", b))


SAME = ("alias", "clone", "contiguous", "lift_fresh", "lift_fresh_copy", "positive")
VIEW = (
    "view",
    "_unsafe_view",
    "reshape",
    "_reshape_alias",
    "unsqueeze",
    "squeeze",
    "unflatten",
    "flatten",
)
RULES: dict[str, Rule] = {**dict.fromkeys(SAME, same), **dict.fromkeys(VIEW, view)}
RULES |= {
    "_to_copy": convert, "expand": expand, "permute": permute, "transpose": transpose,
    "select": select, "slice": slice_, "split": split, "split_with_sizes": split, "unbind": unbind,
    "unsafe_split": split, "unsafe_split_with_sizes": split,
    "cat": cat, "stack": stack, "repeat": repeat, "roll": roll, "flip": flip, "glu": glu,
}  # fmt: skip
