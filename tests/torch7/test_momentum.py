"""The old momentum of gradients, by torch.optim.SGD and two lines, against recorded numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "golden" / "momentum.json").read_text()
)[0]
RATE = 0.1
"""The argument of `updateParameters` after each step."""


def tensor(one: dict[str, Any]) -> Tensor:
    return torch.tensor(one["data"], dtype=torch.float64).view(one["shape"])


def run(begin_with_the_gradient: bool) -> list[nn.Parameter]:
    """The parameters after the recorded steps, as docs/from-torch-rnn.md has it."""
    options = RECORDED["args"]
    params = [nn.Parameter(tensor(one)) for one in RECORDED["params"]]
    optimiser = torch.optim.SGD(
        params, lr=RATE, momentum=options["momFactor"], dampening=options["momDamp"]
    )
    for step in RECORDED["steps"]:
        for p, grad in zip(params, step["gradParams_before"], strict=True):
            p.grad = tensor(grad)
            if begin_with_the_gradient:
                optimiser.state[p].setdefault("momentum_buffer", p.grad.clone())
        optimiser.step()
    return params


def test_the_two_lines_make_it_equal() -> None:
    for p, want in zip(run(True), RECORDED["params_after"], strict=True):
        torch.testing.assert_close(p.detach(), tensor(want), rtol=0, atol=1e-12)


def test_without_them_the_first_steps_are_shorter() -> None:
    far = [
        (p.detach() - tensor(want)).abs().max().item()
        for p, want in zip(run(False), RECORDED["params_after"], strict=True)
    ]
    assert max(far) > 0.01


def test_each_step_is_the_recorded_velocity() -> None:
    """The old velocity begins as the first gradient g, so that the first step is 1.9 g."""
    first = RECORDED["steps"][0]
    for before, after in zip(first["gradParams_before"], first["gradParams_after"], strict=True):
        torch.testing.assert_close(tensor(after), 1.9 * tensor(before))


@pytest.mark.parametrize("nesterov", [False, True])
def test_nesterov_begins_in_the_same_way(nesterov: bool) -> None:
    """v <- mom v + (1 - damp) g from v = g, and the step is g + mom v (dpnn's `Module.lua`)."""
    weight = nn.Parameter(torch.zeros((), dtype=torch.float64))
    optimiser = torch.optim.SGD([weight], lr=1.0, momentum=0.9, nesterov=nesterov)
    velocity = None
    for gradient in (1.0, 3.0, -2.0):
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        optimiser.state[weight].setdefault("momentum_buffer", weight.grad.clone())
        velocity = 0.9 * (gradient if velocity is None else velocity) + gradient
        before = weight.item()
        optimiser.step()
        move = gradient + 0.9 * velocity if nesterov else velocity
        assert before - weight.item() == pytest.approx(move)
