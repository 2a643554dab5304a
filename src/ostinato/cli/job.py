"""What the program knows of a kind of task: how a run's directory becomes a task again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from ostinato.cli.code import allow_code
from ostinato.data import ReadSettings, Settings
from ostinato.report import Activations
from ostinato.train import Run, RunError, Task, TrainSettings, load_weights
from ostinato.train.randomness import seed_everything

Made = TypeVar("Made", bound=Task)
Judged = tuple[dict[str, Any], str]
"""Figures, and what to tell of them."""


@dataclass(frozen=True)
class Reading:
    """How a run is measured, and how the files are read that it is measured on."""

    columns: int = 1
    pictures: Path | None = None
    stochastic: bool = False
    files: ReadSettings = field(default_factory=ReadSettings)
    places: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Job:
    """A kind of task."""

    name: str
    build: Callable[[Run, Mapping[str, Any]], Task]
    """The task of a run, from its directory and its config, with new weights."""
    describe: Callable[[Task], str]
    """What is trained, in a few words."""
    conclude: Callable[[Task], Judged]
    """The final figures of a trained task, and what to tell of them."""
    evaluate: Callable[[Run, Path | None, Sequence[Path], Reading], Judged] | None = None
    """The figures of the best weights in a run, or in one of its checkpoints, on files or, without
    any, on what is held out, and what to tell of them; None where there is nothing to measure."""
    explain: Callable[[Task], str] | None = None
    """Which backend runs what of the model, on a batch of its data."""
    drawn: Callable[[Task], tuple[nn.Module, Any]] | None = None
    """What a picture of the model shows, and an example for it, as `ostinato.draw` takes them."""
    use: str = "ostinato evaluate {run}"
    """The command to be told at the end of a training."""
    options: tuple[str, ...] = ()
    """What `evaluate` takes for this task of ``pictures`` and ``stochastic``, which few have."""
    reads: Collection[str] = ()
    """Which of the flags about files and columns `evaluate` takes for this task."""
    activations: Callable[[Task], Activations] | None = None
    """What the hidden units do over a held-out sequence, for the page of a run."""
    defaults: Mapping[str, Settings] = field(default_factory=dict[str, Settings])
    """The settings that each section of a config has by default."""


def set_up(settings: TrainSettings) -> None:
    """Seed chance and set the threads, before the first weights are drawn.

    They depend on both: an orthogonal matrix has other last digits with another number of threads.
    """
    # a step of a small model is shorter than what two threads wait for each other on a busy machine
    torch.set_num_threads(settings.threads)
    seed_everything(settings.seed)


def train_settings(config: Mapping[str, Any], run: Run) -> TrainSettings:
    """The training section of a config."""
    return TrainSettings.from_dict(section(config, "train", run), str(run.config_path))


def section(config: Mapping[str, Any], name: str, run: Run) -> dict[str, Any]:
    """A section of a config. Raises RunError where it is not there."""
    value = config.get(name)
    if isinstance(value, dict):
        return value
    raise RunError(
        str(run.config_path), wanted=f"a section {name!r}", got=f"sections {', '.join(config)}"
    )


def open_run(path: Path) -> tuple[Run, Path | None]:
    """The run at a directory or of a checkpoint file, and that file."""
    run = Run.open(path, allow_code=allow_code())
    return run, path if path.suffix == ".safetensors" else None


def use_of(run: Run, job: Job) -> str:
    """The command to be told at the end of a training."""
    return job.use.format(run=shlex.quote(str(run.folder))) + run.code_flag


def check_task(config: Mapping[str, Any], names: Collection[str], run: Run) -> None:
    """Raise RunError for a run of another task than these."""
    task = config.get("task")
    if task not in names:
        raise RunError(
            str(run.folder),
            wanted=f"a run of {' or '.join(names)}",
            got=f"one of {task}",
            remedy=f"What it is good for: {run.command('evaluate')}",
        )


def load_task(
    path: Path, names: Collection[str], build: Callable[[Run, dict[str, Any]], Made]
) -> Made:
    """The task of a run, or as it was at one of its checkpoints, with its best weights.

    Raises RunError for a run of another task than these.
    """
    run, checkpoint = open_run(path)
    config = run.read_config()
    check_task(config, names, run)
    task = build(run, config)
    load_best(task.model, run, checkpoint)
    task.model.eval()
    return task


def load_best(model: nn.Module, run: Run, checkpoint: Path | None) -> None:
    """Give a model the best weights of a run, or as they were at one of its checkpoints.

    Before the first validation there are no best weights, and the checkpoint's own are taken.
    """
    weights = run.load_checkpoint(checkpoint, "best")["weights"]
    weights = weights or run.load_checkpoint(checkpoint, "model")
    load_weights(model, weights, str(checkpoint or run.folder))
