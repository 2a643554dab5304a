"""When each value can be worked out: before the time loop, in it, or after it, and in which turn.

A stage is a row of turns: products, then a kernel, then products that need that kernel, and so
on. ``Turn(stage, turn)`` of a value is the first kernel that can compute or read it.
"""

from __future__ import annotations

from typing import NamedTuple

from ostinato.backends.fused.ir.program import Program
from ostinato.backends.fused.ir.values import Value, topological

BEFORE, LOOP, AFTER = 0, 1, 2


class Turn(NamedTuple):
    """A place in the order of kernels."""

    stage: int
    turn: int


def turns(program: Program, given: frozenset[Value]) -> dict[Value, Turn]:
    """The turn of every value; ``given`` ones are in memory for all steps."""
    order = topological(program.roots(), stop=lambda v: v in given)
    carried = {c.before for c in program.carries if not c.held}
    recurrent = depends_on(order, carried - given, given)
    wanted = set(topological([c.after for c in program.carries], stop=lambda v: v in given))
    found: dict[Value, Turn] = {}
    for v in order:
        if v in given or not v.args:
            found[v] = Turn(LOOP, 0) if v in carried and v not in given else Turn(BEFORE, 0)
            continue
        last = max(found[a] for a in v.args)
        if v.op != "product":
            found[v] = last
            continue
        stage = BEFORE if v not in recurrent else LOOP if v in wanted else AFTER
        stage = max(stage, last.stage)
        needs = [found[a] for a in v.args if a not in given and a.args]
        inside = [t.turn for t in needs if t.stage == stage]
        found[v] = Turn(stage, max(inside, default=-1) + 1)
    return found


def depends_on(order: list[Value], sources: set[Value], given: frozenset[Value]) -> set[Value]:
    """The values that need one of the sources."""
    found = set(sources)
    for v in order:
        if v not in given and any(a in found for a in v.args):
            found.add(v)
    return found
