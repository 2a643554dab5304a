"""Every operation that the compiler knows, in a step, forward and backward, against eager."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from compare import assert_equal
from operations import GROUPS, Function
from steps import Step
from torch import Tensor

NAMES = [(group, name) for group, members in GROUPS.items() for name in members]


def cell_of(function: Function) -> Step:
    """h' = f(U x * h + h / 3): a step in which f sees both signs, and the gradient of f counts."""

    def step(p: Step, x: Tensor, h: Tensor) -> Tensor:
        return function(F.linear(x, p.u, p.b) * h + 0.3 * h + 0.1 * x[:, :1]) * 0.7

    return Step(step, u=(6, 4), b=(6,))


@pytest.mark.parametrize(("group", "name"), NAMES, ids=[name for _, name in NAMES])
def test_operation(group: str, name: str) -> None:
    torch.manual_seed(1)
    cell = cell_of(GROUPS[group][name]).double()
    xs = torch.randn(4, 3, 4, dtype=torch.float64, requires_grad=True)
    state = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    assert_equal(cell, xs, state)
