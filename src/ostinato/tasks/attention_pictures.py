"""Where a network looked at images, and what it saw: a row for each image, a column for each look.

Source: the pictures of ``evaluate-rva.lua`` of Torch rnn, which made a file for each look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import torch
from torch import Tensor

from ostinato.attention.glimpse import first
from ostinato.data import Batch
from ostinato.tasks.drawing import COLOURS, FAINT, TRUTH, picture
from ostinato.tasks.visual_attention import VisualAttention, patches

# In sides of an image: the room between two of them, and between the patches of one look.
_ROOM, _NEAR = 0.16, 0.06
_INCHES = 0.95
_WRONG = "#b91c1c"


@final
@dataclass(frozen=True, eq=False)
class Shown:
    """Images [N, H, W] and what a network made of them.

    Its looks took boxes [T, N, depth, 3], (top, left, side) in pixels, as patches
    [T, N, depth, patch, patch]; it said a class of each image, with a probability.
    """

    images: Tensor
    boxes: Tensor
    patches: Tensor
    truth: list[int]
    said: list[int]
    probability: list[float]

    @classmethod
    def of(cls, model: VisualAttention, batch: Batch) -> Self:
        """What a network makes of a batch."""
        scores, places, _ = model.look(batch.xs)
        images = batch.xs.transpose(0, 1)
        seen = [patches(images[:, None], place, model.settings) for place in places]
        probability, said = scores.softmax(-1).max(-1)
        return cls(
            images.cpu(),
            _boxes(model, places).cpu(),
            torch.stack(seen).cpu(),
            batch.targets.tolist(),
            said.tolist(),
            probability.tolist(),
        )


def _boxes(model: VisualAttention, places: Tensor) -> Tensor:
    (height, width), made = model.side, model.settings
    levels: list[Tensor] = []
    for level in range(made.depth):
        side = made.patch * made.scale**level
        top, left = first(places[..., 0], height, side), first(places[..., 1], width, side)
        levels.append(torch.stack([top, left, torch.full_like(top, side)], dim=-1))
    return torch.stack(levels, dim=2)


def draw_glimpses(path: Path, shown: Shown) -> None:
    """Each image with the way from look to look, then with the boxes of each look."""
    looks, most = len(shown.boxes), shown.images.max().item()
    heads = {0.0: "the way", **{(1 + t) * (1 + _ROOM): f"look {t + 1}" for t in range(looks)}}
    with _table(path, shown, heads, (1 + looks) * (1 + _ROOM)) as (axes, tops):
        for row, (top, image) in enumerate(zip(tops, shown.images, strict=True)):
            _image(axes, top, 0.0, image, most)
            _way(axes, top, shown.boxes[:, row, 0] / max(image.shape))
            for left, boxes in zip(list(heads)[1:], shown.boxes[:, row], strict=True):
                _image(axes, top, left, image, most)
                for level, box in reversed(list(enumerate(boxes))):
                    _box(axes, top, left, box / max(image.shape), level, image)


def draw_patches(path: Path, shown: Shown) -> None:
    """Each image, then the patches of each look side by side, the finest first."""
    (looks, _, depth), most = shown.patches.shape[:3], shown.images.max().item()
    wide = depth * (1 + _NEAR) + _ROOM
    heads = {0.0: "image", **{1 + _ROOM + t * wide: f"look {t + 1}" for t in range(looks)}}
    with _table(path, shown, heads, 1 + _ROOM + looks * wide) as (axes, tops):
        for row, (top, image) in enumerate(zip(tops, shown.images, strict=True)):
            _image(axes, top, 0.0, image, most)
            for left, seen in zip(list(heads)[1:], shown.patches[:, row], strict=True):
                for level, patch in enumerate(seen):
                    at = left + level * (1 + _NEAR)
                    _image(axes, top, at, patch, most, COLOURS[level % len(COLOURS)])


@contextmanager
def _table(
    path: Path, shown: Shown, heads: dict[float, str], width: float
) -> Iterator[tuple[Any, Sequence[float]]]:
    """Axes in sides of an image, with heads over the columns and words left of the rows."""
    tops = [row * (1 + _ROOM) for row in range(len(shown.images))]
    height = len(tops) * (1 + _ROOM)
    size = (_INCHES * (width + 1.3), _INCHES * (height + 0.4))
    with picture(path, size=size) as [[axes]]:
        for left, head in heads.items():
            axes.text(left, -0.1, head, fontsize=10, color=TRUTH)
        rows = zip(tops, shown.truth, shown.said, shown.probability, strict=True)
        for top, truth, said, probability in rows:
            words = f"truth {truth}\nsaid {said}\n{probability:.0%}"
            colour = TRUTH if said == truth else _WRONG
            axes.text(-0.15, top + 0.5, words, ha="right", va="center", fontsize=10, color=colour)
        yield axes, tops
        # after the images, each of which sets the limits to its own
        axes.set(xlim=(-1.1, width), ylim=(height, -0.4), aspect="equal")
        axes.axis("off")


def _image(
    axes: Any, top: float, left: float, image: Tensor, most: float, colour: str = FAINT
) -> None:
    """An image in a frame, its longer side 1; ink of ``most`` is black."""
    height, width = (length / max(image.shape) for length in image.shape)
    where = (left, left + width, top + height, top)
    axes.imshow(image.numpy(), cmap="Greys", vmin=0, vmax=most, extent=where)
    _rectangle(axes, (top, left, height, width), colour, 1)


def _way(axes: Any, top: float, boxes: Tensor) -> None:
    """A line through the middles of boxes [T, 3], from the hollow point to the full one."""
    y, x = (top + boxes[:, 0] + boxes[:, 2] / 2).tolist(), (boxes[:, 1] + boxes[:, 2] / 2).tolist()
    axes.plot(x, y, "-", color=COLOURS[0], linewidth=1.2)
    axes.plot(x[0], y[0], "o", color=COLOURS[0], markerfacecolor="white", markersize=5)
    axes.plot(x[-1], y[-1], "o", color=COLOURS[0], markersize=5)


def _box(axes: Any, top: float, left: float, box: Tensor, level: int, image: Tensor) -> None:
    """The part of a box (top, left, side) that is in the image."""
    height, width = (length / max(image.shape) for length in image.shape)
    y, x, side = box.tolist()
    low, high = max(0, y), min(height, y + side)
    near, far = max(0, x), min(width, x + side)
    colour = COLOURS[level % len(COLOURS)]
    _rectangle(axes, (top + low, left + near, high - low, far - near), colour, 1.8)


def _rectangle(
    axes: Any, where: tuple[float, float, float, float], colour: str, linewidth: float
) -> None:
    """A frame at (top, left, height, width)."""
    top, left, height, width = where
    x, y = (
        [left, left + width, left + width, left, left],
        [top, top, top + height, top + height, top],
    )
    axes.plot(x, y, color=colour, linewidth=linewidth, solid_joinstyle="miter", clip_on=False)
