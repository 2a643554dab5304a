"""Rows 61 and 105 of the checklist: recurrent visual attention, end to end and its evaluation.

`docs/results.md` has the figures of the full budgets, with their commands.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.data import Batch, Samples
from ostinato.tasks import (
    Classification,
    Problem,
    SupervisedTask,
    VisualAttention,
    VisualAttentionSettings,
)
from ostinato.train import Solver, TrainSettings

PNG = b"\x89PNG"


def test_row_61_digits_by_learned_looks(call) -> None:
    """A third of the default budget; the error falls all the way."""
    out = call("train attention --epochs 20 --validate-every 80 --run run")
    lines = (json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines())
    held_out = [line["held_out_accuracy"] for line in lines if "held_out_accuracy" in line]
    assert held_out == sorted(held_out)
    found = json.loads(Path("run/result.json").read_text())
    assert found["accuracy"] >= 0.93
    matrix = np.array(found["confusion"])
    assert matrix.shape == (10, 10)
    assert np.trace(matrix) / matrix.sum() == pytest.approx(found["accuracy"])
    assert "true, said" in out
    for name in ("glimpses.png", "patches.png"):
        assert Path("run", name).read_bytes()[:4] == PNG


def corner(count: int, seed: int) -> Samples:
    """Images of noise [9, N, 9]; ink in the top left corner for one of two classes."""
    draw = torch.Generator().manual_seed(seed)
    targets = torch.randint(2, (count,), generator=draw)
    xs = 0.1 * torch.rand(9, count, 9, generator=draw)
    xs[:3, :, :3] += targets[:, None].float()
    return Samples.of(Batch(xs, targets))


def accuracy(look: str) -> tuple[float, torch.Tensor]:
    """Held-out accuracy of a network of two looks, and its mean last place."""
    settings = VisualAttentionSettings(
        size=16, sensor=16, joint=16, glimpses=2, patch=3, depth=1, std=0.2, look=look
    )
    torch.manual_seed(0)
    model = VisualAttention((9, 9), 2, settings)
    held_out = corner(300, 1)
    problem = Problem(
        corner(1000, 0), held_out, Classification(("no", "yes")), "", loss=VisualAttention.loss
    )
    task = SupervisedTask("corner", model, problem)
    Solver(task, TrainSettings(steps=400, lr=5e-3, validate_every=100)).fit()
    model.eval()
    with torch.inference_mode():
        places = model.look(held_out.take(torch.arange(300)).xs).places
    return task.validate()["accuracy"], places[-1].mean(0)


def test_row_61_places_are_learned_by_reward() -> None:
    """Where one corner tells the class, learned looks go there, and random ones rarely do."""
    learned, place = accuracy("learned")
    assert learned >= 0.99
    assert place.max() < -0.4
    random, _ = accuracy("random")
    assert random < 0.9


def test_row_105_evaluation_of_visual_attention(call) -> None:
    """The confusion matrix and, in a folder, the boxes and patches; by the mean or drawn."""
    flags = "--size 8 --sensor 8 --joint 8 --glimpses 2"
    call(f"train attention {flags} --steps 10 --canvas 12 --run run")
    kept = json.loads(Path("run/result.json").read_text())
    figures = json.loads(call("evaluate run --pictures looks --json"))
    assert figures["confusion"] == kept["confusion"]
    for name in ("glimpses.png", "patches.png"):
        assert Path("looks", name).read_bytes()[:4] == PNG
    drawn = json.loads(call("evaluate run --stochastic --json"))
    assert drawn == json.loads(call("evaluate run --stochastic --json"))
    assert drawn["loss"] != figures["loss"]
