"""The meaning of values in plain torch: the oracle of the compiler's passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from ostinato.backends.fused.ir.functions import FUNCTIONS
from ostinato.backends.fused.ir.values import Value, topological
from ostinato.backends.fused.ir.views import places


def interpret(
    roots: Iterable[Value], inputs: Mapping[Value, Tensor], params: Mapping[int, Tensor], rows: int
) -> dict[Value, Tensor]:
    """Every value that the roots need, as [rows, *shape]; inputs and params are given."""
    sample = next(iter([*inputs.values(), *params.values()]))
    known: dict[Value, Tensor] = dict(inputs)
    for v in topological(roots, stop=lambda v: v in inputs):
        if v not in known:
            known[v] = evaluate(v, known, params, rows, sample)
    return known


def evaluate(
    v: Value, known: Mapping[Value, Tensor], params: Mapping[int, Tensor], rows: int, sample: Tensor
) -> Tensor:
    """One value from those of its args."""
    args = [known[a] for a in v.args]
    if v.op == "const":
        if v.dtype == "b":
            return torch.tensor(bool(v.number), device="cpu")
        return sample.new_tensor(v.number)
    if v.op == "param":
        return params[v.index].to(sample.dtype).expand(rows, *v.shape)
    if v.op == "pointwise":
        wide = [a.expand(rows, *v.shape) if a.dim() == 0 else a for a in args]
        made = FUNCTIONS[v.function].torch(*wide).expand(rows, *v.shape)
        # a condition as a number
        return made.to(sample.dtype) if v.dtype == "f" else made
    if v.op == "view":
        return read(args[0], v)
    if v.op == "product":
        transposed, k_start, n_start = v.block
        w = args[1][0].T if transposed else args[1][0]
        w = w[n_start : n_start + v.shape[-1], k_start : k_start + v.args[0].shape[-1]]
        found = args[0] @ w.T
        return found + args[2] if len(args) > 2 else found
    if v.op == "reduce":
        dims = [axis + 1 for axis in v.axes]
        return args[0].sum(dims) if v.function == "sum" else args[0].amax(dims)
    if v.op == "assemble":
        return assemble(args, v, rows)
    assert v.op == "barrier", v.op
    if v.function == "first":
        (axis,) = v.axes
        return args[1].max(axis + 1).values
    if v.function == "copy" and v.args[0] is not v.args[1]:
        return Passed.apply(args[0], args[1])
    return args[0]


class Passed(torch.autograd.Function):
    """A value in the place of another one, whose gradient it is given."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, source: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        return None, grads[0]


def read(stored: Tensor, v: Value) -> Tensor:
    """A view, entry by entry, by strides over the dense rows."""
    rows, dense = stored.shape[0], stored.reshape(stored.shape[0], -1)
    at = torch.from_numpy(places(v.reading))
    return dense[:, at].reshape(rows, *v.shape)


def assemble(parts: list[Tensor], v: Value, rows: int) -> Tensor:
    """Parts in their places, zeros elsewhere."""
    out = parts[0].new_zeros(rows, v.size)
    for part, (where, _) in zip(parts, v.parts, strict=True):
        out[:, torch.from_numpy(places(where))] = part.reshape(rows, -1)
    return out.reshape(rows, *v.shape)
