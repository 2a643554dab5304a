"""The toy of the Torch tutorial: where on a curve were these noisy values read?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ostinato.data import BatchSettings, Samples
from ostinato.data.memory import within_memory
from ostinato.data.problems import (
    inverse_direct,
    inverse_fixed,
    inverse_grid,
    inverse_variable,
)
from ostinato.data.settings import setting
from ostinato.tasks.aim import Regression
from ostinato.tasks.drawing import COLOURS, TRUTH, picture
from ostinato.tasks.model import SequenceModel, SupervisedModelSettings
from ostinato.tasks.problem import Problem
from ostinato.tasks.recipe import DrawnSettings, Recipe
from ostinato.tasks.supervised import predict
from ostinato.tasks.toy_pictures import draw_problem

KINDS = {"fixed": inverse_fixed, "variable": inverse_variable, "direct": inverse_direct}


@dataclass(frozen=True)
class ToySettings(DrawnSettings):
    """The published data by default: 200 000 rows, the last 30 % of them held out."""

    kind: str = setting(
        "fixed",
        "Three values in each row; two to four (variable); or two to four, each of which is to be "
        "placed (direct).",
        choices=tuple(KINDS),
    )
    noise: float = setting(0.1, "Standard deviation of the noise on each value.", least=0)
    num_train: int = setting(140_000, "Rows to learn from.", least=1, bound=100_000_000)
    num_held_out: int = setting(60_000, "Rows that are held out.", least=1, bound=100_000_000)
    data_seed: int = setting(1, "Seed of the data, which --seed leaves alone.", least=0)


@within_memory("num_train", "data")
def problem(settings: ToySettings, source: Path | None, folder: Path) -> Problem:
    """Values are brought to mean 0 and deviation 1 by one pair of numbers, places are not."""
    drawn = KINDS[settings.kind](settings.count, noise=settings.noise, seed=settings.data_seed)
    samples, border = Samples.of(drawn), settings.num_train
    train, held_out = samples[:border], samples[border:]
    mean, deviation = train.steps.mean(), train.steps.std()
    grid = Samples.of(inverse_grid())
    if train.per_step:
        places = grid.targets - torch.arange(3)  # row after row
        grid = Samples(grid.steps, grid.lengths, places.view(-1, 1), per_step=True)
    train, held_out, scaled = (
        replace(part, steps=(part.steps - mean) / deviation) for part in (train, held_out, grid)
    )
    return Problem(
        train,
        held_out,
        Regression(),
        f"{settings.kind}: {border:,} rows and {settings.num_held_out:,} held out, noise "
        f"{settings.noise:g}",
        report=partial(report, scaled, settings),
    )


def report(
    grid: Samples, settings: ToySettings, model: SequenceModel, folder: Path | None
) -> Mapping[str, float]:
    """The error on a grid of values without noise; pictures of it and of the problem, and a CSV."""
    outputs = predict(model, grid)
    if folder is not None:
        draw_grid(folder / "predictions.png", grid, outputs)
        write_grid(folder / "predictions.csv", grid, outputs)
        draw_problem(folder / "problem.png", noise=settings.noise)
    return {"error_without_noise": (outputs - grid.targets).square().mean().item()}


def draw_grid(path: Path, grid: Samples, outputs: torch.Tensor) -> None:
    """Predicted places over the true ones; a curve for each step where each has one."""
    steps = len(outputs) // len(grid)
    places, ours = grid.targets.view(-1, steps), outputs.view(-1, steps)
    with picture(path, size=(7, 5)) as axes:
        axes[0][0].axline((0, 0), slope=1, color=TRUTH, linewidth=1, label="truth")
        for step in range(steps):
            name = "model" if steps == 1 else f"value {step + 1}"
            axes[0][0].plot(places[:, step], ours[:, step], color=COLOURS[step], label=name)
        axes[0][0].set_xlabel("z, where the values were read")
        axes[0][0].set_ylabel("z, as the model says")
        axes[0][0].legend(frameon=False)


def write_grid(path: Path, grid: Samples, outputs: torch.Tensor) -> None:
    """The truth and the prediction in a line each."""
    rows: Any = torch.cat([grid.targets, outputs], dim=1).numpy()
    np.savetxt(path, rows, fmt="%.6g", delimiter=",", header="z,predicted", comments="")


TOY = Recipe(
    "toy",
    "Find the place on a curve from a few noisy values (the toy of lstm-play).\n\nThe "
    "defaults are the published ones of its RNN; those of its LSTM are: --cell lstm --size 16 "
    "--batch-size 32 --lr 0.2 --epochs 5.",
    ToySettings(),
    problem,
    SupervisedModelSettings(cell="elman", size=26, init="torch", biases=1),
    BatchSettings(batch_size=20, last="drop"),
    {
        "epochs": 20,
        "optimiser": "sgd",
        "lr": 0.02,
        "momentum": 0.0,
        "schedule": "constant",
        "warm_up": 0.0,
        "weight_decay": 0.0,
        "clip": 0.0,
        "validate_every": 3500,
        "sample_every": 35_000,
        "log_every": 100,
    },
)
