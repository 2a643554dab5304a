"""Saved activations over the hoisted product that they are made of.

An LSTM's step reads its four pre-activations once and saves four gates: they fit into the same
memory, and one loop reads each number before it writes over it. That holds where the product is
read in one loop only, which this file makes sure of.
"""

from __future__ import annotations

from collections import defaultdict

from ostinato.backends.fused.ir.values import Reading, Value, topological
from ostinato.backends.fused.ir.views import places
from ostinato.backends.fused.passes.stages import LOOP, Turn
from ostinato.backends.fused.passes.timetable import Timetable


def slots(table: Timetable, saved: list[Value]) -> dict[Value, tuple[Value, int]]:
    """For saved values, the product whose place they can take, and the offset there."""
    order = topological([*table.program.roots(), *saved], stop=lambda v: v in table.given)
    users: dict[Value, list[Value]] = defaultdict(list)
    for v in order:
        if v not in table.given:
            for a in v.args:
                users[a].append(v)
    found: dict[Value, tuple[Value, int]] = {}
    for product in order:
        if is_hoisted(table, product, saved):
            found |= take(table, product, users, saved)
    return found


def is_hoisted(table: Timetable, v: Value, saved: list[Value]) -> bool:
    """Whether a product lies there for all steps, and is of no use after the loop."""
    if v.op != "product" or v in table.given or v in saved or len(v.shape) != 1:
        return False
    start = v.args[2] if len(v.args) > 2 else v
    early = start if start.op == "product" else v
    lasting = table.turn[early].stage != LOOP
    output = any(o.value is v for o in table.program.outputs)
    return lasting and not output and table.last_read.get(v, LOOP) <= LOOP


def take(
    table: Timetable, product: Value, users: dict[Value, list[Value]], saved: list[Value]
) -> dict[Value, tuple[Value, int]]:
    """The saved values that take the places of a product's parts."""
    views = [v for v in users[product] if v.op == "view"]
    direct = [v for v in users[product] if v.op != "view"]
    if any(v.op != "pointwise" for v in direct):
        return {}
    # in the order of the program, so that every process makes the same plan
    guards: dict[Value, None] = {}
    spots: dict[Value, Reading] = {}
    for view in [*views, *([product] if direct else [])]:
        reading = reading_of(view, product)
        if view is not product and (view in table.stored or not users[view]):
            # somebody else reads the product under this view, at a time of its own
            return {}
        ends = endings(table, direct if view is product else users[view], users)
        if ends is None:
            return {}
        guards |= ends
        for v in ends:
            spots.setdefault(v, reading)
    if not apart(list(spots.values())):
        return {}
    moments = {table.stored[v] for v in guards}
    shapes = {v.shape for v in guards}
    if len(moments) != 1 or len(shapes) != 1 or not all(flat(table, v) for v in guards):
        return {}
    found: dict[Value, tuple[Value, int]] = {}
    used: set[int] = set()
    for v in guards:
        reading = spots[v]
        free = v in saved and reading.offset not in used
        if free and reading.covers_run(v.shape):
            used.add(reading.offset)
            found[v] = (product, reading.offset)
    return found


def apart(readings: list[Reading]) -> bool:
    """Whether each turn of a loop reads entries of its own: any two readings equal or disjoint."""
    used: set[int] = set()
    for reading in dict.fromkeys(readings):
        at = places(reading).tolist()
        if used.intersection(at):
            return False
        used.update(at)
    return True


def reading_of(view: Value, product: Value) -> Reading:
    """How a view reads the product, or the product itself."""
    if view is product:
        return Reading(0, product.shape, (1,))
    return view.reading


def endings(
    table: Timetable, first: list[Value], users: dict[Value, list[Value]]
) -> dict[Value, None] | None:
    """The stored values at which all paths through pointwise work end; None where one does not."""
    ends: dict[Value, None] = {}
    stack = list(first)
    while stack:
        v = stack.pop()
        if v.op != "pointwise":
            return None
        if v in table.stored:
            ends[v] = None
        elif not users[v]:
            return None
        else:
            stack.extend(users[v])
    return ends


def flat(table: Timetable, v: Value) -> bool:
    """Whether a kernel's first loop can work a value out: nothing of that kernel is read back."""
    at: Turn = table.stored[v]
    stack = list(v.args)
    while stack:
        a = stack.pop()
        if a in table.given or not a.args:
            continue
        if a.op == "view":
            a = a.args[0]
            if a in table.given or not a.args:
                continue
        if a.op == "product" or (a in table.stored and table.stored[a] < at):
            continue
        if a.op != "pointwise":
            return False
        stack.extend(a.args)
    return True
