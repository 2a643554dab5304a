"""The adding problem: two of many numbers are marked; say their sum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ostinato.data import BatchSettings, Samples
from ostinato.data.memory import within_memory
from ostinato.data.problems import adding
from ostinato.data.settings import setting
from ostinato.tasks.aim import Regression
from ostinato.tasks.model import SupervisedModelSettings
from ostinato.tasks.problem import Problem
from ostinato.tasks.recipe import DrawnSettings, Recipe


@dataclass(frozen=True)
class AddingSettings(DrawnSettings):
    """The problem of MinPy's tutorial, by default."""

    num_steps: int = setting(30, "Numbers T in a sequence.", least=2)
    high: float = setting(1.0, "Numbers are uniform between 0 and this.", least=0)


@within_memory("num_train", "data")
def problem(settings: AddingSettings, source: Path | None, folder: Path) -> Problem:
    """Always saying the mean leaves high² / 6: 0.1667 (0.1767 in MinPy's figure)."""
    drawn = adding(settings.count, settings.num_steps, high=settings.high, seed=settings.data_seed)
    samples, border = Samples.of(drawn), settings.num_train
    return Problem(
        samples[:border],
        samples[border:],
        Regression(),
        f"{border:,} sequences of {settings.num_steps} numbers and {settings.num_held_out:,} held "
        "out",
    )


ADDING = Recipe(
    "adding",
    "Add two marked numbers among many (Hochreiter and Schmidhuber 1997): a memory over T steps.",
    AddingSettings(),
    problem,
    SupervisedModelSettings(size=100),
    BatchSettings(batch_size=100),
    {"epochs": 15, "lr": 5e-3, "weight_decay": 0.0, "validate_every": 50, "sample_every": 500},
)
