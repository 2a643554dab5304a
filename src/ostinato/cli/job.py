"""What the program knows of a kind of task: how a run's directory becomes a task again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ostinato.train import Run, RunError, Task, TrainSettings


@dataclass(frozen=True)
class Job:
    """A kind of task."""

    name: str
    build: Callable[[Run, Mapping[str, Any]], Task]
    """The task of a run, from its directory and its config, with new weights."""
    describe: Callable[[Task], str]
    """What is trained, in a few words."""
    conclude: Callable[[Task], tuple[dict[str, Any], str]]
    """The final figures of a trained task, and what to tell of them."""


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
