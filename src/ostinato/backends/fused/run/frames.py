"""The frames of one call: forward, and backward for what is wanted of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostinato.backends.fused.ir.program import Carry
from ostinato.backends.fused.native.script import Ref
from ostinato.backends.fused.passes.plan import Buffer, Plan
from ostinato.backends.fused.run.frame import Frame, Framing
from ostinato.backends.fused.run.rows import Rows

if TYPE_CHECKING:
    from ostinato.backends.fused.run.recipe import Recipe

GIVEN = ("x", "param", "draw", "held", "dy")
"""Roles whose memory comes with a call."""
LASTING = ("before", "after", "record", "y", *GIVEN[:-1])
"""Roles that mean the same memory forward and backward."""


@dataclass(frozen=True)
class Request:
    """What a backward run is to give, and what it gets."""

    wanted: tuple[tuple[bool, ...], ...]
    """Whether the gradient of each of xs, starts and params is wanted."""
    lasts: frozenset[int]
    """The states whose last value has a gradient."""
    forward: Frame


def framing(recipe: Recipe, plan: Plan, rows: Rows, threads: int) -> Framing:
    """A frame to be made, with the places of what a call brings."""
    shapes = [tuple(p.shape) for p in recipe.step.params]
    made = Framing(plan, recipe.kind, recipe.kernels, shapes, rows, threads)
    made.homes |= {b.role: Ref(b.role) for b in plan.buffers if b.role[0] in GIVEN}
    made.homes |= {place.buffer.role: Ref(place.buffer.role) for _, place in plan.outputs}
    return made


def frame_forward(recipe: Recipe, rows: Rows, threads: int) -> Frame:
    """All steps forward."""
    made = framing(recipe, recipe.forward, rows, threads)
    for b in recipe.forward.buffers if recipe.backward else ():
        if b.role[0] in ("after", "record") and b.role not in made.homes:
            made.homes[b.role] = made.room(made.length(b) * b.width, "lasting")
    for carry in recipe.moving:
        place_state(made, carry)
    made.work()
    for carry in recipe.moving:
        copy_final(made, carry)
    return made.finish()


def place_state(made: Framing, carry: Carry) -> None:
    """The starts of a state, where the first step finds them; in both halves if it has two."""
    after = state_buffer(made.plan, carry)
    home, width = made.home(after), after.width
    made.homes["before", carry.index] = home
    rows, start = made.rows, Ref(("start", carry.index))
    both = after.clock == "carry_after"
    for first in (0, rows.num_rows) if both else (rows.first,):
        made.copy(home + first * width * made.size, width, start, width, rows.num_rows, width)


def state_buffer(plan: Plan, carry: Carry) -> Buffer:
    """Where the states after each step lie."""
    return next(b for b in plan.buffers if b.role == ("after", carry.index))


def copy_final(made: Framing, carry: Carry) -> None:
    """The last state of every row of the batch, for the caller."""
    rows, after = made.rows, state_buffer(made.plan, carry)
    home, width, final = made.home(after), after.width, Ref(("final", carry.index))
    where = rows.final_halves if after.clock == "carry_after" else rows.last
    if isinstance(where, slice):
        count = where.stop - where.start
        made.copy(final, width, home + where.start * width * made.size, width, count, width)
    else:
        made.copy(final, width, home, width, len(where), width, where.numpy())


def frame_backward(recipe: Recipe, rows: Rows, threads: int, request: Request) -> Frame:
    """All steps backward."""
    assert recipe.backward is not None
    made = framing(recipe, recipe.backward, rows, threads)
    for b in recipe.backward.buffers:
        if b.role[0] in LASTING and b.role not in made.homes:
            made.homes[b.role] = request.forward.homes[b.role]
        if b.role[0] == "sum":
            made.script.clear(made.home(b), made.length(b) * b.width * made.size)
    carries = recipe.backward.program.carries
    for carry in carries:
        place_carry(made, carry, carry.index in request.lasts)
    made.work()
    _, starts, params = request.wanted
    for carry, want in zip(carries, starts, strict=True):
        if want:
            copy_start(made, carry)
    made.gradients(frozenset(i for i, want in enumerate(params) if want))
    return made.finish()


def place_carry(made: Framing, carry: Carry, given: bool) -> None:
    """Two halves for a carried gradient, both with that of the last state."""
    rows, width, size = made.rows, carry_width(made, carry), carry.before.size
    home = made.room(2 * rows.num_rows * width)
    made.homes["carry", carry.index] = made.homes["carry_after", carry.index] = home
    made.script.clear(home, 2 * rows.num_rows * width * made.size)
    for first in (0, rows.num_rows) if given else ():
        at = home + first * width * made.size
        made.copy(at, width, Ref(("dlast", carry.index)), size, rows.num_rows, size)


def carry_width(made: Framing, carry: Carry) -> int:
    """Numbers a row of a carried gradient."""
    return next(b.width for b in made.plan.buffers if b.role == ("carry", carry.index))


def copy_start(made: Framing, carry: Carry) -> None:
    """The gradient of the starts, after the last backward step, for the caller."""
    rows, width, size = made.rows, carry_width(made, carry), carry.before.size
    half = len(rows.clocks) % 2
    home = made.homes["carry", carry.index] + half * rows.num_rows * width * made.size
    made.copy(Ref(("dstart", carry.index)), size, home, width, rows.num_rows, size)
