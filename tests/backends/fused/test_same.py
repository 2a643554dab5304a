"""What is remembered of a cell: found again where it is the same, and never where it is not."""

import gc
import types
import weakref

import pytest
import torch
from torch import nn

import ostinato
from ostinato import Cell, cells
from ostinato.backends import plan

SCALE = 2.0
FUSED = plan.BACKENDS[0]


class Scaled(Cell):
    """y = scale * tanh(W x + h), with settings of many kinds."""

    offset = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.input_size = 3
        self.linear = nn.Linear(3, 3)
        self.scale = 1.0
        self.settings = {"gain": 1.0}
        self.extra: torch.Tensor | None = None

    def initial_state(self, batch_size, *, dtype=None, device=None):
        return torch.zeros(batch_size, 3, dtype=dtype, device=device)

    def forward(self, x, state):
        y = torch.tanh(self.linear(x) + state) * self.scale * self.settings["gain"] * SCALE
        y = y + self.offset
        return y, state if self.extra is None else state + self.extra


def run(cell, xs):
    return ostinato.unroll(cell, xs, backend="fused")[0]


def both(cell, xs):
    with torch.no_grad():
        return run(cell, xs), ostinato.unroll(cell, xs, backend="eager")[0]


def set_scale(cell):
    cell.scale = 3.0


def set_entry(cell):
    cell.settings["gain"] = 0.5


def set_class(cell):
    type(cell).offset = 1.0


def set_global(cell):
    globals()["SCALE"] = 5.0


def set_weight(cell):
    cell.linear.weight = nn.Parameter(torch.full((3, 3), 0.25))


def set_child(cell):
    cell.linear = nn.Linear(3, 3, bias=False)


def set_code(cell):
    cell.forward = types.MethodType(lambda self, x, state: (x + state, state), cell)


def set_attribute(cell):
    cell.extra = torch.ones(3)


def double_zero(cell):
    cell.scale = 0


CHANGES = [
    set_scale, set_entry, set_class, set_global, set_weight, set_child, set_code, set_attribute,
    double_zero,
]  # fmt: skip


@pytest.fixture(autouse=True)
def _restore():
    yield
    globals()["SCALE"] = 2.0
    Scaled.offset = 0.0


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_any_kind_is_seen(change):
    cell, xs = Scaled(), torch.randn(4, 2, 3)
    for _ in range(3):
        assert torch.allclose(*both(cell, xs))
    change(cell)
    got, wanted = both(cell, xs)
    assert torch.allclose(got, wanted), "the cell as it was before"


def test_a_cell_of_the_library_is_read_once(monkeypatch):
    cell, xs = cells.LSTM(3, 5), torch.randn(4, 2, 3)
    run(cell, xs)
    monkeypatch.setattr("ostinato.backends.fused.backend.identify", None)
    run(cell, xs)
    run(cell, 2 * xs)


def test_a_drop_in_keeps_its_cells(monkeypatch):
    lstm, xs = ostinato.nn.LSTM(3, 5), torch.randn(4, 2, 3)
    lstm(xs)
    monkeypatch.setattr("ostinato.nn.layers.filled", None)
    lstm(xs)


def test_hooks_are_seen_after_a_run_without():
    cell, xs = cells.LSTM(3, 5), torch.randn(4, 2, 3)
    run(cell, xs)
    calls = []
    cell.register_forward_hook(lambda *given: calls.append(1))
    ostinato.unroll(cell, xs)
    assert len(calls) == 4


def test_nothing_keeps_a_cell_or_its_weights_alive():
    cell = cells.LSTM(3, 5)
    run(cell, torch.randn(4, 2, 3))
    old, weight = weakref.ref(cell), weakref.ref(cell.weight_hh)
    cell.weight_hh = nn.Parameter(torch.randn(20, 5))
    gc.collect()
    assert weight() is None, "a weight that was replaced"
    del cell
    gc.collect()
    assert old() is None


def test_weights_that_were_computed_are_not_kept():
    lstm, xs = ostinato.nn.LSTM(3, 5), torch.randn(4, 2, 3)
    fast = {name: (2 * p).requires_grad_() for name, p in lstm.named_parameters()}
    computed = {name: p * 1.0 for name, p in fast.items()}
    seen = weakref.ref(computed["weight_hh_l0"])
    torch.func.functional_call(lstm, computed, (xs,))
    del computed
    gc.collect()
    assert seen() is None
    wanted = lstm(xs)[0]
    torch.func.functional_call(lstm, fast, (xs,))
    assert torch.equal(lstm(xs)[0], wanted)


def test_a_copy_of_a_drop_in_runs_its_own_weights():
    import copy
    import pickle

    lstm, xs = ostinato.nn.LSTM(3, 5), torch.randn(4, 2, 3)
    wanted = lstm(xs)[0].detach()
    for twin in (copy.deepcopy(lstm), pickle.loads(pickle.dumps(lstm))):
        with torch.no_grad():
            twin.weight_hh_l0.mul_(2)
        assert not torch.allclose(twin(xs)[0], wanted)
        assert torch.equal(lstm(xs)[0], wanted)
        assert twin(xs)[0].requires_grad


def test_training_mode_is_seen_by_a_drop_in():
    lstm, xs = ostinato.nn.LSTM(3, 5, zoneout=0.9), torch.randn(4, 2, 3)
    first = lstm.eval()(xs)[0]
    assert torch.equal(lstm(xs)[0], first)
    torch.manual_seed(0)
    assert not torch.equal(lstm.train()(xs)[0], first)
    assert torch.equal(lstm.eval()(xs)[0], first)
