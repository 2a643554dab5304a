"""The visible list of passes: from a step to finished plans, each form looked at by `verify`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from ostinato.backends.fused.ir.program import Program
from ostinato.backends.fused.ir.values import topological
from ostinato.backends.fused.lower.program import forward
from ostinato.backends.fused.lower.step import Step
from ostinato.backends.fused.passes.assign_memory import complete, full
from ostinato.backends.fused.passes.choose_saved import keep
from ostinato.backends.fused.passes.draft import Draft
from ostinato.backends.fused.passes.loop_nests import loop_nests
from ostinato.backends.fused.passes.merge import accumulate, merge
from ostinato.backends.fused.passes.plan import Place, Plan, padded
from ostinato.backends.fused.passes.reverse import Wanted, reverse
from ostinato.backends.fused.passes.verify import verify_plans
from ostinato.backends.fused.passes.verify_values import check_values, same_sums
from ostinato.backends.fused.run.recipe import Recipe


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
            plan.homes[v] = Place(plan.buffer(("param", v.index), v.size, "fixed"))
        elif v.op == "input" and v.source.kind in ("x", "draw", "dy"):
            role = (v.source.kind, v.source.number)
            plan.homes[v] = Place(plan.buffer(role, v.size, "record"))
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
