"""What the forward step saves for the backward one, and what is worked out again."""

from __future__ import annotations

from collections.abc import Callable

from ostinato.backends.fused.ir.functions import FUNCTIONS
from ostinato.backends.fused.ir.program import Program
from ostinato.backends.fused.ir.values import Value, topological

DEAR = 8
"""Cost from which a function's result is saved; cheaper ones are repeated."""


def cost(v: Value) -> int:
    """What it takes to repeat one value from its args."""
    return FUNCTIONS[v.function].cost if v.op == "pointwise" else 0 if v.op == "view" else DEAR


def keep(forward: Program, backward: Program) -> list[Value]:
    """The forward values to save: results of dear functions, products, reductions, barriers.

    Inputs and states are there anyway. A dear function of these alone is repeated.
    """
    there = {c.after for c in forward.carries} | {c.before for c in forward.carries}
    known = set(topological(forward.roots()))
    order = topological(backward.roots())
    late = gradients(order)
    saved: dict[Value, None] = {}

    def free(v: Value) -> bool:
        return v in there or v in saved or not v.args or (v.op == "view" and free(v.args[0]))

    def need(v: Value) -> None:
        if free(v):
            return
        if v in known and is_slice(v):
            # a part of a product that is read as it is: no need to save the other parts
            saved[v] = None
            return
        dear = cost(v) >= DEAR and not (v.op == "pointwise" and all(map(free, v.args)))
        if v in known and dear:
            saved[v] = None
            return
        for a in v.args[: 1 if v.op == "barrier" else None]:
            need(a)

    for gram in backward.grams:
        save_operand(gram.a, free, known, saved)
    for v in order:
        if v in late:
            for a in v.args:
                if a not in late:
                    need(a)
    for root in backward.roots():
        if root not in late:
            need(root)
    return list(saved)


def is_slice(v: Value) -> bool:
    """Whether a value is a run of neighbours in a product."""
    if v.op != "view" or v.args[0].op != "product":
        return False
    return v.reading.covers_run(v.shape)


def save_operand(
    a: Value, free: Callable[[Value], bool], known: set[Value], saved: dict[Value, None]
) -> None:
    """Save the computed input of a product, which the gradient of the weight needs for all rows."""
    if not free(a) and a in known:
        saved[a.args[0] if a.op == "view" else a] = None


def gradients(order: list[Value]) -> set[Value]:
    """The values that depend on an incoming gradient."""
    found: set[Value] = set()
    for v in order:
        incoming = v.op == "input" and v.source.kind in ("dy", "dstate")
        if incoming or any(a in found for a in v.args):
            found.add(v)
    return found
