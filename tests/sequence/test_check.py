"""`check`: a user's cell and call on all backends beside the loop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import ostinato
from ostinato import Stack, cells
from ostinato.backends import BACKENDS
from ostinato.backends.aten import KernelRun
from ostinato.errors import BackendError, ShapeError

XS = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))


def test_a_table_of_all_backends() -> None:
    found = ostinato.check(cells.LSTM(3, 4), XS.clone().requires_grad_(), lengths=[5, 2])
    assert [line.backend for line in found.lines] == ["auto", *(b.name for b in BACKENDS[:-1])]
    assert all(line.values and line.gradients and not line.wrong for line in found.lines)
    lines = str(found).splitlines()
    assert lines[0] == "LSTM, xs [5, 2, 3]: how far from the Python loop"
    assert lines[1].split() == ["backend", "values", "gradients", "who", "runs", "it"]
    assert lines[2].startswith("auto     ")
    assert lines[2].endswith("fused")


def test_what_refuses_says_why() -> None:
    found = ostinato.check(cells.MGU(3, 4), XS)
    assert "torch has no kernel for MGU" in found.lines[-1].ran
    assert found.lines[-1].values is None


def test_composites_masks_and_states() -> None:
    cell = Stack(nn.Linear(3, 4), cells.GRU(4, 4), cells.LSTM(4, 2)).double()
    xs = XS.double().requires_grad_()
    state = cell.initial_state(2)
    ostinato.check(cell, xs, state, resets=torch.rand(5, 2) < 0.4, reverse=True)
    ostinato.check(cell, xs, mask=torch.rand(5, 2) < 0.7)


def test_without_gradients() -> None:
    with torch.no_grad():
        found = ostinato.check(cells.GRU(3, 4), XS)
    assert all(line.gradients is None for line in found.lines)


def test_noise_is_not_compared() -> None:
    found = ostinato.check(ostinato.Zoneout(cells.GRU(3, 4), 0.2), XS)
    assert all("random numbers" in line.ran for line in found.lines)
    found = ostinato.check(ostinato.Zoneout(cells.GRU(3, 4), 0.2).eval(), XS)
    assert found.lines[0].values is not None


def test_a_difference_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    original = KernelRun.run

    def off(self: KernelRun) -> tuple[Tensor, Tensor]:
        ys, state = original(self)
        return ys + 0.01, state

    monkeypatch.setattr(KernelRun, "run", off)
    with pytest.raises(BackendError, match=r"the numbers of the plain loop on every backend"):
        ostinato.check(cells.GRU(3, 4), XS)


def test_parameters_keep_their_gradients() -> None:
    cell = cells.GRU(3, 4)
    ostinato.check(cell, XS)
    assert all(p.grad is None for p in cell.parameters())


def test_no_steps() -> None:
    with pytest.raises(ShapeError, match="at least one step"):
        ostinato.check(cells.GRU(3, 4), XS[:0])
