"""Proof that a plan reads from memory what it means to read.

A plan is followed without numbers, for one row over three steps: every place in memory holds the
name of the entry that was written there (which value, of which step, which entry of it), and each
load, product and output is compared with what it stands for. So a place that is read before it is
written, or overwritten while its old content is still to be read, is found, whatever pass put it
there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ostinato.backends.fused.ir.program import Carry, Sum
from ostinato.backends.fused.ir.values import Value
from ostinato.backends.fused.ir.views import places
from ostinato.backends.fused.passes.plan import (
    Buffer,
    Compute,
    Fold,
    Kernel,
    Load,
    Multiply,
    Nest,
    Place,
    Plan,
    Same,
    Store,
)
from ostinato.backends.fused.passes.plan_memory import PlanMemory
from ostinato.backends.fused.passes.verify_values import Broken

STEPS = 3
"""Enough for every state to be read once where a start lies and twice where a step has left it."""
BLANK, PARTIAL = -1, -2
"""What nobody has written to, and a sum that is not complete."""


def verify_plans(forward: Plan, backward: Plan | None, saved: Sequence[Value]) -> None:
    """Raise Broken where one of the plans reads what does not lie there."""
    follower = Follower(forward, backward)
    follower.follow(forward)
    for v in saved:
        follower.everywhere(forward.homes[v], v)
    if backward is not None:
        follower.follow(backward)


def blank(*shape: int) -> np.ndarray:
    """Memory that holds nothing yet."""
    return np.full(shape, BLANK)


@dataclass
class Names:
    """A number for each entry of each value at each step; equal numbers are equal entries."""

    carries: dict[Value, tuple[Carry, bool]]
    """Of what is carried, and whether it is a gradient, which comes from the step after."""
    made: dict[object, np.ndarray] = field(default_factory=dict[object, np.ndarray])
    free: int = 0

    def of(self, v: Value, t: int) -> np.ndarray:
        """The numbers of a value's entries, in row-major order."""
        if v.op == "const":
            return self.number(v.spelled)
        key = (v, 0 if v.op == "param" else t)
        if key not in self.made:
            found = self.same_as(v, t)
            self.made[key] = self.fresh(v.size) if found is None else found
        return self.made[key]

    def fresh(self, size: int) -> np.ndarray:
        self.free += size
        return np.arange(self.free - size, self.free)

    def number(self, text: str) -> np.ndarray:
        """The name of a constant."""
        if text not in self.made:
            self.made[text] = self.fresh(1)
        return self.made[text]

    def same_as(self, v: Value, t: int) -> np.ndarray | None:
        """What another value is called, where this one is made of its entries."""
        if v.op == "view":
            return self.of(v.args[0], t)[places(v.reading)]
        if v.op == "barrier" or (v.op == "pointwise" and v.function == "copy"):
            return np.broadcast_to(self.of(v.args[0], t), (v.size,))
        if v.op == "assemble":
            found = np.repeat(self.number("0.0"), v.size)
            for where, part in v.parts:
                found[places(where)] = self.of(part, t)
            return found
        if v in self.carries:
            return self.carried(*self.carries[v], t)
        return None

    def carried(self, carry: Carry, backward: bool, t: int) -> np.ndarray | None:
        """A state before a step is that after the step before it."""
        if carry.held:
            return self.of(carry.before, 0) if t else None
        earlier, first = (t + 1, STEPS - 1) if backward else (t - 1, 0)
        return None if t == first else self.of(carry.after, earlier)


@dataclass
class Write:
    """What a nest stores: the statement's number, and for each turn of its loops where and what."""

    number: int
    memory: int
    at: np.ndarray
    turns: np.ndarray
    entries: np.ndarray


