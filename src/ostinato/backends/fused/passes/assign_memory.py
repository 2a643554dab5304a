"""From a timetable to a plan: where everything lies, and the kernels and products in order."""

from __future__ import annotations

from dataclasses import dataclass, field

from ostinato.backends.fused.ir.program import Carry, Program
from ostinato.backends.fused.ir.values import Value
from ostinato.backends.fused.passes.plan import Kernel, Multiply, Place, Plan, Stage, padded, room
from ostinato.backends.fused.passes.reuse import slots
from ostinato.backends.fused.passes.stages import AFTER, LOOP, Turn, turns
from ostinato.backends.fused.passes.timetable import Timetable, timetable

PANEL = 16
"""Columns that a product in the loop writes at least, so that its rows have no ragged end."""


@dataclass
class Placing:
    """A plan in the making."""

    plan: Plan
    table: Timetable
    copies: dict[Turn, list[tuple[Value, Place]]] = field(default_factory=dict)

    def settle(self, v: Value, place: Place) -> None:
        """Make this the home of a value, or a second place that a kernel copies it to."""
        moment = self.table.stored.get(v)
        if moment is not None and v not in self.plan.homes and self.fits(v, place, moment):
            self.plan.homes[v] = place
            return
        at = self.table.turn[v] if moment is None else moment
        if place.buffer.clock in ("after", "carry_after"):
            at = max(at, Turn(LOOP, 0))
        self.copies.setdefault(at, []).append((v, place))

    def lasting(self, v: Value) -> bool:
        """Whether a value is wanted of all steps: after the loop, or from before it on."""
        early = first_part(v, self.table).stage != LOOP
        return early or self.table.last_read.get(v, 0) > LOOP

    def fits(self, v: Value, place: Place, moment: Turn) -> bool:
        """Whether what works out v can write it there itself."""
        if place.buffer.clock == "carry_after" and self.lasting(v):
            return False
        # the rows of a state are those of one step, which only the loop knows
        if place.buffer.clock == "after" and first_part(v, self.table).stage != LOOP:
            return False
        return v.op != "product" or moment.stage != LOOP or place.buffer.width % PANEL == 0


def complete(plan: Plan, saved: list[Value], train: bool) -> Plan:
    """Plan the work; the plan comes with homes for what is in memory before it runs."""
    carried = {c.before for c in plan.program.carries if not c.held}
    given = frozenset(v for v in plan.homes if v not in carried)
    placing = Placing(plan, timetable(plan.program, given, saved))
    place_carries(placing, train)
    place_outputs(placing, train)
    place_saved(placing, saved)
    place_rest(placing)
    place_starts(placing)
    build_stages(placing)
    return plan


def full(carry: Carry, program: Program, train: bool) -> bool:
    """Whether all steps of a state are kept: for the backward, as y, or for later stages."""
    after = any(at.stage == AFTER for at in turns(program, frozenset()).values())
    return train or after or any(o.value is carry.after for o in program.outputs)


def place_carries(placing: Placing, train: bool) -> None:
    """What goes from step to step lies in buffers of its own."""
    program = placing.plan.program
    for carry in program.carries:
        if carry.held:
            continue
        every = not program.backward and full(carry, program, train)
        kind = "carry_after" if program.backward else "after"
        width = padded(carry.after.size) if program.backward else carry.after.size
        buffer = placing.plan.buffer(
            (kind, carry.index), width, "after" if every else "carry_after"
        )
        placing.settle(carry.after, Place(buffer))


def place_saved(placing: Placing, saved: list[Value]) -> None:
    """What the backward reads: over a hoisted product where that is free, else in a record."""
    plan = placing.plan
    over = slots(placing.table, saved)
    for v in saved:
        if v in plan.homes:
            continue
        if v not in over:
            plan.homes[v] = Place(plan.temporary("record", room(v), "record"))
            continue
        product, offset = over[v]
        if product not in plan.homes:
            plan.homes[product] = Place(plan.temporary("record", room(product), "record"))
        plan.homes[v] = Place(plan.homes[product].buffer, offset)


