"""The library's cells through the compiler, against eager, over the ways a sequence can be run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from compare import assert_equal
from torch import Tensor, nn

import ostinato
from ostinato import cells

CELLS: dict[str, Callable[[], nn.Module]] = {
    "elman": lambda: cells.Elman(5, 7),
    "elman relu": lambda: cells.Elman(5, 16, activation="relu", bias=False),
    "elman gelu": lambda: cells.Elman(5, 3, activation=nn.GELU()),
    "elman one": lambda: cells.Elman(5, 1),
    "elman norm": lambda: cells.Elman(5, 7, layer_norm=True),
    "lstm": lambda: cells.LSTM(5, 7),
    "lstm wide": lambda: cells.LSTM(5, 32),
    "lstm one": lambda: cells.LSTM(5, 1),
    "lstm projected": lambda: cells.LSTM(5, 7, proj_size=3),
    "lstm norm": lambda: cells.LSTM(5, 7, layer_norm=True),
    "gru": lambda: cells.GRU(5, 7),
    "gru before": lambda: cells.GRU(5, 7, reset="before"),
    "gru norm": lambda: cells.GRU(5, 7, reset="before", layer_norm=True),
    "zoneout": lambda: ostinato.Zoneout(cells.LSTM(5, 7), (0.2, 0.3)).eval(),
    "recurrent dropout": lambda: ostinato.RecurrentDropout(cells.LSTM(5, 7), 0.4),
    "normed output": lambda: ostinato.LayerNorm(cells.GRU(5, 7), 7),
    "every state": lambda: ostinato.EmitState(cells.LSTM(5, 7)),
    "lstm cell": lambda: ostinato.Recurrence(nn.LSTMCell(5, 7), (7, 7)),
    "gru cell": lambda: ostinato.Recurrence(nn.GRUCell(5, 7), 7),
    "recurrent": lambda: ostinato.Recurrent(7, nn.Linear(5, 7), nn.Linear(7, 7)),
}
STEPS, BATCH = 6, 4


def ragged() -> Tensor:
    """A mask with gaps, an empty row and a full one."""
    mask = torch.rand(STEPS, BATCH) < 0.6
    mask[:, 0], mask[:, 1] = False, True
    return mask


OPTIONS: dict[str, Callable[[], dict[str, object]]] = {
    "plain": dict,
    "reverse": lambda: {"reverse": True},
    "lengths": lambda: {"lengths": [3, 0, 6, 1]},
    "mask": lambda: {"mask": ragged()},
    "mask reverse": lambda: {"mask": ragged(), "reverse": True},
    "resets": lambda: {"resets": torch.rand(STEPS, BATCH) < 0.3},
    "all": lambda: {"mask": ragged(), "resets": torch.rand(STEPS, BATCH) < 0.3, "reverse": True},
}


@pytest.fixture(params=list(CELLS))
def cell(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(3)
    return CELLS[request.param]()


def given_state(cell: nn.Module, batch: int, dtype: torch.dtype) -> object:
    """A state that is not the initial one, with gradients."""

    def leaf(t: Tensor) -> Tensor:
        return (
            torch.randn(t.shape, dtype=dtype).mul(0.3).requires_grad_()
            if t.is_floating_point()
            else t
        )

    made = cell.initial_state(batch, dtype=dtype)
    return ostinato._tree.map(leaf, made)


@pytest.mark.parametrize("option", list(OPTIONS))
def test_equal_to_eager(cell: nn.Module, option: str) -> None:
    cell.double()
    xs = torch.randn(STEPS, BATCH, 5, dtype=torch.float64, requires_grad=True)
    assert_equal(cell, xs, given_state(cell, BATCH, torch.float64), **OPTIONS[option]())


def test_float32(cell: nn.Module) -> None:
    xs = torch.randn(STEPS, BATCH, 5, requires_grad=True)
    assert_equal(cell, xs, given_state(cell, BATCH, torch.float32))


@pytest.mark.parametrize(("steps", "batch"), [(1, 3), (5, 1), (1, 1), (3, 19)])
def test_sizes(cell: nn.Module, steps: int, batch: int) -> None:
    cell.double()
    xs = torch.randn(steps, batch, 5, dtype=torch.float64, requires_grad=True)
    assert_equal(cell, xs, given_state(cell, batch, torch.float64))


def test_no_grad(cell: nn.Module) -> None:
    cell.double()
    xs = torch.randn(STEPS, BATCH, 5, dtype=torch.float64)
    state = given_state(cell, BATCH, torch.float64)
    for option in OPTIONS.values():
        chosen = option()
        with torch.no_grad():
            assert_equal(cell, xs, state, **chosen)
