"""Training: the solver, what it keeps on disk, and how it shows its progress.

`Solver` trains any `Task` by `TrainSettings`, exactly resumable, alone or as one of several
`Processes`; `Supervised` is the task of any module and criterion; `Run` is a run's directory;
`save_checkpoint` and `load_checkpoint` keep trees of tensors without pickle; the reports (`Lines`,
`JsonLines`, `Live`, `History`, `TensorBoard`, `Several`, `Silent`) show how it goes; `profile` and
`check_finite` look into a model.
"""

from ostinato.train.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from ostinato.train.curves import draw_curves
from ostinato.train.errors import CodeError, LostError, RunError
from ostinato.train.finite import DivergedError, check_finite
from ostinato.train.history import History, Several
from ostinato.train.live import Live
from ostinato.train.processes import Processes, split_first, split_rows
from ostinato.train.profile import Profile, profile
from ostinato.train.report import JsonLines, Lines, Report, Silent
from ostinato.train.run import Run
from ostinato.train.schedule import inverse_decay, linear_decay, stepwise
from ostinato.train.settings import TrainSettings
from ostinato.train.solver import Solver
from ostinato.train.supervised import Supervised
from ostinato.train.task import Task
from ostinato.train.tensorboard import TensorBoard

__all__ = [
    "CheckpointError",
    "CodeError",
    "DivergedError",
    "History",
    "JsonLines",
    "Lines",
    "Live",
    "LostError",
    "Processes",
    "Profile",
    "Report",
    "Run",
    "RunError",
    "Several",
    "Silent",
    "Solver",
    "Supervised",
    "Task",
    "TensorBoard",
    "TrainSettings",
    "check_finite",
    "draw_curves",
    "inverse_decay",
    "linear_decay",
    "load_checkpoint",
    "load_weights",
    "profile",
    "save_checkpoint",
    "split_first",
    "split_rows",
    "stepwise",
]
