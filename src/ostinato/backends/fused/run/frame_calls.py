"""A call as the compiler runs it: its rows and starts going in, its trees coming out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils._pytree import tree_unflatten

from ostinato import _tree
from ostinato.backends.call import Call
from ostinato.backends.fused.lower.step import Step
from ostinato.backends.fused.native.loop import num_shards
from ostinato.backends.fused.run.execute import Job, Unrolled, run_forward
from ostinato.backends.fused.run.recipe import Recipe
from ostinato.backends.fused.run.rows import Rows, dense_rows, ragged_rows
from ostinato.typing import State, Tree


def run_call(
    call: Call,
    recipe: Recipe,
    params: Sequence[Tensor],
    draws: Sequence[Tensor] | None = None,
) -> tuple[Tree, State]:
    """ys and the last state of a call by a recipe; ``draws`` [T, B, ...] are its random numbers."""
    rows = rows_of(call)
    starts = start_rows(call, rows, recipe.step)
    given = None if draws is None else [in_records(draw, rows) for draw in draws]
    sizes = (len(call.x_leaves), len(starts), call.num_steps, call.batch_size)
    job = Job(recipe, rows, *sizes, given, type(call.cell).__name__)
    run = run_forward if recipe.backward is None else Unrolled.apply
    return assemble(call, job, run(job, *call.x_leaves, *starts, *params), starts)


def in_records(draw: Tensor, rows: Rows) -> Tensor:
    """Random numbers [T, B, ...] as one row for each record."""
    flat = draw.flatten(0, 1)
    return flat if rows.order is None else flat[rows.order]


def rows_of(call: Call) -> Rows:
    """The order in which the rows of a call are run."""
    if call.mask is None and call.resets is None:
        shards = num_shards(call.batch_size)
        return dense_rows(call.num_steps, call.batch_size, call.reverse, shards)
    mask = call.mask
    if mask is None:
        mask = torch.ones(call.num_steps, call.batch_size, dtype=torch.bool, device="cpu")
    return ragged_rows(mask, call.resets, call.reverse, num_shards(call.batch_size))


def start_rows(call: Call, rows: Rows, step: Step) -> list[Tensor]:
    """The state that each row starts from, leaf by leaf; leaves that rows share are left out."""
    leaves = call.state_leaves
    fresh = leaves if call.resets is None else _tree.leaves(call.initial)
    found: list[Tensor] = []
    for v, leaf, initial in zip(step.states, leaves, fresh, strict=True):
        if v.op != "input":
            continue
        if rows.starts is None:
            found.append(leaf)
        elif call.resets is None:
            found.append(leaf[rows.starts])
        else:
            found.append(torch.cat([leaf, initial])[rows.starts])
    return found


def is_numbers(leaf: object) -> bool:
    """Whether a node of a state is a tensor of floats."""
    return type(leaf) is Tensor and leaf.is_floating_point()


def assemble(
    call: Call, job: Job, results: tuple[Tensor, ...], starts: Sequence[Tensor]
) -> tuple[Tree, State]:
    """ys and the last state as trees, bools again bool."""
    step, rows = job.recipe.step, job.rows
    state = call.state
    if job.recipe.plain and type(state) is tuple and all(is_numbers(leaf) for leaf in state):
        # the usual case
        return results[0], results[1:]
    count = len(step.ys)
    ys = [
        y if dtype.is_floating_point else y != 0
        for y, dtype in zip(results, step.y_dtypes, strict=False)
    ]
    moved = iter(results[count:])
    begun = iter(starts)
    last: list[Tensor] = []
    carries = {c.index: c for c in job.recipe.forward.program.carries}
    for i, leaf in enumerate(call.state_leaves):
        if i not in carries:
            last.append(leaf)
            continue
        start = next(begun)
        if carries[i].held:
            last.append(start if rows.final_rows is None else start[rows.final_rows])
        else:
            end = next(moved)
            last.append(end if leaf.is_floating_point() else end != 0)
    leaves = iter(last)
    y = ys[0] if step.y_tree.is_leaf() else tree_unflatten(ys, step.y_tree)
    return y, _tree.map(lambda _: next(leaves), call.state)
