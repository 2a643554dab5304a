"""How far training has come, and the best it has been."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class Progress:
    """The place of training in its data, and what it has cost."""

    step: int = 0
    """Updates done."""
    epoch: int = 0
    """The epoch of the next batch."""
    batch: int = 0
    """The number of the next batch in its epoch."""
    units: int = 0
    """Units (such as tokens) read."""
    seconds: float = 0.0
    """Time spent training, over all sessions."""

    def advance(self, units: int, batches_per_epoch: int) -> None:
        """One batch of so many units is done."""
        self.step += 1
        self.units += units
        self.batch += 1
        if self.batch == batches_per_epoch:
            self.epoch, self.batch = self.epoch + 1, 0


@dataclass
class Best:
    """The validation with the lowest loss, and a copy of the weights that reached it."""

    loss: float = math.inf
    step: int = 0
    figures: dict[str, float] = field(default_factory=dict[str, float])
    weights: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    waited: int = 0
    """Validations since then."""

    def consider(self, figures: Mapping[str, float], step: int, weights: dict[str, Tensor]) -> None:
        """Keep copies where the loss is lower than ever before."""
        if figures["loss"] < self.loss:
            self.loss, self.step, self.waited = figures["loss"], step, 0
            self.figures = dict(figures)
            self.weights = {name: value.detach().clone() for name, value in weights.items()}
        else:
            self.waited += 1
