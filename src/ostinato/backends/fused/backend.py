"""The fused backend: records a cell once, plans it for each use, and runs the compiled loops."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.utils._pytree import tree_unflatten

from ostinato import _tree
from ostinato.backends.base import Backend
from ostinato.backends.call import Call, in_transform
from ostinato.backends.fused.dense import KINDS
from ostinato.backends.fused.execute import Job, Unrolled, run_forward
from ostinato.backends.fused.identity import PLAIN_TENSORS, Identity, identify
from ostinato.backends.fused.loop import num_shards
from ostinato.backends.fused.lower.step import Step, lower
from ostinato.backends.fused.outside import Outside, outside
from ostinato.backends.fused.recipe import Recipe, make_recipe
from ostinato.backends.fused.record import Refusal, record
from ostinato.backends.fused.report import account, summary
from ostinato.backends.fused.reverse import Wanted
from ostinato.backends.fused.rows import Rows, dense_rows, ragged_rows
from ostinato.backends.fused.surroundings import Snapshot, apart
from ostinato.cell import Lift
from ostinato.typing import State, Tree

KNOWN = 256
"""Kinds of cells that are kept, the newest."""


@dataclass
class Lowered:
    """A kind of cell as it was when it was recorded, with the plans made of it so far."""

    held: tuple[Any, ...]
    """Keeps alive what its key knows by address."""
    step: Step | None
    refusal: str | None
    outside: Outside | None = None
    changes: frozenset[int] = frozenset()
    """The parts of the key that the step itself changes, where that is why it is refused."""
    recipes: dict[Wanted | None, Recipe] = field(default_factory=dict[Any, Recipe])


@dataclass
class Seen:
    """What `refuse` found out about a call, for `run`, which follows at once."""

    call: Call
    lowered: Lowered
    tensors: list[Tensor]
    places: list[tuple[Any, Any]]


@final
class Fused(Backend):
    """The compiler of this library, for CPUs."""

    name: ClassVar[str] = "fused"

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Lowered] = {}
        self._restless: dict[tuple[Any, ...], Lowered] = {}
        """Cells whose steps change them, by their keys without what changes."""
        self._last = threading.local()

    def refuse(self, call: Call) -> str | None:
        reason = refuse_context(call) or refuse_leaves(call)
        if reason is not None:
            return reason
        found = identify(call)
        if found.hooked is not None:
            return f"{type(found.hooked).__name__} has hooks, which a compiled loop would not call"
        if found.odd is not None:
            return found.odd
        seen = self._last.seen = self.look(call, found)
        return seen.lowered.refusal

    def look(self, call: Call, found: Identity) -> Seen:
        """A call with the recording of its cell."""
        return Seen(call, self.lowered(call, found), found.tensors, found.places)

    def lowered(self, call: Call, found: Identity) -> Lowered:
        """The cell as a step, recorded anew where something about it has changed."""
        key = found.key
        known = self._known.get(key) or self.restless(key)
        if known is None:
            known = lower_cell(call, found)
            family = self._restless if known.changes else self._known
            family[without(key, known.changes)] = known
            for old in list(family)[:-KNOWN]:
                family.pop(old, None)
        return known

    def restless(self, key: tuple[Any, ...]) -> Lowered | None:
        """A cell that was refused as its step changes it, whatever it has changed to since."""
        for known in {lowered.changes for lowered in self._restless.values()}:
            found = self._restless.get(without(key, known))
            if found is not None and found.changes == known:
                return found
        return None

    def seen(self, call: Call) -> Seen:
        """The call as `refuse` saw it."""
        last: Seen | None = self._last.__dict__.pop("seen", None)
        if last is None or last.call is not call:
            last = self.look(call, identify(call))
        assert last.lowered.step is not None, last.lowered.refusal
        return last

    def describe(self, call: Call) -> str:
        return summary(self.recipe(call))

    def account(self, call: Call) -> str:
        return account(self.recipe(call))

    def recipe(self, call: Call) -> Recipe:
        """The plans that a call would run by, with those of the backward where it needs one."""
        with torch.enable_grad():
            # a step may ask whether gradients are recorded: this one is another recording
            self._last.__dict__.pop("seen", None)
            return self.job(call)[0].recipe

    def job(self, call: Call) -> tuple[Job, list[Tensor], list[Tensor]]:
        """What is to be done for a call, its starts and its params."""
        seen = self.seen(call)
        lowered, rows = seen.lowered, rows_of(call)
        assert lowered.step is not None
        assert lowered.outside is not None
        params = lowered.outside.values(seen.tensors)
        starts = start_rows(call, rows, lowered.step)
        recipe = recipe_of(lowered, call, starts, params)
        job = Job(recipe, rows, len(call.x_leaves), len(starts), call.num_steps, call.batch_size)
        return job, starts, params

    def run(self, call: Call) -> tuple[Tree, State]:
        job, starts, params = self.job(call)
        tensors = (*call.x_leaves, *starts, *params)
        run = run_forward if job.recipe.backward is None else Unrolled.apply
        return assemble(call, job, run(job, *tensors), starts)


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


def dtype_of(call: Call) -> torch.dtype:
    """The floating type that the call computes in."""
    leaves = (*call.x_leaves, *call.state_leaves)
    return next((t.dtype for t in leaves if t.is_floating_point()), torch.float32)


def lower_cell(call: Call, found: Identity) -> Lowered:
    """Record and lower a cell, or note in words why not. The cell is afterwards as it was."""
    held, before = tuple(found.held), Snapshot(found)
    names = {id(t): n for n, t in (*call.cell.named_parameters(), *call.cell.named_buffers())}
    try:
        recording = apart(lambda: record(call.cell, call.xs, call.state, call.batch_size))
        changed = changes(found, identify(call))
        if changed:
            what = ", ".join(before.changed()) or "what it depends on"
            said = f"the step changes {what}, and would do so once in place of at every step"
            return Lowered(held, None, said, changes=changed)
        step = lower(recording, dtype_of(call), names)
        return Lowered(held, step.without_tensors(), None, outside(step, found.tensors))
    except Refusal as refusal:
        return Lowered(held, None, str(refusal), changes=changes(found, identify(call)))
    except Exception as error:
        return Lowered(held, None, fault(error))
    finally:
        before.restore()


def fault(error: Exception) -> str:
    """The refusal of what the compiler should have been able to do, or to refuse in words."""
    return (
        f"the compiler fails on it, which is a fault of ours that we would like to hear of "
        f"({type(error).__name__}: {error})"
    )


def changes(before: Identity, after: Identity) -> frozenset[int]:
    """The parts of the key that a step has changed; -1 where it is tensors that it replaced."""
    pairs = enumerate(zip_longest(before.parts, after.parts))
    found = {i for i, (old, new) in pairs if old != new}
    if list(map(id, before.tensors)) != list(map(id, after.tensors)):
        found.add(-1)
    return frozenset(found)


def without(key: tuple[Any, ...], parts: frozenset[int]) -> tuple[Any, ...]:
    """A key but for some of its parts."""
    return tuple(part for i, part in enumerate(key) if i not in parts) if parts else key


def rows_of(call: Call) -> Rows:
    """The order in which the rows of a call are run."""
    if call.mask is None and call.resets is None:
        shards = num_shards(call.batch_size)
        return dense_rows(call.num_steps, call.batch_size, call.reverse, shards)
    mask = call.mask
    if mask is None:
        mask = torch.ones(call.num_steps, call.batch_size, dtype=torch.bool)
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


def recipe_of(lowered: Lowered, call: Call, starts: list[Tensor], params: list[Tensor]) -> Recipe:
    """The plans for these gradients, made on first use."""
    assert lowered.step is not None
    wanted, xs = None, call.x_leaves
    if torch.is_grad_enabled() and any(t.requires_grad for t in (*xs, *starts, *params)):
        wanted = Wanted(
            frozenset(i for i, t in enumerate(xs) if t.requires_grad),
            frozenset(i for i, t in enumerate(params) if t.requires_grad),
        )
    if wanted not in lowered.recipes:
        lowered.recipes[wanted] = make_recipe(lowered.step, dtype_of(call), wanted)
    return lowered.recipes[wanted]


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
