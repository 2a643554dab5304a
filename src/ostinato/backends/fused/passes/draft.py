"""A recipe in the making, which each pass takes a form further."""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.backends.fused.ir.program import Program
from ostinato.backends.fused.ir.values import Value
from ostinato.backends.fused.lower.step import Step
from ostinato.backends.fused.passes.plan import Plan
from ostinato.backends.fused.passes.reverse import Wanted


@dataclass(frozen=True)
class Draft:
    """A recipe in the making: the forms that there are so far."""

    step: Step
    wanted: Wanted | None
    """Whose gradients are wanted; None without gradients."""
    forward: Program
    backward: Program | None = None
    saved: tuple[Value, ...] = ()
    """What the forward keeps for the backward."""
    plan: Plan | None = None
    back: Plan | None = None

    @property
    def finished(self) -> bool:
        """Whether there are plans whose kernels have their loops."""
        plans = [plan for plan in (self.plan, self.back) if plan is not None]
        return bool(plans) and all(k.body is not None for p in plans for k in p.kernels())
