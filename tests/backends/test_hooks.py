"""Hooks on cells, on what is in them and on composites are called at every step, on any backend."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.utils import parametrizations, prune
from torch.nn.utils import weight_norm as old_weight_norm

import ostinato
from ostinato import Residual, Stack, WeightDrop, cells
from ostinato.backends import BACKENDS
from ostinato.backends.call import observer
from ostinato.errors import BackendError

XS = torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(0))

HOOKED = {
    "cell": lambda: (c := cells.LSTM(4, 4), c),
    "inside": lambda: (c := ostinato.Recurrence(nn.GRUCell(4, 4), 4), c.module),
    "lift": lambda: (c := Stack(nn.Linear(4, 4), cells.GRU(4, 4)), c.layers[0]),
    "stack": lambda: (c := Stack(cells.GRU(4, 4), cells.LSTM(4, 4)), c),
    "cell of a stack": lambda: (c := Stack(cells.GRU(4, 4), cells.LSTM(4, 4)), c.layers[1]),
    "residual": lambda: (c := Residual(cells.GRU(4, 4)), c),
    "weight drop": lambda: (c := WeightDrop(cells.GRU(4, 4), 0.3), c),
    "stack in a stack": lambda: (
        c := Stack(Stack(cells.GRU(4, 4)), cells.Elman(4, 4)),
        c.layers[0],
    ),
}


@pytest.mark.parametrize("name", list(HOOKED))
@pytest.mark.parametrize("kind", ["register_forward_hook", "register_forward_pre_hook"])
def test_called_at_every_step(name: str, kind: str) -> None:
    cell, module = HOOKED[name]()
    calls: list[int] = []
    getattr(module, kind)(lambda *_: calls.append(1) and None)
    ostinato.unroll(cell, XS)
    assert len(calls) == 5


def test_an_observer_changes_nothing() -> None:
    """Those of `draw_on_error` and `profile`, which see a run as it is without them."""
    cell = cells.LSTM(4, 4)
    before = str(ostinato.explain(cell, XS))
    calls: list[int] = []
    cell.register_forward_hook(observer(lambda *_: calls.append(1)))
    assert str(ostinato.explain(cell, XS)) == before
    cell(XS[0], cell.initial_state(2))
    assert calls == [1]


def test_hooks_of_all_modules() -> None:
    calls: list[str] = []
    handle = register_module_forward_hook(lambda m, *_: calls.append(type(m).__name__) and None)
    try:
        ostinato.unroll(Stack(cells.GRU(4, 4)), XS)
    finally:
        handle.remove()
    assert calls.count("GRU") == calls.count("Stack") == 5


@pytest.mark.parametrize("backend", [b.name for b in BACKENDS if b.name != "eager"])
def test_a_backend_by_name_refuses_them(backend: str) -> None:
    cell = cells.LSTM(4, 4)
    cell.register_forward_hook(lambda *_: None)
    with pytest.raises(BackendError, match="hooks"):
        ostinato.unroll(cell, XS, backend=backend)


@pytest.mark.filterwarnings("ignore:.*weight_norm")
@pytest.mark.parametrize(
    "change",
    [
        lambda cell: old_weight_norm(cell, "weight_hh"),
        lambda cell: prune.l1_unstructured(cell, "weight_hh", amount=0.5),
        lambda cell: nn.utils.spectral_norm(cell, "weight_hh"),
        lambda cell: parametrizations.spectral_norm(cell, "weight_hh"),
        lambda cell: parametrizations.weight_norm(cell, "weight_hh"),
    ],
    ids=["weight_norm", "prune", "spectral_norm", "new spectral_norm", "new weight_norm"],
)
@pytest.mark.parametrize("make", [cells.GRU, cells.LSTM, cells.MGU], ids=lambda m: m.__name__)
def test_weights_that_hooks_compute(change: object, make: type) -> None:
    cell = make(4, 4)
    change(cell)
    optimiser = torch.optim.SGD(cell.parameters(), lr=0.1)
    for _ in range(3):
        state = {name: value.clone() for name, value in cell.state_dict().items()}
        found = []
        for backend in ("eager", "auto"):
            cell.load_state_dict(state)
            optimiser.zero_grad()
            ys, _ = ostinato.unroll(cell, XS, backend=backend)
            ys.square().sum().backward()
            found.append([ys.detach(), *[p.grad.clone() for p in cell.parameters()]])
        for got, want in zip(*found, strict=True):
            torch.testing.assert_close(got, want)
        optimiser.step()


def test_a_standard_cell_with_another_step_is_no_standard_cell() -> None:
    class Doubled(cells.GRU):
        def step(self, x: object, read: object, state: object) -> object:
            y, state = super().step(x, read, state)
            return 2 * y, state

    cell = Doubled(4, 4)
    with pytest.raises(BackendError, match="a step of its own"):
        ostinato.unroll(cell, XS, backend="aten")
    plain = cells.GRU(4, 4)
    plain.forward = lambda x, h: (x, h)  # type: ignore[method-assign]
    with pytest.raises(BackendError, match="a step of its own"):
        ostinato.unroll(plain, XS, backend="aten")
