"""Images as sequences: rows, or runs of pixels, from files in the layout of MNIST."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, final

import numpy as np
import torch

from ostinato.data.files import existing_file
from ostinato.data.memory import check_memory
from ostinato.data.samples import Samples
from ostinato.data.settings import Settings, setting
from ostinato.errors import ArgumentError

_PARTS = ("train", "t10k")
# The third byte of an idx file says what its numbers are; they stand with the high byte first.
# It has at most so many sizes here; NumPy holds 64.
_MOST_SIZES = 8
_KINDS = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@dataclass(frozen=True)
class ImageSettings(Settings):
    """How an image is read step by step."""

    pixels: int = setting(0, "Pixels in a step, along the rows; 0 takes a whole row.", least=0)
    standardise: bool = setting(
        True, "Bring each pixel to mean 0 and deviation 1 over the training images."
    )


@final
@dataclass(frozen=True, eq=False)
class Images:
    """Images as sequences xs [T, N, pixels] with the class of each; ``side`` is (height, width).

    ``mean`` and ``deviation`` [height * width] are those of the training images: a pixel is
    (value - mean) / (deviation + 1e-5), or value / its largest without ``standardise``.
    """

    train: Samples
    held_out: Samples
    side: tuple[int, int]
    mean: np.ndarray
    deviation: np.ndarray

    def summary(self) -> str:
        """The sizes in words."""
        steps, pixels = int(self.train.lengths[0]), self.train.steps.shape[1]
        height, width = self.side
        return (
            f"{len(self.train):,} images and {len(self.held_out):,} held out, "
            f"{height} x {width} as {steps} steps of {pixels} pixels"
        )


def read_idx(path: str | PathLike[str]) -> np.ndarray:
    """The array of an idx file, the format of MNIST, or of a gzip of one.

    Raises ArgumentError for a path that is no file, with names that are near, and for a file that
    is no idx file or ends too early.
    """
    path = existing_file(path, "FILE")
    with open(path, "rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        try:
            return _read(path, gzip.GzipFile(fileobj=plain) if packed else plain)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _no_idx(path, "a damaged gzip") from error


def _read(path: Path, file: IO[bytes] | gzip.GzipFile) -> np.ndarray:
    """The array of an open idx file; never more is read than its first bytes announce."""
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _KINDS or head[3] > _MOST_SIZES:
        raise _no_idx(path, f"one that begins with {head.hex(' ')}")
    sizes, dtype = file.read(4 * head[3]), np.dtype(_KINDS[head[2]])
    # zeros in place of sizes that are missing, so that the length is wrong below
    shape = np.frombuffer(sizes.ljust(4 * head[3], b"\0"), ">u4").tolist()
    wanted = dtype.itemsize * math.prod(shape)
    check_memory(str(path), wanted, "an array")
    begin, numbers = 4 + 4 * head[3], file.read(wanted)
    found = 4 + len(sizes) + len(numbers)
    if found != begin + wanted:
        raise _no_idx(path, f"{found} bytes where {begin + wanted} are announced")
    if file.read(1):
        raise _no_idx(path, f"more than the {begin + wanted} bytes that are announced")
    return np.frombuffer(numbers, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def read_mnist(folder: str | PathLike[str], settings: ImageSettings | None = None) -> Images:
    """The four files of MNIST in a folder, plain or with ``.gz``.

    They are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same with ``t10k``,
    which are held out. By rows, an image of 28 x 28 has 28 steps; with ``pixels=7`` it has 112.
    Raises ArgumentError for a file that is missing, for sizes that disagree, and for a number of
    pixels that does not divide the image.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """
    settings, folder = settings or ImageSettings(), Path(folder)
    (images, labels), (others, other_labels) = (_read_part(folder, part) for part in _PARTS)
    if others.shape[1:] != images.shape[1:]:
        raise ArgumentError(
            str(folder),
            wanted=f"images of one size, {list(images.shape[1:])}",
            got=str(list(others.shape[1:])),
        )
    pixels = _pixels(settings, images)
    flat = images.reshape(len(images), -1)
    mean, deviation = flat.mean(0, dtype=np.float64), flat.std(0, dtype=np.float64)
    if settings.standardise:
        shift, size = mean, deviation + 1e-5
    else:
        shift, size = 0.0, float(max(1, images.max()))

    def samples(images: np.ndarray, labels: np.ndarray) -> Samples:
        scaled = ((images.reshape(len(images), -1) - shift) / size).astype(np.float32)
        steps = torch.from_numpy(scaled).reshape(-1, pixels)
        lengths = torch.full((len(images),), images[0].size // pixels)
        return Samples(steps, lengths, torch.from_numpy(labels.astype(np.int64)))

    height, width = images.shape[1:]
    train, held_out = samples(images, labels), samples(others, other_labels)
    return Images(train, held_out, (height, width), mean, deviation)


def mnist_files(folder: str | PathLike[str]) -> list[Path]:
    """The four files of MNIST in a folder, plain or with ``.gz``.

    Raises ArgumentError for one that is missing.
    """
    names = (f"{part}-{kind}" for part in _PARTS for kind in ("images-idx3", "labels-idx1"))
    return [_found(Path(folder) / f"{name}-ubyte") for name in names]


def _pixels(settings: ImageSettings, images: np.ndarray) -> int:
    pixels = settings.pixels or images.shape[2]
    if images[0].size % pixels:
        raise ArgumentError(
            "pixels",
            wanted=f"a number that divides the {images[0].size} pixels of an image",
            got=str(pixels),
            remedy="0 takes a row a step.",
        )
    return pixels


def _read_part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    images = read_idx(_found(folder / f"{part}-images-idx3-ubyte"))
    labels = read_idx(_found(folder / f"{part}-labels-idx1-ubyte"))
    if images.ndim != 3 or labels.shape != images.shape[:1] or not len(images):
        raise ArgumentError(
            f"{folder}, {part}",
            wanted="images [N, height, width] and labels [N]",
            got=f"{list(images.shape)} and {list(labels.shape)}",
        )
    return images, labels


def _found(path: Path) -> Path:
    zipped = path.with_name(f"{path.name}.gz")
    return zipped if zipped.is_file() else existing_file(path, "folder")


def _no_idx(path: Path, got: str) -> ArgumentError:
    return ArgumentError(
        str(path), wanted="an idx file: two zero bytes, a type, a number of sizes", got=got
    )
