"""A run's directory as the task that it was trained on, whatever that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from ostinato.data import Settings
from ostinato.runs.job import Job, check_task, open_run, section
from ostinato.runs.registry import job_of
from ostinato.train import Run, load_weights
from ostinato.train.randomness import random_state, restore_random_state


@final
@dataclass(frozen=True, eq=False)
class Loaded:
    """A run that is open: its task, the model of it at its best weights, settings and files."""

    task: Any
    """A `TextTask`, `BidirectionalTask`, `SeriesTask`, `Seq2SeqTask` or `SupervisedTask`: its
    data, with `validate`, `sample` and the like."""
    settings: Mapping[str, Settings]
    """The settings by the sections of ``config.json``, such as "model" and "train"."""
    run: Run
    """Its directory: `Run.metrics`, `Run.read_result`, `Run.checkpoints`."""
    job: Job[Any]
    """What the program does with a task of this kind."""

    @property
    def model(self) -> nn.Module:
        """The model, in evaluation mode."""
        return self.task.model

    @property
    def files(self) -> list[Path]:
        """Every file of the run."""
        return sorted(path for path in self.run.folder.rglob("*") if path.is_file())


def load(path: str | PathLike[str], *, allow_code: bool = False) -> Loaded:
    """Open a run of any task: ``load("runs/text-001").model`` has its best weights.

    Args:
        path: the directory of a run, or one of its checkpoint files, for the best weights by then.
        allow_code: let the run import the class of cells that it names, where that is none of
            ostinato or torch: code of whoever made the run. It is never imported from a run.

    Threads and random states are left as they were. Raises RunError where there is no run, and
    where something in it is a link; CodeError for a cell that is code and not allowed;
    CheckpointError and ArgumentError for a run that is damaged.
    """
    return load_run(Path(path), allow_code=allow_code)


def load_run(
    path: Path, *names: str, allow_code: bool = False, **changes: Mapping[str, Any]
) -> Loaded:
    """As `load`, for runs of some tasks only, with other values in some sections of the config.

    Raises RunError for a run of another task than these.
    """
    run, checkpoint = open_run(path, allow_code=allow_code)
    config = run.read_config()
    job = job_of(config, run)
    if names:
        check_task(config, names, run)
    for name, values in changes.items():
        config[name] = {**section(config, name, run), **values}
    with _left_as_it_was():
        task = job.prepare(run, config)
    load_best(task.model, run, checkpoint)
    task.model.eval()
    return Loaded(task, settings_of(job, config, run), run, job)


def settings_of(job: Job[Any], config: Mapping[str, Any], run: Run) -> dict[str, Settings]:
    """The settings of each section of a config that the job knows."""
    known = {name: kind for name, kind in job.defaults.items() if name in config}
    where = str(run.config_path)
    return {n: type(s).from_dict(section(config, n, run), where) for n, s in known.items()}


def load_best(model: nn.Module, run: Run, checkpoint: Path | None) -> None:
    """Give a model the best weights of a run, or as they were at one of its checkpoints.

    Before the first validation there are no best weights, and the checkpoint's own are taken.
    """
    weights = run.load_checkpoint(checkpoint, "best")["weights"]
    weights = weights or run.load_checkpoint(checkpoint, "model")
    load_weights(model, weights, str(checkpoint or run.folder))


@contextmanager
def _left_as_it_was() -> Iterator[None]:
    """Within the block threads and random states may change; afterwards they are as before."""
    threads, chance = torch.get_num_threads(), random_state()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        restore_random_state(chance)
