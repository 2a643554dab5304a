"""Rows 94 to 97 and 103 to 107 of the checklist: tasks on the command line, on small budgets.

`docs/results.md` has the figures of the full budgets, with their commands.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from torch import Tensor, nn

from ostinato.cli.app import app
from ostinato.data import BatchSettings
from ostinato.data.sentiment import TEST, TRAIN
from ostinato.tasks import RECIPES, SupervisedTask
from ostinato.train import Solver, TrainSettings

PNG = b"\x89PNG"
ADAM = "--optimiser adam --schedule cosine --warm-up 0.05 --clip 1"


class Flat(nn.Module):
    """The steps of a sequence side by side, through layers without memory."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, xs: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.layers(xs.transpose(0, 1).flatten(1))


def result(run: str) -> dict[str, Any]:
    return json.loads((Path(run) / "result.json").read_text())


def write_idx(path: Path, array: np.ndarray) -> None:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))


def test_row_94_digits_from_pixels_with_an_identity_network(call) -> None:
    """The network of MinPy's notebook: recurrent weights begin as the identity, biases at 0."""
    model = "--cell elman --direction forward --init identity --size 64"
    training = "--epochs 25 --optimiser rmsprop --lr 1e-3 --schedule constant"
    call(f"train digits {model} {training} --run run")
    assert result("run")["accuracy"] >= 0.9


def test_row_94_mnist_from_a_folder(call) -> None:
    Path("mnist").mkdir()
    draw = np.random.default_rng(0)
    for part, count in (("train", 60), ("t10k", 20)):
        labels = draw.integers(0, 2, count)
        images = draw.integers(0, 60, (count, 28, 28)) + 190 * labels[:, None, None]
        write_idx(Path("mnist") / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(Path("mnist") / f"{part}-labels-idx1-ubyte.gz", labels)
    out = call("train digits mnist --pixels 7 --size 8 --steps 40 --batch-size 10 --run run")
    assert "28 x 28 as 112 steps of 7 pixels" in out
    assert result("run")["accuracy"] == 1
    assert call("evaluate run --json")


@pytest.mark.parametrize(
    ("cell", "size"), [("elman", 26), ("lstm", 16), ("gru", 16)], ids=["elman", "lstm", "gru"]
)
def test_row_95_toy_with_the_published_models(call, cell: str, size: int) -> None:
    """The published models and noise on an eighth of the rows, with Adam, for the time."""
    data = "--num-train 20000 --num-held-out 5000 --epochs 14 --batch-size 100 --lr 0.03"
    call(f"train toy --cell {cell} --size {size} {data} {ADAM} --validate-every 500 --run run")
    found = result("run")
    assert found["loss"] <= 0.08
    assert found["error_without_noise"] <= 0.03
    rows = np.loadtxt("run/predictions.csv", delimiter=",", skiprows=1)
    assert rows.shape == (200, 2)
    assert Path("run/predictions.png").read_bytes()[:4] == PNG


def test_row_95_two_layers_without_memory() -> None:
    """MLP2 of the same work, on as many rows and with Adam as well."""
    toy = RECIPES["toy"]
    data = toy.data.replace(num_train=20_000, num_held_out=5000)
    problem = toy.problem(data, None, Path())
    torch.manual_seed(3)
    model = Flat(nn.Linear(3, 30), nn.Sigmoid(), nn.Linear(30, 20), nn.Sigmoid(), nn.Linear(20, 1))
    assert sum(p.numel() for p in model.parameters()) == 761
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1)
    task = SupervisedTask("toy", model, problem, BatchSettings(batch_size=40))
    training = TrainSettings(epochs=10, optimiser="adam", lr=0.05, validate_every=500)
    Solver(task, training).fit()
    assert task.validate()["loss"] <= 0.06
    assert toy.problem(data, None, Path()).report(model, None)["error_without_noise"] <= 0.01


@pytest.mark.parametrize(
    "flags",
    [
        "--kind variable",
        "--kind variable --direction backward",
        "--kind variable --direction both",
        "--kind direct --direction both --noise 0.01",
    ],
)
def test_row_96_variants_of_the_toy(call, flags: str) -> None:
    data = "--num-train 16000 --num-held-out 2000 --epochs 10 --batch-size 100 --lr 0.02"
    call(f"train toy {flags} --cell gru --size 32 {data} {ADAM} --validate-every 400 --run run")
    found = result("run")
    assert found["loss"] < found["baseline_loss"] / 10


def test_row_97_adding_of_six_steps(call) -> None:
    """MinPy's sizes, batches and number of iterations."""
    flags = "--num-steps 6 --epochs 10 --optimiser adam --lr 3e-3 --validate-every 100 --seeds 1"
    call(f"compare adding --cells elman@64,lstm@100,gru@100 {flags} --run six")
    found = json.loads(Path("six/compare.json").read_text())
    assert found["baseline"]["loss"] == pytest.approx(1 / 6, abs=0.015)
    assert [each["cell"] for each in found["trained"]] == ["elman@64", "lstm@100", "gru@100"]
    assert all(min(each["values"]) < 0.05 for each in found["trained"])
    assert Path("six/compare.png").read_bytes()[:4] == PNG


