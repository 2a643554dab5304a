"""What is known of a kind of task: how a run's directory becomes a task again, and what then."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from ostinato._stages import stage
from ostinato.conclusion import Conclusion
from ostinato.data import ReadSettings, Settings
from ostinato.export.bundle import Bundle
from ostinato.report import Activations
from ostinato.train import Run, RunError, Task, TrainSettings
from ostinato.train.randomness import seed_everything

T = TypeVar("T", bound=Task)


@dataclass(frozen=True)
class Reading:
    """How a run is measured, and how the files are read that it is measured on."""

    columns: int | None = None
    pictures: Path | None = None
    files: ReadSettings = field(default_factory=ReadSettings)
    places: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Job(Generic[T]):
    """A kind of task. To add one: a module beside this one, and a line in `registry`."""

    name: str
    build: Callable[[Run, Mapping[str, Any]], T]
    """The task of a run, from its directory and its config, with new weights."""
    describe: Callable[[T], str]
    """What is trained, in a few words."""
    conclude: Callable[[T, Path | None], Conclusion]
    """What is found of a trained task on what is held out; pictures go to the folder, if any."""
    evaluate: Callable[[T, Run, Sequence[Path], Reading], Conclusion] | None = None
    """What is found of a trained task of a run on files or, without any, on what is held out; None
    where there is nothing to measure."""
    explain: Callable[[T], str] | None = None
    """Which backend runs what of the model, on a batch of its data."""
    drawn: Callable[[T], tuple[nn.Module, Any]] | None = None
    """What a picture of the model shows, and an example for it, as `ostinato.draw` takes them."""
    use: str = "ostinato evaluate {run}"
    """The command to be told at the end of a training."""
    options: tuple[str, ...] = ()
    """What `evaluate` takes for this task of ``pictures`` and ``stochastic``, which few have."""
    reads: Collection[str] = ()
    """Which of the settings of files and columns `evaluate` takes for this task."""
    activations: Callable[[T], Activations] | None = None
    """What the hidden units do over a held-out sequence, for the page of a run."""
    exported: Callable[..., Bundle] | None = None
    """What ``ostinato export`` writes of a task; called with ``stream``, whether of one step."""
    defaults: Mapping[str, Settings] = field(default_factory=dict[str, Settings])
    """The settings that each section of a config has by default."""

    def prepare(self, run: Run, config: Mapping[str, Any]) -> T:
        """What `build` gives, which may take long."""
        with stage(f"preparing {run.folder}"):
            return self.build(run, config)


def set_up(settings: TrainSettings) -> None:
    """Seed chance and set the threads, before the first weights are drawn.

    They depend on both: an orthogonal matrix has other last digits with another number of threads.
    """
    torch.set_num_threads(settings.threads if isinstance(settings.threads, int) else 1)
    seed_everything(settings.seed)


WORK = 1e9
"""Operations of a step on numbers that keep one thread busy for longer than threads wait for each
other: some ten milliseconds."""


def settle_threads(settings: TrainSettings, task: Task) -> TrainSettings:
    """The settings with a number of threads, which then are torch's.

    ``auto`` becomes as many as are of use: one for every `WORK` of a training step, up to the
    cores that this process has.
    """
    if not isinstance(settings.threads, int):
        cores = num_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        number = max(1, min(cores, int(work_of(task) / WORK)))
        settings = settings.replace(threads=number)
    assert isinstance(settings.threads, int)
    torch.set_num_threads(settings.threads)
    return settings


def work_of(task: Task) -> float:
    """Operations of a training step: each number of a matrix is used six times for each unit."""
    tables = (nn.Embedding, nn.EmbeddingBag)
    read = {id(p) for m in task.model.modules() if isinstance(m, tables) for p in m.parameters()}
    matrices = (p for p in task.model.parameters() if p.dim() > 1 and id(p) not in read)
    return 6.0 * task.batch_units * sum(p.numel() for p in matrices)


def num_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def open_run(path: Path, *, allow_code: bool = False) -> tuple[Run, Path | None]:
    """The run at a directory or of a checkpoint file, and that file; see `Run.open`."""
    return Run.open(path, allow_code=allow_code), checkpoint_at(path)


def checkpoint_at(path: Path) -> Path | None:
    """The path of a checkpoint file; None for that of a run."""
    return path if path.suffix == ".safetensors" else None


def use_of(run: Run, job: Job[Any]) -> str:
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
