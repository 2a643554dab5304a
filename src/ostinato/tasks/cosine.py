"""A cosine, learned from short windows, then continued by the model alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ostinato.data import Batch, BatchSettings, Samples
from ostinato.data.memory import check_memory
from ostinato.data.problems import cosine
from ostinato.data.settings import Settings, setting
from ostinato.errors import ArgumentError
from ostinato.tasks.aim import Regression
from ostinato.tasks.drawing import FAINT, OURS, TRUTH, picture
from ostinato.tasks.model import SequenceModel, SupervisedModelSettings
from ostinato.tasks.problem import Problem
from ostinato.tasks.recipe import Recipe


@dataclass(frozen=True)
class CosineSettings(Settings):
    """The series of C. Bourez' tutorial, by default: 2000 values from cos(0) to cos(200)."""

    num_values: int = setting(2000, "Values of the series.", least=100)
    end: float = setting(200.0, "Time of the last one, in radians.", least=1)
    window: int = setting(
        10, "Values T that the model sees before it says the next.", least=1, bound=100_000
    )
    forecast: int = setting(
        200, "Values that it continues the series by, alone.", least=1, bound=1_000_000
    )
    held_out: float = setting(
        0.2, "Share of the series, its end, that is held out.", least=0.01, below=1
    )


def problem(settings: CosineSettings, source: Path | None, folder: Path) -> Problem:
    """Windows of successive values and the value after each, split by time."""
    taken = 4 * settings.num_values * (settings.window + 1)
    check_memory("num_values", taken, "data")
    values = torch.from_numpy(cosine(settings.num_values, settings.end).values[:, 0]).float()
    border = round((1 - settings.held_out) * len(values))
    if border <= settings.window:
        raise ArgumentError(
            "window",
            wanted=f"fewer than the {border} values to learn from",
            got=str(settings.window),
            remedy="Use more values (`num_values`), or a shorter window.",
        )
    # the first values of the held-out windows end the training part
    parts = values[:border], values[border - settings.window :]
    train, held_out = (_windows(part, settings.window) for part in parts)
    return Problem(
        train,
        held_out,
        Regression(),
        f"{len(train):,} windows of {settings.window} values and {len(held_out):,} later ones",
        report=partial(report, values, border, settings),
    )


def _windows(values: Tensor, size: int) -> Samples:
    windows = values.unfold(0, size + 1, 1).T  # [size + 1, N]
    return Samples.of(Batch(windows[:-1, :, None], windows[-1, :, None]))


@torch.inference_mode()
def continued(model: SequenceModel, begin: Tensor, steps: int) -> Tensor:
    """The values [steps] after ``begin`` [T]; the model sees the last T, in the end its own."""
    model.eval()
    values = begin.to(model.readout.weight)
    for _ in range(steps):
        said = model(values[-len(begin) :, None, None])
        values = torch.cat([values, said[0]])
    return values[len(begin) :].cpu()


def report(
    values: Tensor,
    border: int,
    settings: CosineSettings,
    model: SequenceModel,
    folder: Path | None,
) -> Mapping[str, float]:
    """The errors of a forecast that begins where the held-out part does, and its picture."""
    begin = values[border - settings.window : border]
    ours = continued(model, begin, settings.forecast)
    truth = _after(settings, border)
    if folder is not None:
        _draw(folder / "forecast.png", begin, truth, ours)
    off = ours - truth
    return {
        "forecast_rmse": off.square().mean().sqrt().item(),
        "forecast_largest_error": off.abs().max().item(),
    }


def _after(settings: CosineSettings, border: int) -> Tensor:
    """The true values from the border on, which may go on beyond the series."""
    step = settings.end / (settings.num_values - 1)
    times = (border + torch.arange(settings.forecast, dtype=torch.float64)) * step
    return times.cos().float()


def _draw(path: Path, begin: Tensor, truth: Tensor, ours: Tensor) -> None:
    with picture(path, size=(10, 4)) as axes:
        steps = range(1, len(ours) + 1)
        axes[0][0].plot(range(1 - len(begin), 1), begin, ".", color=FAINT, label="given")
        axes[0][0].plot(steps, truth, color=TRUTH, label="truth")
        axes[0][0].plot(steps, ours, "--", color=OURS, label="forecast, running free")
        axes[0][0].set_xlabel("steps after the last value that is given")
        axes[0][0].legend(frameon=False, loc="upper right")


COS = Recipe(
    "cos",
    "Learn a cosine from windows of 10 values, and continue it alone for 200.",
    CosineSettings(),
    problem,
    SupervisedModelSettings(size=64),
    BatchSettings(batch_size=80),
    {"steps": 2000, "lr": 4e-3, "weight_decay": 0.0, "validate_every": 200, "sample_every": 500},
)