class Follower:
    """Follows the plans of a step, forward and then backward."""

    def __init__(self, forward: Plan, backward: Plan | None) -> None:
        carries = {c.before: (c, False) for c in forward.program.carries}
        if backward is not None:
            carries |= {c.before: (c, True) for c in backward.program.carries}
        self.names = Names(carries)
        self.memory = PlanMemory(STEPS, 1, blank)
        self.t = self.done = 0
        self.where = ""
        self.known: set[Value] = set()

    def follow(self, plan: Plan) -> None:
        """The whole of a plan."""
        self.memory.begin()
        self.prepare(plan)
        summed: Counter[Sum] = Counter()
        for stage in plan.stages:
            back = stage.loop and plan.program.backward
            for self.done, self.t in enumerate(range(STEPS)[::-1] if back else range(STEPS)):
                self.memory.spoil(plan)
                for work in stage.work:
                    self.one(plan, work, stage.loop)
            for work in stage.work:
                summed.update(sums_of(work) if isinstance(work, Kernel) else ())
        self.check_results(plan)
        if summed != Counter(plan.program.sums):
            raise Broken("the gradients of parameters are not summed up once each")

    def prepare(self, plan: Plan) -> None:
        """What lies in memory before a run; of params what kernels read, which is no weight."""
        read = {b for k in plan.kernels() if k.body is not None for b in k.body.buffers}
        for v, place in plan.homes.items():
            if v.op not in ("input", "param") or place.buffer.role[0] in ("after", "record"):
                continue
            if v.op == "param" and place.buffer not in read:
                continue
            whole = self.memory.all(place.buffer)
            if v in self.names.carries and place.buffer.role[0] != "held":
                first = STEPS - 1 if plan.program.backward else 0
                slots = [0, 1] if place.buffer.clock == "carry" else [0]
                if plan.program.backward and place.buffer.clock != "carry":
                    continue
                whole[slots, 0, : v.size] = self.names.of(v, first)
            else:
                for t in range(len(whole)):
                    whole[t, 0] = self.names.of(v, t)

    def broken(self, why: str) -> Broken:
        return Broken(f"{self.where}, step {self.t}: {why}")

    def one(self, plan: Plan, work: Kernel | Multiply, loop: bool) -> None:
        """A product or a kernel."""
        if isinstance(work, Multiply):
            self.where = f"the product {work.value.name}"
            buffers: tuple[Buffer, ...] = (work.a.buffer, work.c.buffer)
        else:
            self.where = work.name
            assert work.body is not None
            buffers = work.body.buffers
        if not loop and any(of_one_step(b) for b in buffers):
            raise self.broken("work on all steps at once uses memory of one step")
        if isinstance(work, Multiply):
            self.multiply(work)
        else:
            self.memory.spoil(plan, ("line",))
            self.kernel(work)

    def row(self, buffer: Buffer) -> np.ndarray:
        """What lies in a buffer at this step."""
        return self.memory.at(buffer, self.t, self.done)[0]

    def entries(self, v: Value) -> np.ndarray:
        return self.names.of(v, self.t)

    def within(self, at: np.ndarray, buffer: Buffer, name: str) -> None:
        if at.size and not (at.min() >= 0 and at.max() < buffer.width):
            raise self.broken(f"{name} reaches beyond {buffer.name}")

    def need(self, buffer: Buffer, at: np.ndarray, v: Value) -> None:
        """Raise where something else than a value lies there."""
        self.within(at, buffer, v.name)
        if not np.array_equal(self.row(buffer)[at], self.entries(v)):
            raise self.broken(f"{buffer.name} does not hold {v.name}")

    def multiply(self, work: Multiply) -> None:
        """Reads its operand and what it is added to; writes the sum."""
        v = work.value
        a, c = dense(work.a, v.args[0].size), dense(work.c, v.size)
        self.need(work.a.buffer, a, v.args[0])
        if len(v.args) > 2 and v.args[2].op != "param":
            self.need(work.c.buffer, c, v.args[2])
        self.within(c, work.c.buffer, v.name)
        self.row(work.c.buffer)[c] = self.entries(v)

    def kernel(self, work: Kernel) -> None:
        """The loops of a kernel, one after the other."""
        assert work.body is not None
        self.known = set()
        for fill in work.body.fills:
            at = dense(fill.place, fill.size)
            self.within(at, fill.place.buffer, work.name)
            self.row(fill.place.buffer)[at] = self.names.number(fill.number)
        for nest in work.body.nests:
            before = set(self.known)
            self.nest(nest)
            stored = {end.value for end in nest.ends}
            self.known |= set(nest.folds)
            if nest.shape:
                self.known = before | {v for v in nest.folds if v not in stored}

    def nest(self, nest: Nest) -> None:
        """All turns of a nest's loops at once; what they write counts for those who read later."""
        writes = self.writes(nest)
        for number, statement in enumerate(nest.statements):
            if isinstance(statement, Load):
                self.load(statement, number, writes)
                self.known.add(statement.value)
            elif isinstance(statement, Compute):
                self.use(*statement.value.args)
                self.known.add(statement.value)
            elif isinstance(statement, Same):
                self.use(statement.of)
                self.known.add(statement.value)
            elif isinstance(statement, Fold):
                self.use(statement.term)
            else:
                self.use(statement.value)
        for store in (*nest.statements, *nest.ends):
            if isinstance(store, Store):
                self.write(store)
        for store in nest.statements:
            if isinstance(store, Store) and store.combine and store.part_of is not None:
                whole = dense(Place(store.place.buffer, store.reading.offset), store.part_of.size)
                self.row(store.place.buffer)[whole] = self.entries(store.part_of)

    def use(self, *values: Value) -> None:
        """Raise where a value has no variable."""
        for v in values:
            if v.op != "const" and v not in self.known:
                raise self.broken(f"{v.name} is used before it is worked out")

    def writes(self, nest: Nest) -> list[Write]:
        """All that a nest writes to memory that holds values."""
        found: list[Write] = []
        size = int(np.prod(nest.shape))
        inner = int(np.prod(nest.shape[nest.kept :]))
        for number, store in enumerate((*nest.statements, *nest.ends)):
            if not isinstance(store, Store) or is_sum(store):
                continue
            at = places(store.reading)
            self.within(at, store.place.buffer, store.value.name)
            # an end comes after the last turn of the loops that it stands behind
            ended = number >= len(nest.statements)
            turns = np.arange(1, len(at) + 1) * inner - 1 if ended else np.arange(size)
            entries = np.broadcast_to(self.entries(store.value), at.shape)
            if store.combine:
                entries = np.full(at.shape, PARTIAL)
            memory = self.row(store.place.buffer).ctypes.data
            found.append(Write(number, memory, at, turns, entries))
        return found

    def load(self, load: Load, number: int, writes: list[Write]) -> None:
        """Raise where a load finds something else than its value, turn by turn."""
        row, reading = self.row(load.place.buffer), load.reading
        at = places(reading)
        self.within(at, load.place.buffer, load.value.name)
        found = row[at]
        latest = np.full(at.shape, -1)
        for order, write in enumerate(writes):
            if write.memory != row.ctypes.data:
                continue
            written = np.full(len(row), -1)
            written[write.at] = write.turns
            what = np.full(len(row), BLANK)
            what[write.at] = write.entries
            turn, mine = written[at], np.arange(len(at))
            earlier = (turn < mine) | ((turn == mine) & (write.number < number))
            moment = turn * len(writes) + order
            seen = (turn >= 0) & earlier & (moment > latest)
            found, latest = np.where(seen, what[at], found), np.where(seen, moment, latest)
        if not np.array_equal(found, np.broadcast_to(self.entries(load.value), at.shape)):
            raise self.broken(f"{load.place.buffer.name} does not hold {load.value.name}")

    def write(self, store: Store) -> None:
        """Put the names of what is stored into memory."""
        if is_sum(store):
            return
        at = places(store.reading)
        row = self.row(store.place.buffer)
        if store.combine:
            neutral = self.names.number("0.0" if store.combine == "sum" else "-inf")
            if not np.all(row[at] == neutral):
                raise self.broken(f"{store.value.name} is reduced into what is not empty")
            row[at] = PARTIAL
        else:
            row[at] = self.entries(store.value)

    def check_results(self, plan: Plan) -> None:
        """What is read when a plan has run: outputs, last states, operands of weight gradients."""
        self.where = "the end"
        for output, place in plan.outputs:
            self.everywhere(place, output.value)
        for gram, d, a in plan.grams:
            self.everywhere(d, gram.d)
            self.everywhere(a, gram.a)
        for carry in plan.program.carries:
            if carry.held:
                continue
            kind = "carry_after" if plan.program.backward else "after"
            buffer = next(b for b in plan.buffers if b.role == (kind, carry.index))
            self.t = 0 if plan.program.backward else STEPS - 1
            self.done = STEPS - 1
            self.need(buffer, np.arange(carry.after.size), carry.after)

    def everywhere(self, place: Place, v: Value) -> None:
        """Raise where a value does not lie in a place for all steps."""
        if of_one_step(place.buffer):
            raise self.broken(f"{v.name} is wanted of all steps and lies in memory of one")
        for self.t in range(STEPS):
            self.need(place.buffer, dense(place, v.size), v)


def of_one_step(buffer: Buffer) -> bool:
    """Whether a buffer holds one step and the next only; what is held is the same at all steps."""
    return buffer.clock in ("row", "carry", "carry_after") and buffer.role[0] != "held"


def dense(place: Place, size: int) -> np.ndarray:
    """The entries of a value that lies there in order."""
    return np.arange(place.offset, place.offset + size)


def sums_of(kernel: Kernel) -> list[Sum]:
    """What a kernel adds to the gradients of parameters."""
    assert kernel.body is not None
    stores = [s for nest in kernel.body.nests for s in nest.statements if isinstance(s, Store)]
    return [Sum(s.place.buffer.role[1], s.reading, s.value) for s in stores if is_sum(s)]


def is_sum(store: Store) -> bool:
    """Whether a store adds to the gradient of a parameter, which nothing reads meanwhile."""
    return store.combine == "sum" and store.part_of is None
