"""`ostinato train attention`, from digits or a folder of MNIST, and what is done with its run."""

import gzip
import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.train import Run

DOCS = Path(__file__).parents[2] / "docs"
TINY = ["--size", 8, "--sensor", 4, "--joint", 8, "--glimpses", 3, "--patch", 3]
PICTURES = ("curves.png", "glimpses.png", "patches.png")


def train(ostinato, *arguments: object) -> str:
    done = ostinato("train", "attention", *TINY, *arguments)
    assert done.code == 0, done.err
    return done.out


def write_mnist(folder: Path, counts: dict[str, int], side: int) -> None:
    """A class has ink on its half of the image."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    for part, count in counts.items():
        labels = np.arange(count) % 2
        images = draw.integers(0, 40, (count, side, side))
        images[labels == 0, : side // 2] += 200
        images[labels == 1, side // 2 :] += 200
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            raw = gzip.compress(head + array.astype(np.uint8).tobytes())
            (folder / f"{part}-{name}-ubyte.gz").write_bytes(raw)


def test_a_run_of_digits(ostinato, folder) -> None:
    out = train(ostinato, "--steps", 6, "--validate-every", 3)
    assert "1,437 images and 360 held out, 8 x 8" in out
    assert "elman 8, 3 looks" in out
    assert out.split("true, said")[1].split()[:10] == list("0123456789")
    run = Run.open(folder / "runs" / "attention-001")
    result = run.read_result()
    assert result is not None
    assert sum(map(sum, result["confusion"])) == 360
    for name in PICTURES:
        assert name in out
        assert (run.folder / name).read_bytes()[:4] == b"\x89PNG"
    assert "3 looks" in ostinato("info", run.folder).out
    assert "Attending(hidden_size=8)" in ostinato("explain", run.folder).out
    again = [json.loads(ostinato("evaluate", run.folder, "--json").out) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0]["loss"] == pytest.approx(result["loss"])
    drawn = ostinato("evaluate", run.folder, "--stochastic", "--pictures", "drawn", "--json")
    assert json.loads(drawn.out)["loss"] != again[0]["loss"]
    assert sorted(path.name for path in (folder / "drawn").iterdir()) == list(PICTURES[1:])


def test_going_on_is_as_never_having_stopped(ostinato, folder) -> None:
    """Places are drawn in each step, so the random state is taken up too."""
    flags = ("--canvas", 10, "--batch-size", 100, "--schedule", "constant", "--validate-every", 4)
    train(ostinato, *flags, "--steps", 18, "--run", "whole")
    train(ostinato, *flags, "--steps", 7, "--run", "parts")
    done = ostinato("train", "--resume", "parts", "--steps", 18)
    assert done.code == 0, done.err
    ends = [Run.open(folder / name).load_checkpoint(part="model") for name in ("whole", "parts")]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_the_published_network_on_mnist_from_a_folder(ostinato, folder) -> None:
    write_mnist(folder / "mnist", {"train": 80, "t10k": 20}, 28)
    flags = re.findall(r"--glimpses 7[^`]+", (DOCS / "attention.md").read_text())[0].split()
    done = ostinato("train", "attention", "mnist", *flags, "--canvas", 30, "--steps", 2)
    assert "80 images and 20 held out, 30 x 30" in done.out, done.err
    assert "elman 256, 7 looks" in done.out
    result = Run.open(folder / "runs" / "attention-001").read_result()
    assert result is not None
    assert np.array(result["confusion"]).shape == (2, 2)


def test_cells_side_by_side(ostinato, folder) -> None:
    flags = ("--cells", "elman,gru@6", "--seeds", 1, "--steps", 2, "--validate-every", 1)
    done = ostinato("compare", "attention", *TINY, *flags, "--run", "cells", "--json")
    assert done.code == 0, done.err
    assert [each["cell"] for each in json.loads(done.out)["trained"]] == ["elman", "gru@6"]


REFUSED = {
    "train attention nowhere": "nowhere, which does not exist",
    "train attention --patch 9": "--patch: wanted at most 8, for images of 8 x 8, got 9",
    "train attention --canvas 7": "--canvas: wanted a field for images of 8 x 8, got 7",
    "train attention --copies 4": "--copies: wanted a field to put copies into",
    "train attention --glimpses 0": "--glimpses: wanted a number of at least 1, got 0",
    "train attention --unit-pixels 5": "--unit-pixels: wanted at most 4",
    "train attention --look randm": "Did you mean random?",
    "train attention --cell lstmm": "Did you mean lstm?",
    "evaluate run --stochastic": "--stochastic: wanted a run of attention, got one of adding",
    "evaluate run --pictures here": "--pictures: wanted a run of toy or cos or attention",
}


def test_what_is_wrong_is_said_with_a_way_out(ostinato, folder) -> None:
    done = ostinato(
        "train",
        "adding",
        "--num-train",
        20,
        "--num-held-out",
        5,
        "--size",
        4,
        "--steps",
        1,
        "--run",
        "run",
    )
    assert done.code == 0, done.err
    for call, wanted in REFUSED.items():
        done = ostinato(*call.split())
        assert done.code == 1, call
        assert wanted in done.err, call
    assert not list((folder / "runs").iterdir())


def test_help_says_the_defaults(ostinato) -> None:
    said = ostinato("train", "attention", "--help").out
    for flag in (
        "--canvas",
        "--patch",
        "--glimpses",
        "--std",
        "--reward",
        "--look",
        "--unit-pixels",
    ):
        assert flag in said
    assert "[default: learned]" in said
