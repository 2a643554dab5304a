"""A lowered step as the program of the forward loop."""

from __future__ import annotations

from ostinato.backends.fused.ir.program import Carry, Output, Program
from ostinato.backends.fused.lower.step import Step


def forward(step: Step) -> Program:
    """The program of the step itself."""
    pairs = zip(step.states, step.after, strict=True)
    carries = tuple(
        Carry(i, before, after) for i, (before, after) in enumerate(pairs) if before.op == "input"
    )
    return Program(step.graph, carries, tuple(Output("y", i, y) for i, y in enumerate(step.ys)))
