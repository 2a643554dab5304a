"""Which kernel works out what: as late as possible, and nothing dear twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ostinato.backends.fused.ir.program import Program
from ostinato.backends.fused.ir.values import Value
from ostinato.backends.fused.passes.choose_saved import DEAR, cost
from ostinato.backends.fused.passes.stages import AFTER, LOOP, Turn, depends_on, turns


@dataclass
class Timetable:
    """Which values each kernel stores, and until which stage they are read."""

    program: Program
    given: frozenset[Value]
    turn: dict[Value, Turn]
    recurrent: set[Value]
    """What depends on something carried."""
    roots: dict[Turn, list[Value]] = field(default_factory=dict[Turn, list[Value]])
    stored: dict[Value, Turn] = field(default_factory=dict[Value, Turn])
    computed: dict[Value, Turn] = field(default_factory=dict[Value, Turn])
    last_read: dict[Value, int] = field(default_factory=dict[Value, int])

    def store(self, v: Value, at: Turn, *, copy: bool = False) -> None:
        """Let the kernel of a turn store a value, or a copy of what is there already."""
        if (copy or not self.there(v)) and v not in self.stored:
            self.stored[v] = at
            self.roots.setdefault(at, []).append(v)

    def read(self, v: Value, stage: int) -> None:
        """Note that a stage reads a value from memory: of a view, what it stands on."""
        for one in (v, *v.args) if v.op == "view" else (v,):
            self.last_read[one] = max(self.last_read.get(one, 0), stage)

    def there(self, v: Value) -> bool:
        """Whether a value is in memory without a kernel's doing."""
        if v.op == "view" and dense(v):
            return self.there(v.args[0]) or v.args[0] in self.stored
        return v in self.given or v.op in ("input", "param", "product")

    def visit(self, v: Value, at: Turn, root: bool = False) -> None:
        """Work out v in the kernel of a turn, from what earlier ones stored."""
        if v in self.given or v.op in ("const", "param", "input"):
            return
        before = self.stored.get(v)
        if v.op == "product" or (before is not None and before < at):
            self.read(v, at.stage)
            return
        if self.turn[v].stage < at.stage and v in self.recurrent:
            # a later stage cannot repeat it: what a step carries is gone by then
            moment = self.turn[v]
            self.store(v, moment)
            self.read(v, at.stage)
            self.visit(v, moment, root=True)
            return
        earlier = self.computed.get(v, at)
        if earlier < at and dear(v) and not root:
            self.store(v, earlier)
            self.read(v, at.stage)
            return
        if earlier == at and v in self.computed:
            return
        self.computed.setdefault(v, at)
        for a in computed_args(v):
            self.visit(a, at)


def computed_args(v: Value) -> tuple[Value, ...]:
    """The args that a value is worked out from; a barrier's others are for its derivative."""
    return v.args[:1] if v.op == "barrier" else v.args


def dear(v: Value) -> bool:
    """Whether to read a value from memory rather than work it out a second time."""
    if v.op == "view":
        return False
    return cost(v) >= DEAR


def dense(v: Value) -> bool:
    """Whether a view reads a run of neighbours in order."""
    return v.reading.covers_run(v.shape)


def timetable(program: Program, given: frozenset[Value], saved: Iterable[Value]) -> Timetable:
    """Who computes what, as late as possible, but nothing dear twice."""
    turn = turns(program, given)
    carried = {c.before for c in program.carries if not c.held}
    recurrent = depends_on(list(turn), carried - given, given)
    table = Timetable(program, given, turn, recurrent)
    products = [v for v in table.turn if v.op == "product" and v not in given]
    for v in products:
        table.stored[v] = table.turn[v]
    for v in products:
        for operand in (v.args[0], *v.args[2:]):
            table.store(operand, table.turn[operand])
            table.read(operand, table.turn[v].stage)
    for v in saved:
        table.store(v, table.turn[v], copy=v.op == "view")
    for v in [v for gram in program.grams for v in (gram.d, gram.a)]:
        table.store(v, table.turn[v])
        table.read(v, AFTER)
    for carry in program.carries:
        if not carry.held:
            table.store(carry.after, max(table.turn[carry.after], Turn(LOOP, 0)))
    for output in program.outputs:
        table.store(output.value, table.turn[output.value])
    visit_all(table)
    return table


def visit_all(table: Timetable) -> None:
    """Fill every kernel from its roots, in order."""
    sums = [(table.turn[s.value], s.value) for s in table.program.sums]
    moments = sorted({*table.roots, *(at for at, _ in sums), *table.turn.values()})
    for at in moments:
        for v in [*table.roots.get(at, ()), *(v for when, v in sums if when == at)]:
            table.visit(v, at, root=True)