def test_row_97_adding_of_thirty_steps(call) -> None:
    """Gates leave the baseline, the simple network stays there, by the same settings for all."""
    flags = "--size 32 --steps 500 --lr 0.01 --schedule constant --validate-every 100 --seeds 1"
    call(f"compare adding --cells elman,lstm,gru {flags} --run thirty")
    found = json.loads(Path("thirty/compare.json").read_text())
    simple, *gated = (min(each["values"]) for each in found["trained"])
    assert [each["cell"] for each in found["trained"]] == ["elman", "lstm", "gru"]
    assert all(value < 0.1 for value in gated)
    assert simple > 0.8 * found["baseline"]["loss"]


def test_row_103_sequence_to_one(call) -> None:
    out = call("train classify --epochs 3 --run run")
    found = result("run")
    assert found["loss"] < math.log(7)
    assert np.array(found["confusion"]).sum() == 1000
    assert "true, said" in out


def test_row_103_sentiment_with_a_confusion_matrix(call) -> None:
    moods = {"0": "so sad and bad", "4": "what a fine happy day"}
    lines = [f'"{mood}","1","date","NO_QUERY","user","{text}"\n' for mood, text in moods.items()]
    Path("tweets").mkdir()
    for name, repeats in ((TRAIN, 40), (TEST, 2)):
        Path("tweets", name).write_text("".join(lines * repeats), encoding="latin-1")
    out = call("train classify tweets --size 8 --steps 40 --lr 0.02 --run run")
    assert result("run")["accuracy"] == 1
    assert out.count("negative") > 1
    matrix = np.array(result("run")["confusion"])
    assert matrix.shape == (2, 2)
    assert matrix.sum() == np.trace(matrix) == 10
    Path("new.csv").write_text("text\nso sad\na happy day\n")
    said = [line.split()[1] for line in call("classify run new.csv").splitlines()]
    assert said == ["negative", "positive"]


def test_row_104_cosine_is_continued_for_200_steps(call) -> None:
    out = call("train cos --steps 1200 --size 32 --run run")
    found = result("run")
    assert found["forecast_largest_error"] < 0.1
    assert f"forecast largest error: {found['forecast_largest_error']:.5g}" in out
    assert Path("run/forecast.png").read_bytes()[:4] == PNG


def test_row_105_evaluation_with_curves_as_csv(call) -> None:
    call("train adding --num-train 60 --num-held-out 20 --size 4 --steps 9 --run run")
    figures = json.loads(call("evaluate run --json --curves curves.csv"))
    assert figures["loss"] == pytest.approx(result("run")["loss"])
    with open("curves.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 10))
    assert float(rows[-1]["held_out_loss"]) == pytest.approx(figures["loss"])
    assert {"epoch", "loss", "held_out_loss", "lr", "grad_norm"} <= set(rows[0])


def commands(group: Any, name: str = "ostinato") -> Iterator[tuple[str, Any]]:
    for part, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {part}")
        yield f"{name} {part}", command


def test_row_106_every_flag_has_help_and_a_default(call) -> None:
    found = dict(commands(typer.main.get_command(app)))
    tasks = ("text", "adding", "copy", "toy", "cos", "digits", "attention", "classify", "tag")
    assert {f"ostinato train {task}" for task in tasks} <= set(found)
    for name, command in found.items():
        assert (command.help or "").strip(), name
        for parameter in command.params:
            said = getattr(parameter, "help", None)
            assert said, f"{name}: {parameter.name} has no help"
            is_option = parameter.param_type_name == "option" and not parameter.is_flag
            if is_option and parameter.default is not None:
                assert parameter.show_default, f"{name}: {parameter.name} hides its default"


def test_row_106_help_lists_the_flags_of_the_old_scripts(call) -> None:
    said = call("train toy --help")
    flags = ("--noise", "--num-train", "--size", "--batch-size", "--lr", "--epochs", "--seed")
    assert all(flag in said for flag in flags)


def test_row_107_pictures(call) -> None:
    """The problem, predictions, learning curves, and a figure over the iterations."""
    data = "--num-train 40 --num-held-out 20 --steps 4 --size 4 --validate-every 2"
    call(f"train toy {data} --run run")
    call(f"compare toy {data} --cells elman,gru --seeds 2 --run cells")
    pictures = ["run/problem.png", "run/predictions.png", "run/curves.png", "cells/compare.png"]
    assert all(Path(path).read_bytes()[:4] == PNG for path in pictures)
