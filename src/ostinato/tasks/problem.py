"""What a supervised task learns from, and what it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

from torch import Tensor

from ostinato.data import Batch, Encoding, Samples
from ostinato.tasks.aim import Aim

Report = Callable[[Any, Path | None], Mapping[str, float]]
"""Further figures of a trained model, and pictures of it in a folder where one is given."""

Loss = Callable[[Any, Batch], Tensor]
"""What to make small, a scalar, for a model and a batch."""


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """Samples to learn from, others to be judged by, and what is asked.

    ``tokens`` counts the ids that steps are; 0 where steps are numbers. ``encoding`` is how files
    of the user become samples; None where there are none. ``read`` and ``said`` are what was
    decided about a file when it was read, as settings and in words. ``loss`` is what training makes
    small where that is more than the aim's loss of the outputs. ``remarks`` tells what a reader of
    the figures should know of the data.
    """

    train: Samples
    held_out: Samples
    aim: Aim
    summary: str
    tokens: int = 0
    encoding: Encoding | None = None
    read: Mapping[str, Any] = field(default_factory=dict[str, Any])
    said: Sequence[str] = ()
    report: Report | None = None
    loss: Loss | None = None
    remarks: Callable[[], Sequence[str]] = tuple

    @property
    def inputs(self) -> int:
        """Numbers in a step; for ids, how many there are."""
        return self.tokens or self.train.steps.shape[1]

    def on(self, samples: Samples) -> Problem:
        """The same problem, to be judged by other samples."""
        return replace(self, held_out=samples, report=None, remarks=tuple)
