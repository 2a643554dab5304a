"""A task as the command line knows it: its data, and settings that lead to a good result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from torch import nn

from ostinato.data import BatchSettings
from ostinato.data.settings import Settings, setting
from ostinato.tasks.model import CellSettings, SupervisedModelSettings, sequence_model
from ostinato.tasks.problem import Problem


@dataclass(frozen=True)
class DrawnSettings(Settings):
    """How many problems a formula is asked for."""

    num_train: int = setting(10_000, "Sequences to learn from.", least=1, bound=100_000_000)
    num_held_out: int = setting(1000, "Sequences that are held out.", least=1, bound=100_000_000)
    data_seed: int = setting(0, "Seed of the data, which --seed leaves alone.", least=0)

    @property
    def count(self) -> int:
        """All of them."""
        return self.num_train + self.num_held_out


@final
@dataclass(frozen=True)
class Recipe:
    """A task by name.

    The values of ``data``, ``model`` and ``batches`` are the task's defaults; ``training`` has
    those settings of training that differ from the usual. ``problem(data, source, folder)`` makes
    the problem: ``source`` is the user's file, None without one; what is read from it may be kept
    in ``folder``, the run's, where a later call finds it.
    """

    name: str
    summary: str
    """Its help: what is learned, and a sentence on how."""
    data: Settings
    problem: Callable[[Any, Path | None, Path], Problem]
    model: CellSettings = field(default_factory=SupervisedModelSettings)
    batches: BatchSettings = field(default_factory=BatchSettings)
    training: Mapping[str, Any] = field(default_factory=dict[str, Any])
    source: str = ""
    """What a file or folder of the user is for; empty where the task takes none."""
    reads_columns: bool = False
    """Whether the settings of data are about that file, and mean nothing without it."""
    make: Callable[[Problem, Any], nn.Module] = sequence_model
    """The model of a problem by its settings, with new weights."""
