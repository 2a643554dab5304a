"""A compiled step as one function of autograd: memory for a call, its run, and the way back."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ostinato.backends.fused.ir.values import contiguous
from ostinato.backends.fused.native import parallel
from ostinato.backends.fused.passes.plan import Place, Plan, multiplications
from ostinato.backends.fused.run.double_backward import again
from ostinato.backends.fused.run.frame import Frame, Role
from ostinato.backends.fused.run.frames import LASTING, Request, frame_backward, frame_forward
from ostinato.backends.fused.run.pool import Lease
from ostinato.backends.fused.run.recipe import Recipe
from ostinato.backends.fused.run.rows import Rows

Blocks = dict[Role, Tensor]
"""The memory of a run, by the names that its script has for it."""


@dataclass
class Job:
    """One call: what to run, over which rows, and how many tensors of each sort come with it."""

    recipe: Recipe
    rows: Rows
    num_xs: int
    num_states: int
    steps: int
    batch: int
    draws: list[Tensor] | None = None
    """The random numbers of the step's draws, [records, ...]; None for new ones."""
    name: str = ""
    """The class of the cell."""

    def split(self, tensors: tuple[Any, ...]) -> tuple[Any, Any, Any]:
        """xs, starts and params."""
        a, b = self.num_xs, self.num_xs + self.num_states
        return tensors[:a], tensors[a:b], tensors[b:]


@dataclass
class Kept:
    """What the forward leaves for the backward."""

    frame: Frame
    blocks: Blocks
    lasting: Lease


class Unrolled(torch.autograd.Function):
    """(xs, starts, params) to (ys, last states), over all steps."""

    @staticmethod
    def forward(ctx: Any, job: Job, *tensors: Tensor) -> tuple[Tensor, ...]:
        kept = push(job, tensors)
        found = results(job, kept.blocks)
        # what is returned will know ctx: ctx must not know it too
        kept.blocks = {n: t for n, t in kept.blocks.items() if n[0] in LASTING}
        ctx.job, ctx.kept = job, kept
        # the inputs for gradients of gradients, ys to see whether the caller changed them
        ctx.save_for_backward(*tensors, *found[: len(job.recipe.forward.outputs)])
        ctx.set_materialize_grads(False)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        job: Job = ctx.job
        tensors = ctx.saved_tensors[: len(ctx.needs_input_grad) - 1]
        wanted = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled() or any(g is not None and is_batched(g) for g in grads):
            return (None, *pull_again(job, tensors, ctx.kept, grads, wanted))
        return (None, *pull(job, ctx.kept, grads, wanted))


def is_batched(t: Tensor) -> bool:
    """Whether a tensor stands for many at once, under either of torch's vmaps."""
    # that of `torch.autograd.grad(is_grads_batched=True)`, and `torch.vmap`
    functorch: Any = torch._C._functorch  # pyright: ignore
    return functorch.is_legacy_batchedtensor(t) or functorch.is_batchedtensor(t)


def run_forward(job: Job, *tensors: Tensor) -> tuple[Tensor, ...]:
    """ys and last states, where nobody wants a gradient."""
    return results(job, push(job, tensors).blocks)


def pull_again(
    job: Job,
    tensors: tuple[Tensor, ...],
    kept: Kept,
    grads: tuple[Tensor | None, ...],
    wanted: tuple[bool, ...],
) -> list[Tensor | None]:
    """Gradients that can be differentiated, or are many at once: ``create_graph``, vmap."""
    draws = [kept.blocks["draw", i] for i in range(len(job.recipe.step.draws))]
    further = torch.is_grad_enabled()
    with torch.enable_grad():
        # what stands for the tensors: their own hooks are for the backward that is under way
        pairs = zip(tensors, wanted, strict=True)
        tensors = tuple(t.view_as(t) if want else t for t, want in pairs)
        made = again(job, tensors, draws)
    pairs = [(r, g) for r, g in zip(made, grads, strict=True) if g is not None and r.requires_grad]
    inputs = [t for t, want in zip(tensors, wanted, strict=True) if want]
    outs, given = [r for r, _ in pairs], [g for _, g in pairs]
    found = iter(torch.autograd.grad(outs, inputs, given, create_graph=further, allow_unused=True))
    return [next(found) if want else None for want in wanted]


