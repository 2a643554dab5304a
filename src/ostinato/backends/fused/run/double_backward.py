"""The whole run once more in plain torch, for gradients of gradients.

Slow, and differentiable as often as wanted: the same values and the same rows as the compiled
loops, by `interpret`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.backends.fused.ir.interpret import interpret
from ostinato.backends.fused.ir.values import Value
from ostinato.backends.fused.run.rows import COUNT, RECORD, ROW, Rows

NONE = torch.from_numpy(np.zeros(0, np.int64))
"""The places of no steps."""


def again(job: Any, tensors: tuple[Tensor, ...], draws: list[Tensor]) -> tuple[Tensor, ...]:
    """(ys, last states), as `Unrolled` gives them, from the same tensors."""
    step, rows, dtype = job.recipe.step, job.rows, job.recipe.dtype
    xs, starts, params = job.split(tensors)
    flat = [in_records(x.to(dtype), rows) for x in xs]
    weights = {i: p.to(dtype)[None] for i, p in enumerate(params)}
    carries = job.recipe.forward.program.carries
    states = {c.index: s.to(dtype) for c, s in zip(carries, starts, strict=True)}
    outputs = [o.value for o in job.recipe.forward.program.outputs]
    found: list[list[Tensor]] = [[] for _ in outputs]
    places: list[Tensor] = []
    for clock in rows.clocks:
        at = ranges(clock[:, ROW], clock[:, COUNT])
        places.append(ranges(clock[:, RECORD], clock[:, COUNT]))
        inputs: dict[Value, Tensor] = {v: x[places[-1]] for v, x in zip(step.xs, flat, strict=True)}
        for i, draw in enumerate(draws):
            shape = step.draws[i].shape
            inputs[step.graph.input("draw", i, shape)] = draw[places[-1]].view(-1, *shape)
        inputs |= {c.before: states[c.index][at] for c in carries}
        roots = [*outputs, *(c.after for c in carries)]
        values = interpret(roots, inputs, weights, len(at))
        for y, value in zip(found, outputs, strict=True):
            y.append(values[value])
        for c in carries:
            if not c.held:
                states[c.index] = states[c.index].index_put((at,), values[c.after])
    ys = [
        in_steps(job, torch.cat(y or [flat[0].new_zeros(0, *o.shape)]), torch.cat(places or [NONE]))
        for y, o in zip(found, outputs, strict=True)
    ]
    final = slice(None) if rows.final_rows is None else rows.final_rows
    return (*ys, *(states[c.index][final] for c in carries if not c.held))


def ranges(starts: Tensor, counts: Tensor) -> Tensor:
    """The numbers from each start on, as many as its count says."""
    parts = [np.arange(a, a + n) for a, n in zip(starts.tolist(), counts.tolist(), strict=True)]
    return torch.from_numpy(np.concatenate(parts))


def in_records(x: Tensor, rows: Rows) -> Tensor:
    """x [T, B, ...] with one row for each record."""
    flat = x.reshape(-1, *x.shape[2:])
    return flat if rows.order is None else flat[rows.order]


def in_steps(job: Any, y: Tensor, places: Tensor) -> Tensor:
    """Records in the order of places as [T, B, ...], zeros at masked steps."""
    order = places if job.rows.order is None else job.rows.order[places]
    full = y.new_zeros(job.steps * job.batch, *y.shape[1:]).index_put((order,), y)
    return full.view(job.steps, job.batch, *y.shape[1:])
