"""All that is made of one step for one use: the forward plan, the backward plan, their kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from ostinato.backends.fused.compile import compile_text
from ostinato.backends.fused.dense import KINDS
from ostinato.backends.fused.emit import emit
from ostinato.backends.fused.frame import Frame
from ostinato.backends.fused.ir import topological
from ostinato.backends.fused.lower.step import Step
from ostinato.backends.fused.passes.keep import keep
from ostinato.backends.fused.passes.merge import accumulate, merge
from ostinato.backends.fused.passes.place import complete, full
from ostinato.backends.fused.passes.plan import Place, Plan, padded
from ostinato.backends.fused.program import Carry, Program, forward
from ostinato.backends.fused.reverse import Wanted, reverse

FRAMES = 32
"""Frames of one recipe that are kept, the newest."""


@dataclass
class Recipe:
    """Plans of a step; ``backward`` is None without gradients."""

    step: Step
    dtype: torch.dtype
    forward: Plan
    backward: Plan | None
    frames: dict[tuple[Any, ...], Frame] = field(default_factory=dict[Any, Frame])

    @property
    def kind(self) -> str:
        """f4 or f8."""
        return KINDS[self.dtype]

    @cached_property
    def text(self) -> str:
        """The text of all kernels."""
        plans = [self.forward] + ([self.backward] if self.backward else [])
        return "\n\n".join(emit(plan, self.kind) for plan in plans)

    @cached_property
    def kernels(self) -> dict[str, int]:
        """The addresses of all kernels by name."""
        plans = [self.forward] + ([self.backward] if self.backward else [])
        names = [kernel.name for plan in plans for kernel in plan.kernels()]
        return compile_text(self.text, names)

    @cached_property
    def moving(self) -> list[Carry]:
        """The carried leaves that the step changes."""
        return [c for c in self.forward.program.carries if not c.held]

    def frame(self, key: tuple[Any, ...], make: Callable[..., Frame]) -> Frame:
        """The frame for (rows, threads, ...), kept for the next call of the same size."""
        if not key[0].dense:
            return make(self, *key)
        found = self.frames.get(key)
        if found is None:
            found = self.frames[key] = make(self, *key)
            for old in list(self.frames)[:-FRAMES]:
                self.frames.pop(old, None)
        return found


def make_recipe(step: Step, dtype: torch.dtype, wanted: Wanted | None) -> Recipe:
    """Plan a step, for training where some gradient is wanted."""
    step = merge(step)
    ahead = forward(step)
    if wanted is None:
        plan = Plan(ahead)
        place_inputs(plan, step, ahead, train=False)
        return Recipe(step, dtype, complete(plan, [], train=False), None)
    behind = accumulate(reverse(step, wanted))
    saved = keep(ahead, behind)
    plan = Plan(ahead)
    place_inputs(plan, step, ahead, train=True)
    complete(plan, saved, train=True)
    back = Plan(behind)
    place_inputs(back, step, ahead, train=True)
    place_forward(back, step, ahead, plan, [*saved])
    return Recipe(step, dtype, plan, complete(back, [], train=True))


def place_inputs(plan: Plan, step: Step, ahead: Program, *, train: bool) -> None:
    """Homes for what every call brings: xs, states, params and random draws."""
    for v in topological([*ahead.roots(), *plan.program.roots(), *step.xs]):
        if v.op == "param":
            plan.homes[v] = Place(plan.buffer(("param", int(v.attrs[0])), v.size, "fixed"))  # pyright: ignore
        elif v.op == "input" and v.attrs[0] in ("x", "draw", "dy"):
            kind, index = v.attrs
            plan.homes[v] = Place(plan.buffer((str(kind), int(index)), v.size, "record"))  # pyright: ignore
    for carry in ahead.carries:
        if carry.held:
            buffer = plan.buffer(("held", carry.index), carry.before.size, "row")
        else:
            clock = "before" if full(carry, ahead, train) else "carry"
            buffer = plan.buffer(("before", carry.index), carry.before.size, clock)
        plan.homes[carry.before] = Place(buffer)


def place_forward(back: Plan, step: Step, ahead: Program, plan: Plan, saved: list) -> None:
    """Homes for what the forward left, and for the carried gradients."""
    for carry in ahead.carries:
        if not carry.held and carry.after not in back.homes:
            buffer = back.buffer(("after", carry.index), carry.after.size, "after")
            back.homes[carry.after] = Place(buffer)
    for v in saved:
        home = plan.homes[v]
        buffer = back.buffer(home.buffer.role, home.buffer.width, home.buffer.clock)
        back.homes.setdefault(v, Place(buffer, home.offset))
    for carry in back.program.carries:
        buffer = back.buffer(("carry", carry.index), padded(carry.before.size), "carry")
        back.homes[carry.before] = Place(buffer)
