"""A finished recipe: the plans of a step for one use, their kernels, and the frames of calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from ostinato.backends.fused.emit.kernel import emit
from ostinato.backends.fused.ir.program import Carry
from ostinato.backends.fused.lower.step import Step
from ostinato.backends.fused.native.compile import compile_text
from ostinato.backends.fused.native.dense import KINDS
from ostinato.backends.fused.passes.plan import Plan
from ostinato.backends.fused.run.frame import Frame

FRAMES = 32
"""Frames of one recipe that are kept, the newest."""


@dataclass
class Recipe:
    """Plans of a step; ``backward`` is None without gradients."""

    step: Step
    dtype: torch.dtype
    forward: Plan
    backward: Plan | None
    frames: dict[tuple[Any, ...], Frame] = field(default_factory=dict[Any, Frame])

    @property
    def kind(self) -> str:
        """f4 or f8."""
        return KINDS[self.dtype]

    @cached_property
    def text(self) -> str:
        """The text of all kernels."""
        plans = [self.forward] + ([self.backward] if self.backward else [])
        return "\n\n".join(emit(plan, self.kind) for plan in plans)

    @cached_property
    def kernels(self) -> dict[str, int]:
        """The addresses of all kernels by name."""
        plans = [self.forward] + ([self.backward] if self.backward else [])
        names = [kernel.name for plan in plans for kernel in plan.kernels()]
        return compile_text(self.text, names)

    @cached_property
    def moving(self) -> list[Carry]:
        """The carried leaves that the step changes."""
        return [c for c in self.forward.program.carries if not c.held]

    @cached_property
    def plain(self) -> bool:
        """Whether y is one tensor of floats, and every leaf of the state moves."""
        step = self.step
        numbers = step.y_tree.is_leaf() and step.y_dtypes[0].is_floating_point
        return numbers and len(self.moving) == len(step.states)

    def frame(self, key: tuple[Any, ...], make: Callable[..., Frame]) -> Frame:
        """The frame for (layout, threads, ...), kept for the next call of the same sizes."""
        found = self.frames.get(key)
        if found is None:
            found = self.frames[key] = make(self, *key)
            for old in list(self.frames)[:-FRAMES]:
                self.frames.pop(old, None)
        return found
