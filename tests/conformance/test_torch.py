"""The standard cells against torch's own: torch.nn.RNN, LSTM, GRU and their cells."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from conformance.scenario import TOLERANCE, assert_close
from ostinato import Cell, Recurrence, cells, unroll
from ostinato.backends import BACKENDS

LAYERS: dict[str, tuple[Any, Any, Any]] = {
    "rnn": (cells.Elman, nn.RNN, {}),
    "relu": (
        lambda *sizes, **options: cells.Elman(*sizes, activation="relu", **options),
        lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
        {},
    ),
    "lstm": (cells.LSTM, nn.LSTM, {}),
    "lstm_proj": (cells.LSTM, nn.LSTM, {"proj_size": 2}),
    "gru": (cells.GRU, nn.GRU, {}),
}


@pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch's, about its own kernel
@pytest.mark.parametrize("backend", [b.name for b in BACKENDS])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_equals_torch_layer(name: str, bias: bool, backend: str) -> None:
    make, peer, options = LAYERS[name]
    for dtype in (torch.float64, torch.float32):
        cell = make(3, 5, bias=bias, dtype=dtype, **options)
        layer = peer(3, 5, bias=bias, dtype=dtype, **options)
        layer.load_state_dict({f"{key}_l0": value for key, value in cell.state_dict().items()})
        xs = torch.randn(7, 4, 3, dtype=dtype, requires_grad=True)
        ys, state = unroll(cell, xs, backend=backend)
        want_ys, want_state = layer(xs)
        state, want_state = flat(state), [leaf[0] for leaf in flat(want_state)]
        for got, want in zip([ys, *state], [want_ys, *want_state], strict=True):
            assert_close(got, want, TOLERANCE[dtype])
        weight = torch.randn_like(ys)
        got = torch.autograd.grad((ys * weight).sum(), [xs, *cell.parameters()])
        want = torch.autograd.grad((want_ys * weight).sum(), [xs, *layer.parameters()])
        for a, b in zip(got, want, strict=True):
            assert_close(a, b, TOLERANCE[dtype])


CELLS = {
    "rnn": (cells.Elman, nn.RNNCell, 5),
    "lstm": (cells.LSTM, nn.LSTMCell, (5, 5)),
    "gru": (cells.GRU, nn.GRUCell, 5),
}


@pytest.mark.parametrize("name", CELLS)
def test_equals_torch_cell(name: str) -> None:
    make, peer, size = CELLS[name]
    cell, module = make(3, 5, dtype=torch.float64), peer(3, 5, dtype=torch.float64)
    module.load_state_dict(cell.state_dict())
    xs = torch.randn(6, 4, 3, dtype=torch.float64)
    wrapped: Cell = Recurrence(module, size)
    want, want_state = unroll(wrapped, xs)
    got, state = unroll(cell, xs)
    for a, b in zip([got, *flat(state)], [want, *flat(want_state)], strict=True):
        assert_close(a, b, 1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_weights_are_drawn_as_torch_draws_them(name: str) -> None:
    make, peer, options = LAYERS[name]
    torch.manual_seed(3)
    cell = make(3, 7, **options)
    torch.manual_seed(3)
    layer = peer(3, 7, **options)
    for ours, theirs in zip(cell.parameters(), layer.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", CELLS)
def test_weights_are_drawn_as_torch_cells_are(name: str) -> None:
    make, peer, _ = CELLS[name]
    torch.manual_seed(4)
    cell = make(5, 3)
    torch.manual_seed(4)
    module = peer(5, 3)
    assert list(cell.state_dict()) == list(module.state_dict())
    for ours, theirs in zip(cell.parameters(), module.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def flat(state: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
    return list(state) if isinstance(state, tuple) else [state]
