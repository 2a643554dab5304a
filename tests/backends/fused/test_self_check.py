"""A compiled cell proves itself: planted mistakes are refused, and what passes is noted."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from compare import assert_equal
from steps import Step
from torch import Tensor, nn

import ostinato
from ostinato import Cell, cells
from ostinato.backends.fused import recordings
from ostinato.backends.fused.backend import Fused
from ostinato.backends.fused.ir.functions import FUNCTIONS
from ostinato.backends.fused.lower import step as lowering
from ostinato.backends.fused.native import compile
from ostinato.backends.fused.native.disk import MAGIC
from ostinato.backends.plan import BACKENDS
from ostinato.errors import BackendError


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache and a compiler that has seen no cell."""
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path))
    fused = next(b for b in BACKENDS if isinstance(b, Fused))
    monkeypatch.setattr(fused, "recordings", recordings.Recordings())


def doubled(ctx: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    """A wrong rule: sigmoid of twice x."""
    return ctx.arithmetic("sigmoid", ctx.arithmetic("mul", x, 2.0))


def test_a_wrong_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(lowering.RULES, "sigmoid", doubled)
    cell, xs = cells.GRU(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    with pytest.raises(BackendError, match=r"other numbers than the loop .*please report"):
        ostinato.unroll(cell, xs, backend="fused")
    ys, _ = ostinato.unroll(cell, xs)
    torch.testing.assert_close(ys, ostinato.unroll(cell, xs, backend="eager")[0])


def test_a_wrong_derivative_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tanh = FUNCTIONS["tanh"]
    wrong = dataclasses.replace(tanh, vjp=lambda w, g, out, a: (w("mul", g, out),))
    monkeypatch.setitem(FUNCTIONS, "tanh", wrong)
    cell, xs = cells.LSTM(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    with pytest.raises(BackendError, match="gradient of"):
        ostinato.unroll(cell, xs, backend="fused")
    with torch.no_grad():  # the values alone are right
        ostinato.unroll(cell, xs, backend="fused")


def test_a_mistake_that_zeros_would_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(lowering.RULES, "sigmoid", doubled)

    class Gated(Cell):
        """A gate that is closed at first: its scale is zero."""

        def __init__(self) -> None:
            super().__init__()
            self.w, self.scale = nn.Linear(3, 4), nn.Parameter(torch.zeros(4))

        def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Any:
            return torch.zeros(batch_size, 4)

        def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.tanh(self.w(x) + h + self.scale * torch.sigmoid(h))
            return h, h

    with pytest.raises(BackendError, match="other numbers"), torch.no_grad():
        ostinato.unroll(Gated(), torch.randn(5, 2, 3), backend="fused")


def test_a_pass_that_makes_a_mistake_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(recordings, "make_recipe", broken)
    cell, xs = cells.GRU(3, 4), torch.randn(5, 2, 3)
    with pytest.raises(BackendError, match=r"a fault of ours .*no such thing"):
        ostinato.unroll(cell, xs, backend="fused")
    assert "not fused" in str(ostinato.explain(cell, xs))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ill_conditioned_cells_pass(dtype: torch.dtype) -> None:
    def step(p: Step, x: Tensor, h: Tensor) -> Tensor:
        # a difference of large numbers, and a slope of a thousand
        return torch.tanh(1000 * ((x + h + 1e4) - 1e4))

    cell = Step(step).to(dtype)
    ostinato.unroll(cell, torch.randn(4, 3, 6, dtype=dtype, requires_grad=True), backend="fused")


def test_cells_that_leap_pass() -> None:
    cell = Step(lambda p, x, h: (x + h).floor() + torch.sign(x - h) * x)
    assert_equal(cell, torch.randn(4, 3, 6, requires_grad=True))


def test_the_users_cell_and_random_numbers_are_left_alone() -> None:
    cell = ostinato.Zoneout(cells.LSTM(3, 4), 0.2)
    before = {name: value.clone() for name, value in cell.state_dict().items()}
    state = torch.get_rng_state()
    ostinato.explain(cell, torch.randn(2, 3, 3, requires_grad=True))
    torch.set_rng_state(state)
    first = torch.rand(3)
    torch.set_rng_state(state)
    ostinato.explain(cell, torch.zeros(2, 3, 3))
    assert torch.equal(first, torch.rand(3))
    assert all(torch.equal(before[name], value) for name, value in cell.state_dict().items())
    assert all(p.grad is None for p in cell.parameters())


def test_what_has_passed_is_noted(tmp_path: Path) -> None:
    ostinato.unroll(cells.GRU(3, 4), torch.randn(5, 2, 3), backend="fused")
    assert len(list(tmp_path.glob("*.checked"))) >= 1
    count = """if True:
        import torch, ostinato
        from ostinato import cells
        from ostinato.backends.fused import self_check
        tried = []
        original = self_check.differences
        self_check.differences = lambda *a: tried.append(a) or original(*a)
        ostinato.unroll(cells.GRU(3, 4), torch.randn(5, 2, 3), backend="fused")
        print(len(tried))
    """
    run = subprocess.run(
        [sys.executable, "-c", count], capture_output=True, text=True, check=True, timeout=120
    )
    assert run.stdout.strip() == "0", run.stdout + run.stderr


@pytest.mark.skipif(os.name != "posix", reason="elsewhere files have no permissions")
@pytest.mark.parametrize("fault", ["none", "empty", "old", "damaged", "link", "file", "folder"])
def test_a_planted_note_does_not_switch_off_the_trial(fault: str, tmp_path: Path) -> None:
    compile.note("this holds")
    (path,) = tmp_path.glob("*.checked")
    content = path.read_bytes()
    if fault in ("empty", "old", "damaged"):
        path.write_bytes({"empty": b"", "old": MAGIC, "damaged": content[:-1] + b"x"}[fault])
    elif fault == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    elif fault == "file":
        path.chmod(0o666)
    elif fault == "folder":
        tmp_path.chmod(0o777)
    assert compile.noted("this holds") is (fault == "none")
    assert not compile.noted("something else")


def test_what_failed_is_tried_again_in_another_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(lowering.RULES, "sigmoid", doubled)
    with pytest.raises(BackendError):
        ostinato.unroll(cells.GRU(3, 4), torch.randn(5, 2, 3), backend="fused")
    assert not list(tmp_path.glob("*.checked"))


def test_always(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, xs = cells.GRU(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    ostinato.unroll(cell, xs, lengths=[5, 0], backend="fused")
    monkeypatch.setenv("OSTINATO_CHECK", "always")
    for options in ({}, {"lengths": [5, 0]}, {"reverse": True}):
        ostinato.unroll(cell, xs, backend="fused", **options)
    noisy = ostinato.Zoneout(cell, 0.3)
    ostinato.unroll(noisy, xs, lengths=[2, 5], reverse=True, backend="fused")
    original = ostinato.backends.fused.backend.run_call
    monkeypatch.setattr(
        ostinato.backends.fused.backend,
        "run_call",
        lambda *args: tuple(2 * t for t in original(*args)),
    )
    with pytest.raises(BackendError, match=r"OSTINATO_CHECK: .* y off by"):
        ostinato.unroll(cell, xs, backend="fused")
