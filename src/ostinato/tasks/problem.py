"""What a supervised task learns from, and what it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, final

from ostinato.data import Encoding, Samples
from ostinato.tasks.aim import Aim

if TYPE_CHECKING:
    from ostinato.tasks.model import SequenceModel

Report = Callable[["SequenceModel", Path | None], Mapping[str, float]]
"""Further figures of a trained model, and pictures of it in a folder where one is given."""


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """Samples to learn from, others to be judged by, and what is asked.

    ``tokens`` counts the ids that steps are; 0 where steps are numbers. ``encoding`` is how files
    of the user become samples; None where there are none.
    """

    train: Samples
    held_out: Samples
    aim: Aim
    summary: str
    tokens: int = 0
    encoding: Encoding | None = None
    report: Report | None = None

    @property
    def inputs(self) -> int:
        """Numbers in a step; for ids, how many there are."""
        return self.tokens or self.train.steps.shape[1]

    def on(self, samples: Samples) -> Problem:
        """The same problem, to be judged by other samples."""
        return replace(self, held_out=samples, report=None)
