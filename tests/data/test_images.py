"""Images as sequences, from idx files as MNIST has them."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.data import ImageSettings, read_idx, read_mnist
from ostinato.errors import ArgumentError


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """The bytes of an idx file, as its description has them."""
    sizes = b"".join(struct.pack(">I", size) for size in array.shape)
    return bytes([0, 0, kind, array.ndim]) + sizes + array.tobytes()


def write(folder: Path, *, zipped: bool = False, size: int = 28, test_size: int = 28):
    """Random files of MNIST's layout: 20 images to learn from, 5 held out."""
    random, parts = np.random.default_rng(0), {}
    for part, count, side in (("train", 20, size), ("t10k", 5, test_size)):
        images = random.integers(0, 256, (count, side, side), dtype=np.uint8)
        labels = random.integers(0, 10, count, dtype=np.uint8)
        parts[part] = images, labels
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = gzip.compress(idx(array)) if zipped else idx(array)
            suffix = ".gz" if zipped else ""
            (folder / f"{part}-{name}-ubyte{suffix}").write_bytes(content)
    return parts


@pytest.mark.parametrize("zipped", [False, True])
def test_by_rows(tmp_path: Path, zipped: bool) -> None:
    parts = write(tmp_path, zipped=zipped)
    made = read_mnist(tmp_path, ImageSettings(standardise=False))
    batch = made.held_out.take(torch.arange(5))
    assert batch.xs.shape == (28, 5, 28)
    assert batch.lengths is None
    images, labels = parts["t10k"]
    wanted = torch.from_numpy(images / parts["train"][0].max()).float()
    torch.testing.assert_close(batch.xs.transpose(0, 1), wanted)
    assert batch.targets.tolist() == labels.tolist()
    assert made.summary() == "20 images and 5 held out, 28 x 28 as 28 steps of 28 pixels"


def test_pixels_are_standardised_by_the_training_images(tmp_path: Path) -> None:
    parts = write(tmp_path)
    made = read_mnist(tmp_path)
    flat = parts["train"][0].reshape(20, -1).astype(float)
    wanted = (parts["t10k"][0].reshape(5, -1) - flat.mean(0)) / (flat.std(0) + 1e-5)
    got = made.held_out.steps.reshape(5, -1)
    torch.testing.assert_close(got, torch.from_numpy(wanted).float())
    assert made.train.steps.reshape(20, -1).mean(0).abs().max() < 1e-5


@pytest.mark.parametrize(
    "kind", [(8, ">u1"), (9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
)
def test_all_kinds_of_numbers(tmp_path: Path, kind: tuple[int, str]) -> None:
    array = np.arange(6).reshape(2, 3).astype(kind[1])
    (tmp_path / "numbers").write_bytes(idx(array, kind[0]))
    assert np.array_equal(read_idx(tmp_path / "numbers"), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n", "begins with 89 50 4e 47"),
        (b"", "begins with"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], "17 bytes where 18 are announced"),
        (idx(np.zeros((2, 3), np.uint8))[:7], "7 bytes where 12 are announced"),
        (gzip.compress(idx(np.zeros((2, 3), np.uint8)), mtime=0)[:-9], "a damaged gzip"),
        (gzip.compress(bytes(9), mtime=0)[:10] + b"\xff" * 20, "a damaged gzip"),
    ],
)
def test_a_file_of_something_else(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "numbers").write_bytes(content)
    with pytest.raises(ArgumentError, match=message):
        read_idx(tmp_path / "numbers")


def test_what_does_not_fit(tmp_path: Path) -> None:
    write(tmp_path, test_size=27)
    with pytest.raises(ArgumentError, match=r"images of one size, \[28, 28\], got \[27, 27\]"):
        read_mnist(tmp_path)
    write(tmp_path)
    with pytest.raises(ArgumentError, match="pixels: wanted a number that divides the 784 pixels"):
        read_mnist(tmp_path, ImageSettings(pixels=5))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(3, np.uint8)))
    with pytest.raises(ArgumentError, match=r"\[20, 28, 28\] and \[3\]"):
        read_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").rename(tmp_path / "train-labels.idx1-ubyte")
    with pytest.raises(ArgumentError, match=r"Did you mean .*train-labels\.idx1-ubyte"):
        read_mnist(tmp_path)
