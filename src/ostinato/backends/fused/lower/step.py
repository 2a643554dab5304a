"""From a recording to a `Step`: every op by its rule, or a refusal that names it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from ostinato import _tree
from ostinato.backends.fused.ir.values import Graph, Value
from ostinato.backends.fused.lower import create, layout, pointwise, product, reduce
from ostinato.backends.fused.lower.context import Draw, Lowering, Row, Rule
from ostinato.backends.fused.trace.recording import Captured, Op, Recording, Refusal

RULES: dict[str, Rule] = (
    pointwise.RULES | layout.RULES | reduce.RULES | product.RULES | create.RULES
)


@dataclass(frozen=True)
class Step:
    """One step as values: what it reads and what it gives."""

    graph: Graph
    xs: tuple[Value, ...]
    """Leaves of x, as the inputs ``x``."""
    states: tuple[Value, ...]
    """Leaves of the state before the step; a leaf that rows share is a param."""
    after: tuple[Value, ...]
    ys: tuple[Value, ...]
    y_tree: Any
    y_dtypes: tuple[torch.dtype, ...]
    params: tuple[Tensor, ...]
    """What the program's params are, as recorded tensors."""
    outside: tuple[Op, ...]
    """Ops on parameters alone, in order, which make params that are computed."""
    draws: tuple[Draw, ...]
    captured: tuple[Captured, ...]
    shared: tuple[Tensor, ...]
    """The recorded state leaves that rows share, in the order of the state."""

    @cached_property
    def needed_outside(self) -> list[Op]:
        """The ops outside that some param needs."""
        wanted = {id(t) for t in self.params}
        found: list[Op] = []
        for op in reversed(self.outside):
            if any(id(t) in wanted for t in op.results if t is not None):
                found.insert(0, op)
                wanted |= {id(t) for t in op.tensors()}
        return found

    def without_tensors(self) -> Step:
        """The step without what it was recorded with; params keep their shapes only."""
        shapes = tuple(t.detach().to("meta") for t in self.params)
        return replace(self, params=shapes, outside=(), captured=(), shared=())


def lower(recording: Recording, dtype: torch.dtype, names: dict[int, str]) -> Step:
    """The step of a recording; ``names`` of captured tensors by id. Raises Refusal."""
    ctx = Lowering(recording, dtype, names=dict(names))
    xs = tuple(_input(ctx, "x", i, t) for i, t in enumerate(recording.xs))
    states = tuple(_input(ctx, "state", i, t) for i, t in enumerate(recording.states))
    for op in recording.ops:
        ctx.op = op
        lower_op(ctx, op)
    after = tuple(_after(ctx, t, s) for t, s in zip(_leaves(recording.after), states, strict=True))
    flat, tree = tree_flatten(recording.y)
    ys = tuple(_output(ctx, t) for t in flat)
    known = {id(t) for t in recording.states}
    return Step(
        ctx.graph, xs, states, after, ys, tree, tuple(t.dtype for t in flat), tuple(ctx.params),
        tuple(ctx.outside), tuple(ctx.draws), tuple(recording.captured.values()),
        tuple(t for t in recording.states if id(t) in known and t.shape[0] == 1),
    )  # fmt: skip


def _leaves(tree: Any) -> list[Tensor]:
    return _tree.leaves(tree)


def _input(ctx: Lowering, kind: str, index: int, t: Tensor) -> Value:
    """A leaf of x or the state; bools are numbers in memory."""
    if t.dtype not in (ctx.dtype, torch.bool):
        raise Refusal(f"leaf {index} of the {kind} is {t.dtype} beside {ctx.dtype}")
    if t.shape[0] == 1:
        return _stored(ctx.param(t))
    shape = tuple(t.shape[1:])
    value = ctx.graph.input(kind, index, shape)
    meant = ctx.truth(value) if t.dtype == torch.bool else value
    ctx.rows[id(t)] = Row(meant, shape)
    return value


def _stored(v: Value) -> Value:
    return v.args[0] if v.op == "pointwise" else v


def _after(ctx: Lowering, t: Tensor, before: Value) -> Value:
    """The number that is stored as the state after the step."""
    if before.op == "param":
        if t is not ctx.params[before.index]:
            raise Refusal("the step changes a leaf of the state that the rows share")
        return before
    return _output(ctx, t)


