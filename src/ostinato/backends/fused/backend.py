"""The fused backend: records a cell once, plans it for each use, and runs the compiled loops."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, ClassVar, final
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map, tree_unflatten

from ostinato import _tree
from ostinato.backends.base import Backend
from ostinato.backends.call import Call, in_transform
from ostinato.backends.fused.execute import Job, Unrolled
from ostinato.backends.fused.loop import num_shards
from ostinato.backends.fused.lower.step import Step, lower
from ostinato.backends.fused.recipe import TYPES, Recipe, make_recipe
from ostinato.backends.fused.record import Refusal, record
from ostinato.backends.fused.report import account, summary
from ostinato.backends.fused.reverse import Wanted
from ostinato.backends.fused.rows import Rows, dense_rows, ragged_rows
from ostinato.cell import Cell, Lift
from ostinato.typing import State, Tree


@dataclass
class Lowered:
    """A cell as it was when it was recorded, with the plans made of it so far."""

    fingerprint: tuple[Any, ...]
    step: Step | None
    refusal: str | None
    sources: tuple[tuple[nn.Module | None, str, Any], ...] = ()
    """Where each captured tensor is found at a call: module, kind, name; or the tensor itself."""
    recipes: dict[Wanted | None, Recipe] = field(default_factory=dict[Any, Recipe])


@final
class Fused(Backend):
    """The compiler of this library, for CPUs."""

    name: ClassVar[str] = "fused"
    # until its speed is measured at every size on a quiet machine (docs/design/fused.md)
    by_name_only: ClassVar[bool] = True

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Cell, list[Lowered]] = WeakKeyDictionary()
        self._asked = threading.local()

    def refuse(self, call: Call) -> str | None:
        reason = refuse_context(call) or refuse_leaves(call)
        if reason is not None:
            return reason
        lowered = self.lowered(call)
        # `run` follows at once, with the same call
        self._asked.last = (id(call), lowered)
        return lowered.refusal

    def describe(self, call: Call) -> str:
        return summary(self.recipe(call))

    def account(self, call: Call) -> str:
        """Everything that was made of the cell, with the text of its kernels."""
        return account(self.recipe(call))

    def recipe(self, call: Call) -> Recipe:
        """The plans that a call would run by."""
        lowered = self.lowered(call)
        assert lowered.step is not None, lowered.refusal
        starts = start_rows(call, rows_of(call), lowered.step)
        return recipe_of(lowered, call, _tree.leaves(call.xs), starts, outside(lowered))

    def run(self, call: Call) -> tuple[Tree, State]:
        number, lowered = self._asked.__dict__.pop("last", (0, None))
        if number != id(call) or lowered is None:
            lowered = self.lowered(call)
        assert lowered.step is not None
        rows = rows_of(call)
        params = outside(lowered)
        xs = _tree.leaves(call.xs)
        starts = start_rows(call, rows, lowered.step)
        recipe = recipe_of(lowered, call, xs, starts, params)
        job = Job(recipe, rows, len(xs), len(starts), call.num_steps, call.batch_size)
        results = Unrolled.apply(job, *xs, *starts, *params)
        return assemble(call, lowered.step, rows, recipe, results, starts)

    def lowered(self, call: Call) -> Lowered:
        """The cell as a step, recorded anew where something about it has changed."""
        known = self._known.setdefault(call.cell, [])
        now = fingerprint(call)
        for lowered in known:
            if lowered.fingerprint == now:
                return lowered
        made = lower_cell(call, now)
        known.append(made)
        del known[:-8]
        return made


def refuse_context(call: Call) -> str | None:
    """Why the compiler cannot run here and now."""
    if in_transform():
        return "compiled loops cannot run under functorch transforms or forward-mode AD"
    if torch.is_autocast_enabled("cpu"):
        return "compiled loops have one dtype, and autocast is on"
    if isinstance(call.cell, Lift):
        return "a stateless module has no recurrence to compile"
    for module in call.cell.modules():
        if module._forward_hooks or module._backward_hooks or module._backward_pre_hooks:
            return f"{type(module).__name__} has hooks, which a compiled loop would not call"
    return None


def refuse_leaves(call: Call) -> str | None:
    """Why tensors of this kind cannot be compiled for."""
    for leaf in (*_tree.leaves(call.xs), *_tree.leaves(call.state)):
        if leaf.device.type != "cpu":
            return f"needs CPU tensors, got {leaf.device}"
        if leaf.dtype not in TYPES and leaf.dtype != torch.bool:
            return f"computes in float32 and float64, got {leaf.dtype}"
        if type(leaf) not in (Tensor, nn.Parameter):
            return f"takes plain tensors, got {type(leaf).__name__}"
    if call.batch_size == 0:
        return "a batch without rows"
    if any(leaf.shape[0] != call.batch_size for leaf in _tree.leaves(call.state)):
        return "a leaf of the state that rows share"
    return None


def dtype_of(call: Call) -> torch.dtype:
    """The floating type that the call computes in."""
    leaves = (*_tree.leaves(call.xs), *_tree.leaves(call.state))
    return next((t.dtype for t in leaves if t.is_floating_point()), torch.float32)


PLAIN = (int, float, bool, str, bytes, complex, type(None), torch.dtype, torch.Size)


def fingerprint(call: Call) -> tuple[Any, ...]:
    """What a recording depends on: sizes, dtypes, and all plain attributes of the modules."""
    shapes = tuple((t.shape[2:], t.dtype) for t in _tree.leaves(call.xs))
    states = tuple((t.shape[1:], t.dtype) for t in _tree.leaves(call.state))
    parts: list[Any] = [shapes, states]
    for module in call.cell.modules():
        parts.append(id(module))
        for value in module.__dict__.values():
            if isinstance(value, PLAIN):
                parts.append(value)
            elif isinstance(value, (tuple, list)):
                parts.append(tuple(v if isinstance(v, PLAIN) else id(v) for v in value))
        parts += [None if p is None else p.shape for p in module._parameters.values()]
    return tuple(parts)


def lower_cell(call: Call, now: tuple[Any, ...]) -> Lowered:
    """Record and lower a cell, or note in words why not."""
    try:
        names = {id(t): n for n, t in (*call.cell.named_parameters(), *call.cell.named_buffers())}
        recording = record(call.cell, _tree.leaves(call.xs), call.xs, call.state)
        if fingerprint(call) != now:
            raise Refusal("the step changes attributes of the cell")
        step = lower(recording, dtype_of(call), names)
        return Lowered(now, step, None, sources(call.cell, step))
    except Refusal as refusal:
        return Lowered(now, None, str(refusal))


def sources(cell: Cell, step: Step) -> tuple[tuple[nn.Module | None, str, Any], ...]:
    """Where to read the captured tensors at each call, so that swapped weights are seen."""
    where: dict[int, tuple[nn.Module, str, str]] = {}
    for module in cell.modules():
        for kind in ("_parameters", "_buffers", "__dict__"):
            for name, value in getattr(module, kind).items():
                if isinstance(value, Tensor):
                    where.setdefault(id(value), (module, kind, name))
    found: list[tuple[nn.Module | None, str, Any]] = []
    made_inside = {id(op.args[0]) for op in step.outside if "lift_fresh" in op.name}
    for t in step.captured:
        if id(t) in where:
            found.append(where[id(t)])
        elif id(t) in made_inside or not t.requires_grad:
            found.append((None, "", t))
        else:
            raise Refusal(
                "the step reads a tensor with a gradient that is no attribute of the cell"
            )
    return tuple(found)


def outside(lowered: Lowered) -> list[Tensor]:
    """The params of this call: as they are, or worked out by torch from those that are."""
    step = lowered.step
    assert step is not None
    now: dict[int, Any] = {}
    for t, (module, kind, name) in zip(step.captured, lowered.sources, strict=True):
        now[id(t)] = t if module is None else getattr(module, kind)[name]

    def current(x: Any) -> Any:
        return now.get(id(x), x) if isinstance(x, Tensor) else x

    for op in step.needed_outside:
        args, kwargs = tree_map(current, (op.args, op.kwargs))
        with torch.set_grad_enabled(torch.is_grad_enabled() and op.differentiable):
            out = op.function(*args, **kwargs)
        for recorded, made in zip(op.results, tree_leaves(out), strict=True):
            if recorded is not None:
                now[id(recorded)] = made
    return [now[id(t)] for t in step.params]


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
    leaves = _tree.leaves(call.state)
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


def recipe_of(
    lowered: Lowered, call: Call, xs: list[Tensor], starts: list[Tensor], params: list[Tensor]
) -> Recipe:
    """The plans for these gradients, made on first use."""
    assert lowered.step is not None
    wanted = None
    if torch.is_grad_enabled() and any(t.requires_grad for t in (*xs, *starts, *params)):
        wanted = Wanted(
            frozenset(i for i, t in enumerate(xs) if t.requires_grad),
            frozenset(i for i, t in enumerate(params) if t.requires_grad),
        )
    if wanted not in lowered.recipes:
        lowered.recipes[wanted] = make_recipe(lowered.step, dtype_of(call), wanted)
    return lowered.recipes[wanted]


def assemble(
    call: Call,
    step: Step,
    rows: Rows,
    recipe: Recipe,
    results: tuple[Tensor, ...],
    starts: list[Tensor],
) -> tuple[Tree, State]:
    """ys and the last state as trees, bools again bool."""
    count = len(step.ys)
    ys = [
        y if dtype.is_floating_point else y != 0
        for y, dtype in zip(results, step.y_dtypes, strict=False)
    ]
    moved = iter(results[count:])
    begun = iter(starts)
    last: list[Tensor] = []
    carries = {c.index: c for c in recipe.forward.program.carries}
    for i, leaf in enumerate(_tree.leaves(call.state)):
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
    return tree_unflatten(ys, step.y_tree), _tree.map(lambda _: next(leaves), call.state)
