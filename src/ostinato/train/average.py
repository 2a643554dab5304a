"""An exponential moving average of weights, to judge and keep in place of the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn


@final
class Average:
    """``average += (1 - decay) * (weights - average)`` after each step (Polyak and Juditsky 1992).

    The decay rises as (1 + t) / (10 + t) in the first steps t, so that the average does not hang
    on to the random start.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self._weights = list(module.parameters())
        self.values = [p.detach().clone() for p in self._weights]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for value, weight in zip(self.values, self._weights, strict=True):
            value.lerp_(weight, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block, the module has the average as its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def load(self, values: list[Tensor], steps: int) -> None:
        """Go on from these values, after so many steps."""
        self.steps = steps
        for mine, value in zip(self.values, values, strict=True):
            mine.copy_(value)

    @torch.no_grad()
    def _swap(self) -> None:
        # By value, since the module's tensors may be views into one flat vector.
        for weight, value in zip(self._weights, self.values, strict=True):
            kept = weight.detach().clone()
            weight.copy_(value)
            value.copy_(kept)
