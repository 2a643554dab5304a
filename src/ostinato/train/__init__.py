"""Training: the solver, what it keeps on disk, and how it shows its progress.

`Solver` trains any `Task` by `TrainSettings`, exactly resumable; `Run` is a run's directory;
`save_checkpoint` and `load_checkpoint` keep trees of tensors without pickle; the reports (`Lines`,
`JsonLines`, `Live`, `Silent`) show how it goes.
"""

from ostinato.train.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from ostinato.train.curves import draw_curves
from ostinato.train.journal import DivergedError
from ostinato.train.live import Live
from ostinato.train.report import JsonLines, Lines, Report, Silent
from ostinato.train.run import Run, RunError
from ostinato.train.settings import TrainSettings
from ostinato.train.solver import Solver
from ostinato.train.task import Task

__all__ = [
    "CheckpointError",
    "DivergedError",
    "JsonLines",
    "Lines",
    "Live",
    "Report",
    "Run",
    "RunError",
    "Silent",
    "Solver",
    "Task",
    "TrainSettings",
    "draw_curves",
    "load_checkpoint",
    "load_weights",
    "save_checkpoint",
]
