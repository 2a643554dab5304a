"""The frames of one call: forward, and backward for what is wanted of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostinato.backends.fused.ir.program import Carry
from ostinato.backends.fused.native.script import Ref
from ostinato.backends.fused.passes.plan import Buffer, Place, Plan
from ostinato.backends.fused.run.frame import Frame, Framing, Role
from ostinato.backends.fused.run.rows import Layout

if TYPE_CHECKING:
    from ostinato.backends.fused.run.recipe import Recipe

GIVEN = ("x", "param", "draw", "held", "dy")
"""Roles whose memory comes with a call; xs and dys only where records are in its order."""
LASTING = ("before", "after", "record", "y", *GIVEN[:-1])
"""Roles that mean the same memory forward and backward."""
KEPT = ("after", "record", "y")
"""Roles that a forward run writes for the backward."""


@dataclass(frozen=True)
class Request:
    """What a backward run is to give, and what it gets."""

    starts: tuple[bool, ...]
    """Whether the gradient of each is wanted."""
    params: tuple[bool, ...]
    lasts: tuple[int, ...]
    """The states whose last value has a gradient."""
    forward: Frame


def framing(recipe: Recipe, plan: Plan, rows: Layout, threads: int) -> Framing:
    """A frame to be made, with the places of what a call brings."""
    shapes = [tuple(p.shape) for p in recipe.step.params]
    made = Framing(plan, recipe.kind, recipe.kernels, shapes, rows, threads)
    given = GIVEN if rows.dense else GIVEN[1:-1]
    made.homes |= {b.role: Ref(b.role) for b in plan.buffers if b.role[0] in given}
    if rows.dense:
        made.homes |= {place.buffer.role: Ref(place.buffer.role) for _, place in plan.outputs}
    return made


def gather(made: Framing, buffer: Buffer, block: str) -> None:
    """The steps [T, B] that a call brings, one row for each record."""
    made.homes[buffer.role] = home = made.room(made.length(buffer) * buffer.width, block)
    width, order = buffer.width, made.table("order")
    made.copy(home, width, Ref(buffer.role), width, made.num_records, width, order)


def scatter(made: Framing, to: Role, place: Place, width: int) -> None:
    """Records as steps [T, B], with zeros where there are none."""
    buffer, rows = place.buffer, made.rows
    home = made.records(buffer) + place.offset * made.size
    number = rows.steps * rows.batch
    if made.num_records:
        index = made.table("inverse")
        made.copy(Ref(to), width, home, buffer.width, number, width, index)
    else:
        made.script.clear(Ref(to), number * width * made.size)


def frame_forward(recipe: Recipe, rows: Layout, threads: int) -> Frame:
    """All steps forward."""
    made = framing(recipe, recipe.forward, rows, threads)
    for b in recipe.forward.buffers if recipe.backward else ():
        if b.role[0] in KEPT and b.role not in made.homes:
            made.homes[b.role] = made.room(made.length(b) * b.width, "lasting")
    for b in () if rows.dense else recipe.forward.buffers:
        if b.role[0] == "x":
            gather(made, b, "lasting" if recipe.backward else "arena")
    for carry in recipe.moving:
        place_state(made, carry)
    made.work()
    for carry in recipe.moving:
        copy_final(made, carry)
    for i, (output, place) in enumerate(() if rows.dense else recipe.forward.outputs):
        scatter(made, ("ys", i), place, output.value.size)
    return made.finish()


def place_state(made: Framing, carry: Carry) -> None:
    """The starts of a state, where the first step finds them; in both halves if it has two."""
    after = state_buffer(made.plan, carry)
    home, width = made.home(after), after.width
    made.homes["before", carry.index] = home
    rows, start = made.rows, Ref(("start", carry.index))
    both = after.clock == "carry_after"
    for first in (0, rows.num_rows) if both else (made.first,):
        made.copy(home + first * width * made.size, width, start, width, rows.num_rows, width)


def state_buffer(plan: Plan, carry: Carry) -> Buffer:
    """Where the states after each step lie."""
    return next(b for b in plan.buffers if b.role == ("after", carry.index))


def copy_final(made: Framing, carry: Carry) -> None:
    """The last state of every row of the batch, for the caller."""
    rows, after = made.rows, state_buffer(made.plan, carry)
    home, width, final = made.home(after), after.width, Ref(("final", carry.index))
    halves = after.clock == "carry_after"
    if not rows.dense:
        where = made.table("final_halves" if halves else "last")
        made.copy(final, width, home, width, rows.batch, width, where)
        return
    at = rows.steps % 2 * rows.num_rows if halves else int(made.num_records) - made.first
    made.copy(final, width, home + at * width * made.size, width, rows.batch, width)


def frame_backward(recipe: Recipe, rows: Layout, threads: int, request: Request) -> Frame:
    """All steps backward."""
    assert recipe.backward is not None
    made = framing(recipe, recipe.backward, rows, threads)
    for b in recipe.backward.buffers:
        if b.role[0] in LASTING and b.role not in made.homes:
            made.homes[b.role] = request.forward.homes[b.role]
        if b.role[0] == "dy" and not rows.dense:
            gather(made, b, "arena")
        if b.role[0] == "sum":
            made.script.clear(made.home(b), made.length(b) * b.width * made.size)
    carries = recipe.backward.program.carries
    for carry in carries:
        place_carry(made, carry, carry.index in request.lasts)
    made.work()
    for carry, want in zip(carries, request.starts, strict=True):
        if want:
            copy_start(made, carry)
    for output, place in () if rows.dense else recipe.backward.outputs:
        scatter(made, ("dx", output.index), place, output.value.size)
    made.gradients(frozenset(i for i, want in enumerate(request.params) if want))
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
    """The gradient of the starts, which the last backward step leaves in the first half."""
    rows, width, size = made.rows, carry_width(made, carry), carry.before.size
    home = made.homes["carry", carry.index]
    made.copy(Ref(("dstart", carry.index)), size, home, width, rows.num_rows, size)
