"""The settings of training."""

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
