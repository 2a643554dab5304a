"""The compiled step behind `torch.autograd.Function`: memory in, results out, gradients back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ostinato.backends.fused.again import again
from ostinato.backends.fused.recipe import Recipe
from ostinato.backends.fused.rows import Rows
from ostinato.backends.fused.run import Memory, Run

LASTING = ("x", "draw", "held", "before", "after", "record", "param")
"""Buffers of the forward that the backward reads again."""


@dataclass(frozen=True)
class Job:
    """One call: what to run, over which rows, and how many tensors of each sort come with it."""

    recipe: Recipe
    rows: Rows
    num_xs: int
    num_states: int
    steps: int
    batch: int

    def split(self, tensors: tuple[Any, ...]) -> tuple[Any, Any, Any]:
        """xs, starts and params."""
        a, b = self.num_xs, self.num_xs + self.num_states
        return tensors[:a], tensors[a:b], tensors[b:]


class Unrolled(torch.autograd.Function):
    """(xs, starts, params) to (ys, last states), over all steps."""

    @staticmethod
    def forward(ctx: Any, job: Job, *tensors: Tensor) -> tuple[Tensor, ...]:
        run = prepare(job, tensors)
        run.go()
        ys = outputs(job, run)
        finals = tuple(final(job, run, c.index) for c in moving(job))
        if job.recipe.backward is not None:
            ctx.job, ctx.memory, ctx.weights = job, remembered(job, run), run.weights
            # the inputs for gradients of gradients, ys to see whether the caller changed them
            ctx.save_for_backward(*tensors, *ys)
            ctx.set_materialize_grads(False)
        return (*ys, *finals)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        job: Job = ctx.job
        tensors = ctx.saved_tensors[: len(ctx.needs_input_grad) - 1]
        wanted = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            return (None, *pull_again(job, tensors, ctx.memory, grads, wanted))
        return (None, *pull(job, ctx.memory, ctx.weights, grads, wanted))


def pull_again(
    job: Job,
    tensors: tuple[Tensor, ...],
    memory: Memory,
    grads: tuple[Tensor | None, ...],
    wanted: tuple[bool, ...],
) -> list[Tensor | None]:
    """Gradients that can be differentiated, where ``create_graph`` asks for them."""
    draws = [memory["draw", i] for i in range(len(job.recipe.step.draws))]
    results = again(job, tensors, draws)
    pairs = [
        (r, g) for r, g in zip(results, grads, strict=True) if g is not None and r.requires_grad
    ]
    inputs = [t for t, want in zip(tensors, wanted, strict=True) if want]
    outs, given = [r for r, _ in pairs], [g for _, g in pairs]
    found = iter(torch.autograd.grad(outs, inputs, given, create_graph=True, allow_unused=True))
    return [next(found) if want else None for want in wanted]


def moving(job: Job) -> list[Any]:
    """The carried leaves that the step changes."""
    return [c for c in job.recipe.forward.program.carries if not c.held]


def prepare(job: Job, tensors: tuple[Tensor, ...]) -> Run:
    """The forward run, with the memory that the call brings."""
    recipe, rows = job.recipe, job.rows
    xs, starts, params = job.split(tensors)
    dtype = recipe.dtype
    weights = [p.detach().to(dtype).contiguous() for p in params]
    memory: Memory = {("param", i): w for i, w in enumerate(weights)}
    for i, x in enumerate(xs):
        memory["x", i] = records(x.detach().to(dtype), rows)
    for i, draw in enumerate(recipe.step.draws):
        make = torch.rand if draw.kind == "rand" else torch.randn
        memory["draw", i] = make(rows.num_records, *draw.shape, dtype=dtype).view(
            rows.num_records, -1
        )
    for carry, start in zip(recipe.forward.program.carries, starts, strict=True):
        flat = start.detach().to(dtype).reshape(rows.num_rows, -1)
        if carry.held:
            memory["held", carry.index] = flat.contiguous()
        else:
            memory["before", carry.index] = memory["after", carry.index] = states(
                job, carry.index, flat
            )
    return Run(recipe.ahead, rows, rows.clocks, memory, weights)


def records(x: Tensor, rows: Rows) -> Tensor:
    """x [T, B, ...] as one row for each record."""
    flat = x.reshape(x.shape[0] * x.shape[1], -1)
    return flat.contiguous() if rows.order is None else flat[rows.order]


def states(job: Job, index: int, start: Tensor) -> Tensor:
    """Memory for a state: its starts and what follows, or two steps of it."""
    rows = job.rows
    buffer = next(b for b in job.recipe.forward.buffers if b.role == ("after", index))
    if buffer.clock == "carry_after":
        made = start.new_empty(2 * rows.num_rows, start.shape[1])
        made[: rows.num_rows] = start
        made[rows.num_rows :] = start
        return made
    made = start.new_empty(rows.num_rows + rows.num_records, start.shape[1])
    made[rows.first : rows.first + rows.num_rows] = start
    return made


def outputs(job: Job, run: Run) -> tuple[Tensor, ...]:
    """ys [T, B, ...], of the shapes that a step gives."""
    found: list[Tensor] = []
    for output, place in run.plan.outputs:
        width = output.value.size
        rows = run.all_rows(place.buffer)[:, place.offset : place.offset + width]
        found.append(shaped(job, rows, output.value.shape))
    return tuple(found)


def shaped(job: Job, records: Tensor, features: tuple[int, ...]) -> Tensor:
    """Records as [T, B, ...], zeros at masked steps; a tensor of its own, no view."""
    size = (job.steps, job.batch, *features)
    if job.rows.order is not None:
        full = records.new_zeros(job.steps * job.batch, records.shape[1])
        full[job.rows.order] = records
        return full.view(size)
    # autograd forbids changes in place of a view that a Function gave; this shares memory only
    return records.new_empty(0).set_(
        records.untyped_storage(),
        records.storage_offset(),
        size,
        torch.empty(size, device="meta").stride(),
    )


def final(job: Job, run: Run, index: int) -> Tensor:
    """The last state of every row of the batch."""
    rows, made = job.rows, run.memory["after", index]
    buffer = next(b for b in run.plan.buffers if b.role == ("after", index))
    shape = next(c.after.shape for c in run.plan.program.carries if c.index == index)
    if buffer.clock == "carry_after":
        last: Any = parity_rows(job)
    else:
        last = rows.last
    return made[last].clone().view(job.batch, *shape)


def parity_rows(job: Job) -> Any:
    """Where the last states lie in two-step memory: by whether a row has an odd length."""
    rows = job.rows
    if rows.lengths is None or rows.final_rows is None:
        start = (len(rows.clocks) % 2) * rows.num_rows
        return slice(start, start + rows.num_rows)
    return rows.final_rows + (rows.lengths[rows.final_rows] % 2) * rows.num_rows


def remembered(job: Job, run: Run) -> Memory:
    """What the backward reads."""
    back = job.recipe.backward
    assert back is not None
    draws = [("draw", i) for i in range(len(job.recipe.step.draws))]
    roles = draws + [b.role for b in back.buffers if b.role[0] in LASTING]
    return {role: run.memory[role] for role in roles}


def pull(
    job: Job,
    memory: Memory,
    weights: list[Tensor],
    grads: tuple[Tensor | None, ...],
    wanted: tuple[bool, ...],
) -> list[Tensor | None]:
    """The gradients of xs, starts and params."""
    back = job.recipe.backward
    assert back is not None
    rows = job.rows
    ys = len(job.recipe.forward.outputs)
    memory = dict(memory)
    for i, (output, _) in enumerate(job.recipe.forward.outputs):
        memory["dy", i] = output_gradient(job, grads[i], output.value.size)
    last = dict(zip((c.index for c in moving(job)), grads[ys:], strict=True))
    for carry in back.program.carries:
        memory["carry", carry.index] = memory["carry_after", carry.index] = carried(
            job, last.get(carry.index), carry.before.size
        )
    run = Run(job.recipe.behind, rows, rows.clocks_back, memory, weights)
    run.go()
    xs_wanted, starts_wanted, params_wanted = job.split(wanted)
    dxs = [input_gradient(job, run, i) if want else None for i, want in enumerate(xs_wanted)]
    dstarts = [
        start_gradient(job, run, carry) if want else None
        for carry, want in zip(back.program.carries, starts_wanted, strict=True)
    ]
    found = run.gradients(frozenset(i for i, want in enumerate(params_wanted) if want))
    dparams = [
        found.get(i, torch.zeros_like(weights[i]) if want else None) if want else None
        for i, want in enumerate(params_wanted)
    ]
    return [*dxs, *dstarts, *dparams]


def output_gradient(job: Job, dy: Tensor | None, width: int) -> Tensor:
    """The gradient of an output, one row for each record."""
    if dy is None:
        return torch.zeros(job.rows.num_records, width, dtype=job.recipe.dtype)
    return records(dy, job.rows)


def carried(job: Job, last: Tensor | None, size: int) -> Tensor:
    """Two-step memory for a carried gradient, starting from that of the last state."""
    rows, width = job.rows, -(-size // 16) * 16
    made = torch.zeros(2 * rows.num_rows, width, dtype=job.recipe.dtype)
    if last is not None:
        flat = last.reshape(job.batch, -1)
        place: Any = slice(None) if rows.final_rows is None else rows.final_rows
        for half in (made[: rows.num_rows], made[rows.num_rows :]):
            half[place, :size] = flat
    return made


def input_gradient(job: Job, run: Run, index: int) -> Tensor | None:
    """The gradient of one tensor of xs, [T, B, ...]."""
    for output, place in run.plan.outputs:
        if output.index == index:
            rows = run.all_rows(place.buffer)[:, place.offset : place.offset + output.value.size]
            return shaped(job, rows, output.value.shape)
    return None


def start_gradient(job: Job, run: Run, carry: Any) -> Tensor:
    """The gradient of the starts [rows, ...], after the last backward step."""
    rows = job.rows
    start = (len(rows.clocks) % 2) * rows.num_rows
    made = run.memory["carry", carry.index][start : start + rows.num_rows, : carry.before.size]
    return made.reshape(rows.num_rows, *carry.before.shape)
