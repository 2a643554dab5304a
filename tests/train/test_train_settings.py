"""The settings of training."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from ostinato.errors import ArgumentError
from ostinato.train import TrainSettings


def test_steps_take_the_place_of_epochs() -> None:
    assert TrainSettings(epochs=2.5).total_steps(100) == 250
    assert TrainSettings(epochs=2.5, steps=7).total_steps(100) == 7


def test_devices() -> None:
    assert TrainSettings(device="cpu").torch_device() == torch.device("cpu")
    assert TrainSettings().torch_device().type in ("cpu", "cuda")
    with pytest.raises(ArgumentError, match="device: wanted a device that torch has here"):
        TrainSettings(device="gpu").torch_device()


def test_every_setting_is_documented_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    table = {name: row for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    for field in fields(TrainSettings):
        default, said = field.default, table[field.name].split("|")[2]
        if isinstance(default, bool):
            wanted = "on" if default else "off"
        elif isinstance(default, float):
            wanted = f"{default:g}"
        else:
            wanted = str(default)
        assert field.metadata["help"].endswith(".")
        assert wanted in said or (default is None and ("none" in said or "by" in said)), field.name