def push(job: Job, tensors: tuple[Tensor, ...]) -> Kept:
    """Run forward over all steps."""
    recipe, rows = job.recipe, job.rows
    frame = recipe.frame((rows.layout, parallel.num_threads()), frame_forward)
    blocks = memory(job, tensors)
    dtype = recipe.dtype
    for i, (output, place) in enumerate(recipe.forward.outputs):
        role, whole = place.buffer.role, output.value.size == place.buffer.width
        if not rows.dense or (whole and role[0] == "y" and role not in blocks):
            size = (job.steps, job.batch, *output.value.shape)
            blocks["ys", i] = torch.empty(size, dtype=dtype, device="cpu")
            if rows.dense:
                blocks[role] = blocks["ys", i]
        elif role not in blocks:
            length = rows.num_records + (rows.num_rows if role[0] == "after" else 0)
            blocks[role] = torch.empty(length, place.buffer.width, dtype=dtype, device="cpu")
    for carry in recipe.moving:
        size = (job.batch, *carry.after.shape)
        blocks["final", carry.index] = torch.empty(size, dtype=dtype, device="cpu")
    with shown(job, recipe.forward, ""):
        return Kept(frame, blocks, run(job, frame, blocks))


def shown(job: Job, plan: Plan, way: str) -> AbstractContextManager[object]:
    """Where a profiler of torch's is on, what it shows of a run: the cell, and its arithmetic."""
    if not torch.autograd._profiler_enabled():  # pyright: ignore
        return nullcontext()
    count = 2 * multiplications(plan) * job.rows.num_records
    return torch.profiler.record_function(f"ostinato::{job.name}{way}, {count:,} FLOPs")


def run(job: Job, frame: Frame, blocks: Blocks, lasting: Lease | None = None) -> Lease:
    """Run a frame's script; gives the memory that lasts."""
    lasting = lasting or Lease(frame.lasting)
    arena = Lease(frame.arena)
    given = [blocks[role].data_ptr() for role in frame.given]
    frame.script.run((lasting.address, arena.address, *job.rows.numbers, *given))
    return lasting


def memory(job: Job, tensors: tuple[Tensor, ...]) -> Blocks:
    """What a call brings, contiguous and in the program's dtype."""
    recipe, rows = job.recipe, job.rows
    xs, starts, params = job.split(tensors)
    dtype, given = recipe.dtype, job.draws
    blocks: Blocks = {("param", i): dense(p, dtype) for i, p in enumerate(params)}
    for i, x in enumerate(xs):
        blocks["x", i] = dense(x, dtype)
    for i, draw in enumerate(recipe.step.draws):
        make = torch.rand if draw.kind == "rand" else torch.randn
        size = (rows.num_records, *draw.shape)
        blocks["draw", i] = make(*size, dtype=dtype, device="cpu") if given is None else given[i]
    for carry, start in zip(recipe.forward.program.carries, starts, strict=True):
        blocks["held" if carry.held else "start", carry.index] = dense(start, dtype)
    return blocks


def dense(t: Tensor, dtype: torch.dtype) -> Tensor:
    """The numbers of a tensor side by side in memory."""
    if t.dtype is dtype and t.is_contiguous() and not t.is_neg():
        return t
    return t.detach().resolve_neg().to(dtype).contiguous()


def results(job: Job, blocks: Blocks) -> tuple[Tensor, ...]:
    """ys, then the last state of every row of the batch, for each state that moves."""
    finals = [blocks["final", carry.index] for carry in job.recipe.moving]
    return (*outputs(job, blocks), *finals)


def outputs(job: Job, blocks: Blocks) -> list[Tensor]:
    """ys [T, B, ...], of the shapes that a step gives."""
    found: list[Tensor] = []
    given: set[Place] = set()
    for i, (output, place) in enumerate(job.recipe.forward.outputs):
        own = blocks.get(("ys", i))
        if own is not None:
            found.append(own)
            continue
        ys = part_of(job, blocks[place.buffer.role], place, output.value.shape)
        # the same values twice are two tensors: who changes one in place means that one
        found.append(ys.clone() if place in given else ys)
        given.add(place)
    return found


