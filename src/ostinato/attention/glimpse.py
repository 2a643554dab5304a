"""Looking at a part of an image, sharp in the middle and coarse around it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato import _tree
from ostinato.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from ostinato.typing import is_whole

# Pixels of a side, and patches round one place, beyond which there is no sense but much memory.
_MOST, _DEPTH = 10_000, 32


def glimpse(
    images: Tensor,
    locations: Tensor,
    size: int | tuple[int, int],
    *,
    depth: int = 1,
    scale: int = 2,
) -> Tensor:
    """Patches of images [B, C, H, W] round locations [B, 2], as [B, depth * C, h, w].

    A location is **(y, x)** from (-1, -1), the top left corner, to (1, 1), the bottom right one;
    beyond that it is clamped. ``size`` is the (h, w) of a patch in pixels, or one number for
    both. There are ``depth`` patches round one location, the first of ``size``, each of the others
    ``scale`` times as wide and high as the one before and averaged down to ``size``. What lies
    outside of the image is 0. Exact gradients reach the images; the locations, which are rounded
    to pixels, have none.

    Mnih et al. 2014; Torch dpnn's ``SpatialGlimpse`` (which resamples where scale is not 2). Raises
    ShapeError for tensors of another form, ArgumentError for numbers below 1.
    """
    check_tensors(images, locations)
    height, width = size if isinstance(size, tuple) and len(size) == 2 else (size, size)
    named = (("size", height), ("size", width), ("depth", depth), ("scale", scale))
    for argument, number in named:
        most = _DEPTH if argument == "depth" else _MOST
        if not is_whole(number) or not 1 <= number <= most:
            raise ArgumentError(
                argument,
                wanted="whole numbers of at least 1, and no giants",
                got=repr(number),
                remedy="Sizes are in pixels.",
            )
    if (widest := max(height, width) * scale ** (depth - 1)) > _MOST:
        raise ArgumentError(
            "depth",
            wanted=f"patches of at most {_MOST:,} pixels a side",
            got=f"{widest:,} for the widest of {depth}",
            remedy="Use fewer patches, or a smaller scale.",
        )
    patches = []
    for zoom in (scale**level for level in range(depth)):
        patch = crop(images, locations, height * zoom, width * zoom)
        patches.append(F.avg_pool2d(patch, zoom) if zoom > 1 else patch)
    return torch.cat(patches, dim=1)


def crop(images: Tensor, locations: Tensor, height: int, width: int) -> Tensor:
    """Patches [B, C, height, width] round (y, x), with zeros outside of the image."""
    above, below = margins(images.shape[2], height)
    left, right = margins(images.shape[3], width)
    padded = F.pad(images, (left, right, above, below))
    pixels = torch.arange(max(height, width), device=images.device)
    rows = above + first(locations[:, 0, None], images.shape[2], height) + pixels[:height]
    columns = left + first(locations[:, 1, None], images.shape[3], width) + pixels[:width]
    batch = torch.arange(images.shape[0], device=images.device)[:, None, None]
    # the two index tensors round the slice of the channels send these to the end
    return padded[batch, :, rows[:, :, None], columns[:, None, :]].movedim(3, 1)


def margins(length: int, size: int) -> tuple[int, int]:
    """The zeros before and after an image, in one dimension, so that patches fit at its borders."""
    before = (size - 1) // 2
    # a patch of an even size is a pixel wider than what lies round an image of one pixel
    return before, max(before, size - before - length)


def first(location: Tensor, length: int, size: int) -> Tensor:
    """The first pixel [...] of the patch round a location [...] from -1 to 1, in one dimension.

    It is one of the image of ``length`` pixels, or below 0 in the zeros before it.
    """
    before, after = margins(length, size)
    room = before + length + after - size
    return ((location.detach() + 1) / 2 * room).clamp(0, room).floor().long() - before


def check_tensors(images: Tensor, locations: Tensor) -> None:
    """Raise where the tensors are no images [B, C, H, W] and locations [B, 2] of numbers."""
    for argument, given in (("images", images), ("locations", locations)):
        if not _tree.tensor(argument, given).is_floating_point():
            raise DtypeError(
                argument,
                wanted="floating point",
                got=str(given.dtype),
                remedy="Use .float().",
            )
    if images.device != locations.device:
        raise DeviceError(
            "locations",
            wanted=f"a tensor on {images.device}, where the images are",
            got=str(locations.device),
            remedy="Move one of them with .to(device).",
        )
    if images.dim() != 4 or 0 in images.shape[1:]:
        raise ShapeError(
            "images",
            wanted="[B, C, H, W]",
            got=str(list(images.shape)),
            remedy="Add a dimension for the channels or the batch.",
        )
    if tuple(locations.shape) != (images.shape[0], 2):
        raise ShapeError(
            "locations",
            wanted=f"[{len(images)}, 2], (y, x) of each image",
            got=str(list(locations.shape)),
            remedy="One location for each image.",
        )
    # elsewhere looking would wait for the device
    if locations.device.type == "cpu" and locations.isnan().any():
        raise ArgumentError(
            "locations", wanted="numbers", got="NaN", remedy="Look after what gives the places."
        )
