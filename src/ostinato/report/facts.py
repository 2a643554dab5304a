"""What a page tells that is not in the run's directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from ostinato.conclusion import Conclusion
from ostinato.data.settings import Settings
from ostinato.report.activations import Activations
from ostinato.train import Solver


@dataclass(frozen=True, eq=False)
class Facts:
    """A run as the program knows it while it has its task in hand."""

    model: str
    """The model in words."""
    curve: tuple[str, str]
    """The figure of the curves, a key of the metrics, and its name."""
    step: int
    """Steps done."""
    total_steps: int
    """Steps of the whole run."""
    seconds: float
    """Time spent training."""
    best_step: int = 0
    """The step of the best weights; 0 before the first validation."""
    best_figures: Mapping[str, float] = field(default_factory=dict[str, float])
    """What that validation said."""
    finished: bool = True
    """Whether training has come to its end, which may be early."""
    conclusion: Conclusion | None = None
    """The final figures, where there are any yet; "confusion" and "labels" make a shaded table."""
    activations: Activations | None = None
    defaults: Mapping[str, Settings] = field(default_factory=dict[str, Settings])
    """The settings that each section of the config has by default."""
    go_on: Sequence[tuple[str, str]] = ()
    """What one may do now, and the command for it."""

    @classmethod
    def of(cls, solver: Solver, model: str, **more: Any) -> Self:
        """What a solver knows of its run, by now; ``more`` are the other attributes."""
        return cls(
            model,
            solver.task.curve,
            solver.progress.step,
            solver.total_steps,
            solver.progress.seconds,
            solver.best.step,
            solver.best.figures,
            solver.finished,
            **more,
        )