def part_of(job: Job, block: Tensor, place: Place, features: tuple[int, ...]) -> Tensor:
    """Records of dense rows that are part of a block, as [T, B, ...]; of its own, no view."""
    rows = job.rows
    width, full = math.prod(features), block.shape[1]
    # states have the starts before or behind them
    first = rows.num_rows if place.buffer.role[0] == "after" and not rows.layout.reverse else 0
    size, steps = (job.steps, job.batch, *features), contiguous(features)
    strides = (job.batch * full, full, *steps)
    start = first * full + (place.offset if width != full else 0)
    # autograd forbids changes in place of a view that a Function gave; this shares memory only
    return torch.empty(0, dtype=block.dtype, device="cpu").set_(
        block.untyped_storage(), block.storage_offset() + start, size, strides
    )


def pull(
    job: Job, kept: Kept, grads: tuple[Tensor | None, ...], wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    """The gradients of xs, starts and params."""
    recipe, rows, dtype = job.recipe, job.rows, job.recipe.dtype
    back = recipe.backward
    assert back is not None
    count = len(recipe.forward.outputs)
    xs_wanted, starts_wanted, params_wanted = job.split(wanted)
    lasts = [c.index for c, g in zip(recipe.moving, grads[count:], strict=True) if g is not None]
    frame = back_frame(job, kept, (starts_wanted, params_wanted, tuple(lasts)))
    blocks = dict(kept.blocks)
    for i, (output, _) in enumerate(recipe.forward.outputs):
        blocks["dy", i] = output_gradient(job, grads[i], output.value.size)
    for carry, last in zip(recipe.moving, grads[count:], strict=True):
        if last is not None:
            blocks["dlast", carry.index] = carried(job, last)
    dxs: dict[int, Tensor] = {}
    for output, place in back.outputs:
        size = (job.steps, job.batch, *output.value.shape)
        role = place.buffer.role if rows.dense else ("dx", output.index)
        dxs[output.index] = blocks[role] = torch.empty(size, dtype=dtype, device="cpu")
    for role in frame.given:
        if role[0] == "grad":
            blocks[role] = torch.empty_like(blocks["param", role[1]])
    for carry, want in zip(back.program.carries, starts_wanted, strict=True):
        if want:
            shape = (rows.num_rows, *carry.before.shape)
            blocks["dstart", carry.index] = torch.empty(shape, dtype=dtype, device="cpu")
    with shown(job, back, " backward"):
        run(job, frame, blocks, kept.lasting)
    return [
        *[dxs.get(i) if want else None for i, want in enumerate(xs_wanted)],
        *[
            blocks["dstart", c.index] if want else None
            for c, want in zip(back.program.carries, starts_wanted, strict=True)
        ],
        *[blocks["grad", i] if want else None for i, want in enumerate(params_wanted)],
    ]


Asked = tuple[tuple[bool, ...], tuple[bool, ...], tuple[int, ...]]


def back_frame(job: Job, kept: Kept, asked: Asked) -> Frame:
    """The frame of the way back: from whose last states, to which starts and params."""
    key = parallel.num_threads(), *asked
    found = kept.frame.backward.get(key)
    if found is None:
        request = Request(*asked, kept.frame)
        found = frame_backward(job.recipe, job.rows.layout, key[0], request)
        kept.frame.backward[key] = found
    return found


def output_gradient(job: Job, dy: Tensor | None, width: int) -> Tensor:
    """The gradient of an output, for all steps."""
    if dy is None:
        size = (job.steps * job.batch, width)
        return torch.zeros(size, dtype=job.recipe.dtype, device="cpu")
    return dense(dy, job.recipe.dtype)


def carried(job: Job, last: Tensor) -> Tensor:
    """The gradient of the last state, for each row; zeros for rows that end before a reset."""
    rows, last = job.rows, dense(last, job.recipe.dtype)
    if rows.final_rows is None:
        return last
    made = last.new_zeros(rows.num_rows, *last.shape[1:])
    made[rows.final_rows] = last
    return made
