"""The state of a lowering: which recorded tensor is which value, and how operands line up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ostinato.backends.fused.ir import views
from ostinato.backends.fused.ir.functions import FUNCTIONS
from ostinato.backends.fused.ir.values import Apply, Graph, Shape, Value
from ostinato.backends.fused.ir.views import Change
from ostinato.backends.fused.trace.recording import Captured, Op, Recording, Refusal

DEAR = 4
"""Cost from which a function is not repeated for every entry that it is broadcast to."""


@dataclass(frozen=True)
class Row:
    """A recorded tensor [B, *shape]; ``merged`` where it stands as [B * shape[0], ...]."""

    value: Value
    shape: Shape
    merged: bool = False

    @property
    def dims(self) -> int:
        """Dimensions of the recorded tensor."""
        return len(self.shape) + (not self.merged)


@dataclass(frozen=True)
class Draw:
    """Random numbers for every row and step: ``kind`` is rand or randn."""

    kind: str
    shape: Shape


Operand: TypeAlias = Row | Tensor | float | int | bool
Rule: TypeAlias = Callable[..., Row | tuple[Row | None, ...] | None]


@dataclass
class Lowering:
    """What is known of the recorded tensors so far."""

    recording: Recording
    dtype: torch.dtype
    graph: Graph = field(default_factory=Graph)
    rows: dict[int, Row] = field(default_factory=dict[int, Row])
    outside: list[Op] = field(default_factory=list[Op])
    """Ops that depend on parameters alone, in order."""
    params: list[Tensor] = field(default_factory=list[Tensor])
    """The recorded tensors that the program reads as parameters."""
    draws: list[Draw] = field(default_factory=list[Draw])
    names: dict[int, str] = field(default_factory=dict[int, str])
    op: Op | None = None

    @property
    def batch_size(self) -> int:
        return self.recording.batch_size

    def refuse(self, why: str) -> Refusal:
        """The refusal of the op at hand."""
        assert self.op is not None
        return Refusal(f"{self.op.name} {why}, at {self.op.where}")

    def row(self, x: Operand) -> Row:
        """The operand as a row value; refuses what has no batch."""
        if isinstance(x, Tensor):
            found = self.rows.get(id(x))
            if found is not None:
                return found
            raise self.refuse("has a parameter where a batch of rows is wanted")
        if isinstance(x, Row):
            return x
        return Row(self.graph.const(x), ())

    def is_row(self, x: object) -> bool:
        """Whether an argument of an op has the batch."""
        return isinstance(x, Row) or (isinstance(x, Tensor) and id(x) in self.rows)

    def param(self, tensor: Tensor) -> Value:
        """A parameter as a value, in its own shape."""
        known = [i for i, t in enumerate(self.params) if t is tensor]
        index = known[0] if known else len(self.params)
        if not known:
            self.params.append(tensor)
        name = self.names.get(id(tensor), f"param{index}")
        stored = self.graph.param(index, tuple(tensor.shape), "f", name)
        # bools lie in memory as numbers of the program's type
        return (
            self.graph.pointwise("bool", stored, dtype="b")
            if tensor.dtype == torch.bool
            else stored
        )

    def constant(self, tensor: Tensor) -> Value:
        """A tensor of numbers that are always the same, as a parameter."""
        assert self.op is not None
        captured = Captured(tensor, self.op.where, fresh=True)
        self.recording.captured[id(tensor)] = captured
        return self.param(tensor)

    def broadcast(self, *operands: Operand) -> tuple[list[Value], Row]:
        """The operands as values of one shape, and a row that says this shape."""
        rows = [self.row(x) for x in operands if self.is_row(x)]
        if not rows:
            raise self.refuse("makes a batch of parameters")
        if len({(r.merged, r.dims) for r in rows}) > 1:
            raise self.refuse("lines up batches of different rank")
        like = rows[0]
        features = [self._features(x, like) for x in operands]
        try:
            shape = tuple(np.broadcast_shapes(*(s for _, s in features)))
        except ValueError as error:
            raise self.refuse("does not broadcast within the rows") from error
        values = [self.spread(v, shape) for v, _ in features]
        return values, Row(self.graph.const(0.0), shape, like.merged)

    def spread(self, v: Value, shape: Shape) -> Value:
        """A value broadcast to a shape; what is dear is worked out before, not for each entry."""
        dear = v.op == "pointwise" and FUNCTIONS[v.function].cost >= DEAR
        if dear and v.size < math.prod(shape) and any(a.op != "const" for a in v.args):
            v = self.graph.barrier("copy", v, v, name=v.name)
        return self.change(v, views.expand(shape))

    def _features(self, x: Operand, like: Row) -> tuple[Value, Shape]:
        if isinstance(x, Tensor) and not self.is_row(x):
            dims = len(like.shape) + (not like.merged)
            if x.dim() > dims or (x.dim() == dims and (like.merged or x.shape[0] != 1)):
                raise self.refuse("spreads a parameter over the batch")
            shape = tuple(x.shape[1:] if x.dim() == dims else x.shape)
            return self.change(self.param(x), views.reshape(shape)), shape
        row = self.row(x)
        return row.value, row.shape

    def change(self, v: Value, change: Change) -> Value:
        """A value under a change of its reading."""
        return self.graph.reshaped(v, change)

    def pointwise(self, function: str, *operands: Operand, dtype: str = "f") -> Row:
        """A function of broadcast operands."""
        values, like = self.broadcast(*operands)
        return self.result(function, values, like, dtype)

    def arithmetic(self, function: str, *operands: Operand) -> Row:
        """As `pointwise`, with bools taken as 0 and 1."""
        values, like = self.broadcast(*operands)
        return self.result(function, [self.number(v) for v in values], like, "f")

    def result(self, function: str, values: Sequence[Value], like: Row, dtype: str) -> Row:
        """A pointwise value in the shape of a row; constants alone are filled out to it."""
        values = list(values)
        if all(v.op == "const" for v in values):
            values[0] = self.stored(Row(values[0], like.shape))
        return Row(self.graph.pointwise(function, *values, dtype=dtype), like.shape, like.merged)

    def number(self, v: Value) -> Value:
        """A bool value as 0.0 or 1.0."""
        if v.op == "const" and v.dtype == "b":
            return self.graph.const(v.number)
        return self.graph.pointwise("float", v) if v.dtype == "b" else v

    def truth(self, v: Value) -> Value:
        """A number as whether it is not zero."""
        if v.op == "const" and v.dtype == "f":
            return self.graph.const(v.number != 0)
        return v if v.dtype == "b" else self.graph.pointwise("bool", v, dtype="b")

    def stored(self, row: Row) -> Value:
        """The value with its full shape, constants filled out."""
        v = row.value
        if v.shape == row.shape and v.op != "const":
            return v
        return self.graph.make("pointwise", (v,), Apply("copy"), row.shape, v.dtype, "filled")

    def axis(self, row: Row, dim: int) -> int:
        """The feature axis of a recorded dimension; refuses that of the batch."""
        dim = dim + row.dims if dim < 0 else dim
        if dim == 0:
            raise self.refuse("acts across the rows of the batch")
        return dim if row.merged else dim - 1

    def axes(self, row: Row, dims: Sequence[int] | int | None) -> tuple[int, ...]:
        """The feature axes of recorded dimensions, in order."""
        if isinstance(dims, int):
            dims = [dims]
        return tuple(sorted(self.axis(row, d) for d in (dims or range(row.dims))))

    def shaped(self, tensor: Tensor) -> tuple[Shape, bool]:
        """The features of a recorded result, and whether it stands merged."""
        lead = tensor.shape[0] if tensor.dim() else 0
        if lead == self.batch_size:
            return tuple(tensor.shape[1:]), False
        if lead and lead % self.batch_size == 0:
            return (lead // self.batch_size, *tensor.shape[1:]), True
        raise self.refuse("moves the batch from the front")

    def has_batch(self, tensor: Tensor) -> bool:
        """Whether a recorded tensor is as large as the batch, whatever made it."""
        return any(n and n % self.batch_size == 0 for n in tensor.shape)

    def reshaped(self, row: Row, shape: Shape, merged: bool = False) -> Row:
        """The same entries under another shape of the features."""
        assert math.prod(shape) == math.prod(row.shape)
        return Row(self.change(row.value, views.reshape(shape)), shape, merged)

    def result_tensor(self) -> Any:
        """What the op at hand gave when it was recorded."""
        assert self.op is not None
        return self.op.results[0]
