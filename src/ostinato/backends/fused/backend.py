"""The fused backend: takes a call of any cell that can be compiled, and runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.utils._pytree import tree_unflatten

from ostinato import _tree
from ostinato.backends.base import Backend, Run
from ostinato.backends.call import Call, in_transform
from ostinato.backends.fused.dense import KINDS
from ostinato.backends.fused.execute import Job, Unrolled, run_forward
from ostinato.backends.fused.identity import PLAIN_TENSORS, identify
from ostinato.backends.fused.loop import num_shards
from ostinato.backends.fused.lower.step import Step
from ostinato.backends.fused.recipe import Recipe
from ostinato.backends.fused.recordings import Lowered, Recordings
from ostinato.backends.fused.report import account, summary
from ostinato.backends.fused.rows import Rows, dense_rows, ragged_rows
from ostinato.cell import Lift
from ostinato.typing import State, Tree


@dataclass
class Seen:
    """A call with the recording of its cell, and where the cell's tensors were found."""

    call: Call
    lowered: Lowered
    tensors: list[Tensor]
    places: list[tuple[Any, Any]]


@final
class Fused(Backend):
    """The compiler of this library, for CPUs."""

    name: ClassVar[str] = "fused"

    def __init__(self) -> None:
        self.recordings = Recordings()

    def look(self, call: Call) -> Seen | str:
        """What a call's cell has been recorded as, or why it cannot be compiled."""
        reason = refuse_context(call) or refuse_leaves(call)
        if reason is not None:
            return reason
        found = identify(call)
        if found.hooked is not None:
            return f"{type(found.hooked).__name__} has hooks, which a compiled loop would not call"
        if found.odd is not None:
            return found.odd
        lowered = self.recordings.of(call, found)
        if lowered.refusal is not None:
            return lowered.refusal
        return Seen(call, lowered, found.tensors, found.places)

    def accept(self, call: Call) -> FusedRun | str:
        seen = self.look(call)
        if isinstance(seen, str):
            return seen
        lowered, rows = seen.lowered, rows_of(call)
        assert lowered.step is not None
        assert lowered.outside is not None
        params = lowered.outside.values(seen.tensors)
        starts = start_rows(call, rows, lowered.step)
        recipe = lowered.recipe(call, starts, params)
        if isinstance(recipe, str):
            return recipe
        job = Job(recipe, rows, len(call.x_leaves), len(starts), call.num_steps, call.batch_size)
        return FusedRun(self, call, job, starts, params)

    def recipe(self, call: Call) -> Recipe:
        """The plans by which a call is trained."""
        with torch.enable_grad():
            # a step may ask whether gradients are recorded: this may be another recording
            taken = self.accept(call)
        assert isinstance(taken, FusedRun), taken
        return taken.job.recipe


@final
class FusedRun(Run):
    """A call of a compiled cell."""

    def __init__(
        self, backend: Fused, call: Call, job: Job, starts: list[Tensor], params: list[Tensor]
    ) -> None:
        self.backend, self.call, self.job = backend, call, job
        self.starts, self.params = starts, params

    def describe(self) -> str:
        return summary(self.backend.recipe(self.call))

    def account(self) -> str:
        return account(self.backend.recipe(self.call))

    def run(self) -> tuple[Tree, State]:
        tensors = (*self.call.x_leaves, *self.starts, *self.params)
        run = run_forward if self.job.recipe.backward is None else Unrolled.apply
        return assemble(self.call, self.job, run(self.job, *tensors), self.starts)


def refuse_context(call: Call) -> str | None:
    """Why the compiler cannot run here and now."""
    if in_transform():
        return "compiled loops cannot run under functorch transforms or forward-mode AD"
    if torch.is_autocast_enabled("cpu"):
        return "compiled loops have one dtype, and autocast is on"
    if isinstance(call.cell, Lift):
        return "a stateless module has no recurrence to compile"
    return None


def refuse_leaves(call: Call) -> str | None:
    """Why tensors of this kind cannot be compiled for."""
    for leaf in (*call.x_leaves, *call.state_leaves):
        if leaf.device.type != "cpu":
            return f"needs CPU tensors, got {leaf.device}"
        if leaf.dtype not in KINDS and leaf.dtype != torch.bool:
            return f"computes in float32 and float64, got {leaf.dtype}"
        if type(leaf) not in PLAIN_TENSORS:
            return f"takes plain tensors, got {type(leaf).__name__}"
    if call.batch_size == 0:
        return "a batch without rows"
    if any(leaf.shape[0] != call.batch_size for leaf in call.state_leaves):
        return "a leaf of the state that rows share"
    return None


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


def assemble(
    call: Call, job: Job, results: tuple[Tensor, ...], starts: list[Tensor]
) -> tuple[Tree, State]:
    """ys and the last state as trees, bools again bool."""
    step, rows = job.recipe.step, job.rows
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
