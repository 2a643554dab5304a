"""Handwritten digits, read row after row or pixel after pixel."""

from __future__ import annotations

from pathlib import Path

from ostinato.data import BatchSettings, ImageSettings
from ostinato.tasks.aim import Classification
from ostinato.tasks.kept_images import kept_images
from ostinato.tasks.model import SupervisedModelSettings
from ostinato.tasks.problem import Problem
from ostinato.tasks.recipe import Recipe


def problem(settings: ImageSettings, source: Path | None, folder: Path) -> Problem:
    """The digits of the package, or MNIST from a folder with its four files."""
    images = kept_images(settings, source, folder)
    count = int(max(images.train.targets.max(), images.held_out.targets.max())) + 1
    labels = tuple(map(str, range(count)))
    return Problem(images.train, images.held_out, Classification(labels), images.summary())


DIGITS = Recipe(
    "digits",
    "Recognise handwritten digits as sequences. Without FOLDER: 1797 digits of 8 x 8 pixels that "
    "come with ostinato.",
    ImageSettings(),
    problem,
    SupervisedModelSettings(size=64, direction="both", dropout=0.4),
    BatchSettings(batch_size=32),
    {"epochs": 40, "lr": 4e-3, "validate_every": 45, "sample_every": 450},
    source="A folder with the four files of MNIST, plain or gzip.",
)
