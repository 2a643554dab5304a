"""All that is made of one step for one use: the forward plan, the backward plan, their kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch

from ostinato.backends.fused.compile import compile_text
from ostinato.backends.fused.dense import KINDS
from ostinato.backends.fused.emit import emit
from ostinato.backends.fused.frame import Frame
from ostinato.backends.fused.ir import Value, topological
from ostinato.backends.fused.lower.step import Step
from ostinato.backends.fused.passes.keep import keep
from ostinato.backends.fused.passes.loop_nests import loop_nests
from ostinato.backends.fused.passes.merge import accumulate, merge
from ostinato.backends.fused.passes.place import complete, full
from ostinato.backends.fused.passes.plan import Place, Plan, padded
from ostinato.backends.fused.passes.verify import verify_plans
from ostinato.backends.fused.passes.verify_values import check_values, same_sums
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

    @cached_property
    def plain(self) -> bool:
        """Whether y is one tensor of floats, and every leaf of the state moves."""
        step = self.step
        numbers = step.y_tree.is_leaf() and step.y_dtypes[0].is_floating_point
        return numbers and len(self.moving) == len(step.states)

    def frame(self, key: tuple[Any, ...], make: Callable[..., Frame]) -> Frame:
        """The frame for (layout, threads, ...), kept for the next call of the same sizes."""
        found = self.frames.get(key)
        if found is None:
            found = self.frames[key] = make(self, *key)
            for old in list(self.frames)[:-FRAMES]:
                self.frames.pop(old, None)
        return found


@dataclass(frozen=True)
class Draft:
    """A recipe in the making: the forms that there are so far."""

    step: Step
    wanted: Wanted | None
    """Whose gradients are wanted; None without gradients."""
    forward: Program
    backward: Program | None = None
    saved: tuple[Value, ...] = ()
    """What the forward keeps for the backward."""
    plan: Plan | None = None
    back: Plan | None = None

    @property
    def finished(self) -> bool:
        """Whether there are plans whose kernels have their loops."""
        plans = [plan for plan in (self.plan, self.back) if plan is not None]
        return bool(plans) and all(k.body is not None for p in plans for k in p.kernels())


def merge_products(draft: Draft) -> Draft:
    """Products and biases that always stand in the same sums become one that adds in place."""
    step = merge(draft.step)
    return replace(draft, step=step, forward=forward(step))


def differentiate(draft: Draft) -> Draft:
    """The program of the backward step."""
    if draft.wanted is None:
        return draft
    return replace(draft, backward=reverse(draft.step, draft.wanted))


def accumulate_carries(draft: Draft) -> Draft:
    """The last product of a carried gradient adds to the work before it, in its place."""
    if draft.backward is None:
        return draft
    return replace(draft, backward=accumulate(draft.backward))


def choose_saved(draft: Draft) -> Draft:
    """What the forward keeps, and what the backward works out again."""
    if draft.backward is None:
        return draft
    return replace(draft, saved=tuple(keep(draft.forward, draft.backward)))


def assign_memory(draft: Draft) -> Draft:
    """When everything is computed, and where it lies."""
    ahead, behind, saved = draft.forward, draft.backward, list(draft.saved)
    train = behind is not None
    plan = Plan(ahead)
    place_inputs(plan, draft.step, ahead, train=train)
    complete(plan, saved, train=train)
    if behind is None:
        return replace(draft, plan=plan)
    back = Plan(behind)
    place_inputs(back, draft.step, ahead, train=True)
    place_forward(back, draft.step, ahead, plan, saved)
    return replace(draft, plan=plan, back=complete(back, [], train=True))


def make_loops(draft: Draft) -> Draft:
    """The loops of each kernel, statement by statement."""
    assert draft.plan is not None
    back = None if draft.back is None else loop_nests(draft.back)
    return replace(draft, plan=loop_nests(draft.plan), back=back)


PASSES: tuple[Callable[[Draft], Draft], ...] = (
    merge_products,
    differentiate,
    accumulate_carries,
    choose_saved,
    assign_memory,
    make_loops,
)
"""From a step to finished plans, in order; `verify` looks at what each has made."""


def make_draft(step: Step, wanted: Wanted | None, passes: int = len(PASSES)) -> Draft:
    """The forms of a step after so many passes. Raises Broken where one makes a mistake."""
    draft = Draft(step, wanted, forward(step))
    check_values(draft.forward.roots())
    for rewrite in PASSES[:passes]:
        done = rewrite(draft)
        verify(draft, done, rewrite.__name__)
        draft = done
    return draft


def verify(before: Draft, after: Draft, by: str) -> None:
    """Raise Broken where a pass has made something that cannot be right."""
    if after.forward is not before.forward:
        check_values(after.forward.roots())
        same_sums(before.forward.roots(), after.forward.roots(), by)
    if after.backward is not None and after.backward is not before.backward:
        check_values(after.backward.roots())
        if before.backward is not None:
            same_sums(before.backward.roots(), after.backward.roots(), by)
    if after.finished:
        assert after.plan is not None
        verify_plans(after.plan, after.back, after.saved)


def make_recipe(step: Step, dtype: torch.dtype, wanted: Wanted | None) -> Recipe:
    """Plan a step, for training where some gradient is wanted."""
    draft = make_draft(step, wanted)
    assert draft.plan is not None
    return Recipe(draft.step, dtype, draft.plan, draft.back)


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