def place_outputs(placing: Placing, train: bool) -> None:
    """Outputs lie where they are read by the caller; a state that is y lies there already."""
    plan = placing.plan
    for output in plan.program.outputs:
        home = plan.homes.get(output.value)
        if home is None or home.buffer.clock != "after" or output.kind != "y":
            home = Place(plan.buffer((output.kind, output.index), output.value.size, "record"))
            placing.settle(output.value, home)
        plan.outputs.append((output, home))


def place_rest(placing: Placing) -> None:
    """Homes for whatever else is stored: for all rows where it is read after the loop's step."""
    plan, table = placing.plan, placing.table
    for v in table.stored:
        if v in plan.homes:
            continue
        kind, clock = ("flat", "record") if placing.lasting(v) else ("row", "row")
        plan.homes[v] = Place(plan.temporary(kind, room(v), clock))
    for gram in plan.program.grams:
        plan.grams.append((gram, place_of(plan, gram.d), place_of(plan, gram.a)))


def first_part(v: Value, table: Timetable) -> Turn:
    """When what a product is added to is there: from then on its place is taken."""
    if v.op == "product" and len(v.args) > 2 and v.args[2] in table.stored:
        return first_part(v.args[2], table)
    return table.stored[v]


def place_starts(placing: Placing) -> None:
    """What a product is added to lies where the sum will lie."""
    homes = placing.plan.homes
    for v in reversed(list(placing.table.stored)):
        if v.op == "product" and len(v.args) > 2 and v.args[2].op != "param":
            homes[v.args[2]] = homes[v]


def place_of(plan: Plan, v: Value) -> Place:
    """Where an operand of a product lies."""
    if v not in plan.homes and v.op == "view":
        home = plan.homes[v.args[0]]
        return Place(home.buffer, home.offset + v.reading.offset)
    return plan.homes[v]


def build_stages(placing: Placing) -> None:
    """Products and kernels by turns."""
    plan, table = placing.plan, placing.table
    sums = [(table.turn[s.value], s) for s in plan.program.sums]
    moments = {*table.roots, *placing.copies, *table.stored.values(), *(at for at, _ in sums)}
    plan.stages = [Stage(loop=stage == LOOP) for stage in range(3)]
    for at in sorted(moments):
        work = plan.stages[at.stage].work
        work += [
            multiply(plan, v)
            for v, when in table.stored.items()
            if v.op == "product" and when == at
        ]
        kernel = Kernel(
            f"{'backward' if plan.program.backward else 'forward'}_{at.stage}_{at.turn}",
            there(placing, at),
        )
        made = [v for v in table.roots.get(at, ()) if v.op != "product"]
        kernel.stores = [(v, plan.homes[v]) for v in made] + placing.copies.get(at, [])
        for when, s in sums:
            if when == at:
                width = plan_sum_width(plan, s.param)
                kernel.sums.append((s, Place(plan.buffer(("sum", s.param), width, "shard"))))
        if not kernel.empty:
            work.append(kernel)


def plan_sum_width(plan: Plan, param: int) -> int:
    """Numbers of a param."""
    return next(v.size for v in plan.homes if v.op == "param" and v.index == param)


def there(placing: Placing, at: Turn) -> frozenset[Value]:
    """What lies in memory when the kernel of a turn begins."""
    stored, homes = placing.table.stored, placing.plan.homes
    return frozenset(
        v
        for v in homes
        if v not in stored or stored[v] < at or (v.op == "product" and stored[v] == at)
    )


def multiply(plan: Plan, v: Value) -> Multiply:
    """A product between places."""
    a, w = v.args[:2]
    start = v.args[2].index if len(v.args) > 2 and v.args[2].op == "param" else None
    transposed, k_start, n_start = v.block
    repeat = v.size // v.shape[-1]
    return Multiply(
        v, place_of(plan, a), plan.homes[v], w.index, transposed, k_start, n_start,
        a.shape[-1], v.shape[-1], repeat, len(v.args) > 2, start,
    )  # fmt: skip
