"""Handwritten digits, looked at piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from ostinato.data import BatchSettings, ImageSettings, Samples
from ostinato.data.memory import check_memory
from ostinato.data.settings import Settings, setting
from ostinato.errors import ArgumentError
from ostinato.tasks.aim import Classification
from ostinato.tasks.attention_pictures import Shown, draw_glimpses, draw_patches
from ostinato.tasks.kept_images import kept_images
from ostinato.tasks.problem import Problem
from ostinato.tasks.recipe import Recipe
from ostinato.tasks.visual_attention import VisualAttention, VisualAttentionSettings

# Held-out images in a picture.
_SHOWN = 10


@dataclass(frozen=True)
class FieldSettings(Settings):
    """Where the digits stand."""

    canvas: int = setting(
        0,
        "Put each digit whole at a random place of an empty field of so many pixels a side; 0 "
        "leaves the images as they are.",
        least=0,
        bound=100_000,
    )
    copies: int = setting(
        1,
        "With --canvas: at how many places each image to learn from is put.",
        least=1,
        bound=10_000,
    )
    data_seed: int = setting(0, "Seed of the places, which --seed leaves alone.", least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.copies > 1 and not self.canvas:
            raise ArgumentError(
                "copies",
                wanted="a field to put copies into",
                got=f"{self.copies}, without a canvas",
                remedy="Give its side too, such as canvas=20.",
            )


def on_canvas(images: Samples, side: int, *, copies: int = 1, seed: int = 0) -> Samples:
    """Images as sequences of rows, each at ``copies`` random places of a field of zeros.

    Source: the "translated MNIST" of Mnih et al. 2014. Raises ArgumentError for a field that is
    smaller than the images.
    """
    height, width = int(images.lengths[0]), images.steps.shape[1]
    if side < max(height, width):
        raise ArgumentError(
            "canvas",
            wanted=f"a field for images of {height} x {width}",
            got=str(side),
            remedy="0 leaves the images as they are.",
        )
    check_memory("canvas", 4 * len(images) * copies * side**2, "data")
    pixels = images.steps.view(-1, height, width).repeat(copies, 1, 1)
    count, draw = len(pixels), torch.Generator().manual_seed(seed)
    tops = torch.randint(side - height + 1, (count, 1), generator=draw)
    lefts = torch.randint(side - width + 1, (count, 1), generator=draw)
    rows, columns = tops + torch.arange(height), lefts + torch.arange(width)
    fields = torch.zeros(count, side, side)
    fields[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]] = pixels
    lengths = torch.full((count,), side)
    return Samples(fields.view(-1, side), lengths, images.targets.repeat(copies))


def problem(settings: FieldSettings, source: Path | None, folder: Path) -> Problem:
    """The digits of the package, or MNIST from a folder with its four files.

    Pixels are 0 where there is no ink, and have the deviation 1 over the images to learn from.
    """
    images = kept_images(ImageSettings(standardise=False), source, folder)
    deviation = images.train.steps.std() + 1e-5
    train, held_out = (
        replace(part, steps=part.steps / deviation) for part in (images.train, images.held_out)
    )
    if settings.canvas:
        seed = settings.data_seed
        train = on_canvas(train, settings.canvas, copies=settings.copies, seed=seed)
        held_out = on_canvas(held_out, settings.canvas, seed=seed + 1)
    count = int(max(train.targets.max(), held_out.targets.max())) + 1
    height, width = side(train)
    return Problem(
        train,
        held_out,
        Classification(tuple(map(str, range(count)))),
        f"{len(train):,} images and {len(held_out):,} held out, {height} x {width}",
        report=partial(report, held_out),
        loss=VisualAttention.loss,
    )


def network(problem: Problem, settings: VisualAttentionSettings) -> VisualAttention:
    """A network for the images of a problem, with new weights."""
    return VisualAttention(side(problem.train), problem.aim.outputs, settings)


def side(images: Samples) -> tuple[int, int]:
    """(height, width) of images as sequences of their rows."""
    return int(images.lengths[0]), images.steps.shape[1]


@torch.inference_mode()
def report(images: Samples, model: VisualAttention, folder: Path | None) -> Mapping[str, float]:
    """Pictures of where the network looked at the first held-out images, and of what it saw."""
    if folder is None:
        return {}
    model.eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        batch = images[:_SHOWN].take(torch.arange(min(_SHOWN, len(images))))
        shown = Shown.of(model, batch.to(model.baseline.device))
    draw_glimpses(folder / "glimpses.png", shown)
    draw_patches(folder / "patches.png", shown)
    return {}


ATTENTION = Recipe(
    "attention",
    "Recognise handwritten digits by looking at parts of them, at places that the network decides "
    "itself: recurrent visual attention (RAM). Without FOLDER: 1797 digits of 8 x 8 pixels that "
    "come with ostinato.\n\nThe defaults fit them. For a field: --canvas 20 --copies 4 --patch 6 "
    "--depth 3. Pictures of each look are glimpses.png and patches.png.",
    FieldSettings(),
    problem,
    VisualAttentionSettings(),
    BatchSettings(batch_size=128),
    {"epochs": 60, "lr": 4e-3, "validate_every": 60, "sample_every": 360},
    source="A folder with the four files of MNIST, plain or gzip.",
    make=network,
)