def _output(ctx: Lowering, t: object) -> Value:
    if not isinstance(t, Tensor):
        raise Refusal(f"the step gives a {type(t).__name__} where a tensor is wanted")
    row = ctx.rows.get(id(t))
    if row is None:
        raise Refusal("the step gives a tensor that depends on no row of the batch")
    if row.merged:
        raise Refusal("the step gives a tensor that mixes the batch with its features")
    if row.value.dtype == "b" and row.value.op == "pointwise" and row.value.function == "bool":
        return ctx.stored(Row(row.value.args[0], row.shape))
    return ctx.stored(Row(ctx.number(row.value), row.shape))


def lower_op(ctx: Lowering, op: Op) -> None:
    """Give the results of an op their values, or leave it to torch outside the loop."""
    rowwise = any(ctx.is_row(t) for t in op.tensors())
    made = [t for t in op.results if t is not None]
    batched = any(ctx.has_batch(t) for t in made)
    refuse_odd(ctx, op, batched)
    if base_name(op)[0] in create.CONSTANT and not batched:
        # made beside the rows, as by x.new_zeros(1), but no row has a part in its value
        rowwise = False
    if not rowwise and not batched:
        ctx.outside.append(op)
        return
    if base_name(op)[0] == "detach" and not rowwise:
        # autograd keeps such a copy of a by-product (the mean of a norm), and nothing reads it
        return
    rule, options = find_rule(ctx, op), _options(op)
    try:
        signature(rule).bind(ctx, *op.args, **options)
    except TypeError as error:
        raise ctx.refuse(f"is called in a way that the compiler does not know ({error})") from error
    given = rule(ctx, *op.args, **options)
    rows = given if isinstance(given, tuple) else (given,)
    for t, row in zip(op.results, rows, strict=False):
        if t is not None and row is not None:
            _bind(ctx, op, t, row)


def refuse_odd(ctx: Lowering, op: Op, batched: bool) -> None:
    """Refuse what no rule looks at."""
    if op.draws and not batched:
        raise ctx.refuse("draws random numbers that all rows share, anew at each step")
    if any(isinstance(a, torch.Generator) for a in (*op.args, *op.kwargs.values())):
        raise ctx.refuse("draws from a generator of its own")
    if any(isinstance(a, Tensor) for name, a in op.kwargs.items() if name.startswith("out")):
        raise ctx.refuse("writes its result into a tensor that it is given")


def _bind(ctx: Lowering, op: Op, t: Tensor, row: Row) -> None:
    """Note what a result is as a value."""
    if t.dtype not in (ctx.dtype, torch.bool):
        raise ctx.refuse(f"gives {t.dtype} in a step of {ctx.dtype}")
    if t.dtype == torch.bool and row.value.dtype != "b":
        row = replace(row, value=ctx.truth(row.value))
    if op.passes:
        row = pointwise.pass_gradient(ctx, row, ctx.rows.get(id(t)))
    elif not op.differentiable:
        row = pointwise.stop(ctx, row)
    ctx.rows[id(t)] = row


def base_name(op: Op) -> tuple[str, str]:
    """The op's name without namespace, overload and the underscore of the in-place form."""
    namespace, name, overload = op.name.split(".", 2)
    if namespace != "aten":
        return op.name, overload
    inplace = name.endswith("_") and not name.endswith("__")
    return (name[:-1] if inplace else name), overload


def find_rule(ctx: Lowering, op: Op) -> Rule:
    """The rule for an op; refuses where there is none."""
    name, overload = base_name(op)
    rule = RULES.get(f"{name}.{overload}") or RULES.get(name)
    if rule is None:
        raise ctx.refuse("is not an operation that the compiler knows")
    return rule


def _options(op: Op) -> dict[str, Any]:
    """The keyword arguments that say what is computed."""
    ignored = (
        "dtype",
        "layout",
        "device",
        "pin_memory",
        "memory_format",
        "non_blocking",
        "generator",
    )
    return {k: v for k, v in op.kwargs.items() if k not in ignored}
