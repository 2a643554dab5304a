"""The memory of a plan for a few rows and steps, for `verify` and `run_plan`.

It is what `frame` and `rows` lay out for a call without masks: which storage each role has, and
which part of it a buffer means at a step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ostinato.backends.fused.passes.plan import Buffer, Plan

PAIRS = {"before": "state", "after": "state", "carry": "carried", "carry_after": "carried"}
"""Roles that are two names of one storage: what is read before a step and written after it."""


SHARED = ("x", "param", "draw", "held", "state", "record", "y")
"""Roles, by the names of their storage, that forward and backward have together."""


@dataclass
class PlanMemory:
    """Storage by role, as [slots, rows, width]; ``blank(*shape)`` makes what nobody wrote to."""

    steps: int
    rows: int
    blank: Callable[..., np.ndarray]
    storage: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)

    def all(self, buffer: Buffer) -> np.ndarray:
        """The whole storage of a buffer's role."""
        kind, index = buffer.role
        name = (PAIRS.get(kind, kind), index)
        wanted = (slots(buffer, self.steps), self.rows, buffer.width)
        if name not in self.storage:
            self.storage[name] = self.blank(*wanted)
        found = self.storage[name]
        assert found.shape == wanted, (buffer, found.shape, wanted)
        return found

    def at(self, buffer: Buffer, t: int, done: int) -> np.ndarray:
        """The rows [rows, width] of a buffer at step t, before which so many have been run."""
        slot = {
            "record": t, "before": t, "after": t + 1, "row": 0, "shard": 0, "fixed": 0,
            "carry": done % 2, "carry_after": 1 - done % 2,
        }[buffer.clock]  # fmt: skip
        return self.all(buffer)[slot]

    def begin(self) -> None:
        """Forget what the plan before had for itself."""
        self.storage = {role: s for role, s in self.storage.items() if role[0] in SHARED}

    def spoil(self, plan: Plan, kinds: tuple[str, ...] = ("row", "line")) -> None:
        """Forget what lives for one step or one kernel only."""
        for buffer in plan.buffers:
            if buffer.role[0] in kinds:
                whole = self.all(buffer)
                whole[...] = self.blank(*whole.shape)


def slots(buffer: Buffer, steps: int) -> int:
    """How many rows of a buffer each row of the batch has."""
    return {
        "record": steps, "before": steps + 1, "after": steps + 1, "carry": 2, "carry_after": 2,
    }.get(buffer.clock, 1)  # fmt: skip
