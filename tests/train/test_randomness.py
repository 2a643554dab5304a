"""Chance goes on where it was, through a checkpoint."""

import random
from pathlib import Path

import numpy as np
import torch

from ostinato.train import load_checkpoint, save_checkpoint
from ostinato.train.randomness import random_state, restore_random_state, seed_everything


def draw() -> list[float]:
    drawn = [torch.rand(()).item(), torch.randn(()).item(), random.random(), random.gauss(0, 1)]
    return [*drawn, np.random.rand(), np.random.randn()]


def test_all_generators_go_on(tmp_path: Path) -> None:
    seed_everything(3)
    draw()
    save_checkpoint(tmp_path / "c", random_state())
    wanted = draw()
    seed_everything(4)
    restore_random_state(load_checkpoint(tmp_path / "c"))
    assert draw() == wanted


def test_a_seed_repeats_everything() -> None:
    seed_everything(5)
    wanted = draw()
    seed_everything(5)
    assert draw() == wanted
