"""The language model: its parts, and every cell by name."""

import pytest
import torch
from torch import nn

from ostinato import HeldDropout, _tree, cells, explain, unroll
from ostinato.cell import Cell
from ostinato.errors import ArgumentError
from ostinato.text import LanguageModel, ModelSettings
from ostinato.text.model import OneHot, redraw_masks

V = 11


def small(**changes: object) -> LanguageModel:
    plain = ModelSettings(size=6, embedding=4, input_dropout=0, dropout=0)
    return LanguageModel(V, plain.replace(**changes))


class Sum(Cell):
    """A cell of somebody else: y is twice as wide as the state."""

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(input_size, size))
        self.size = size

    def initial_state(self, batch_size, *, dtype=None, device=None):
        return torch.zeros(batch_size, self.size, dtype=dtype, device=device)

    def forward(self, x, state):
        state = torch.tanh(state + x @ self.weight)
        return torch.cat([state, -state], -1), state


def test_scores_of_the_next_token() -> None:
    model, ids = small(), torch.randint(V, (5, 3))
    scores, state = unroll(model, ids)
    assert scores.shape == (5, 3, V)
    one, _ = model(ids[0], model.initial_state(3))
    torch.testing.assert_close(one, scores[0])
    assert [leaf.shape for leaf in _tree.leaves(state)] == [(3, 6), (3, 6)]


def test_the_fast_backend_runs_every_layer() -> None:
    parts = str(explain(small(layers=2), torch.zeros(4, 2, dtype=torch.long))).splitlines()
    assert [line.split()[1] for line in parts if "LSTM" in line] != []
    assert not any("eager" in line for line in parts)


@pytest.mark.parametrize(
    "changes",
    [
        {"cell": "gru", "layers": 2},
        {"cell": "elman", "init": "identity"},
        {"cell": f"{__name__}:Sum", "layers": 2},
        {"cell": "torch.nn:LSTMCell"},
        {"cell": "torch.nn:GRUCell", "layers": 2},
        {"embedding": 0},
        {"tied": True},
        {"tied": True, "size": 4},
        {"layers": 3, "residual": True},
        {"layer_norm": True},
        {"init": "torch"},
        {"input_dropout": 0.2, "dropout": 0.5},
        {"dropout": 0.5, "held_dropout": False, "weight_drop": 0.3, "recurrent_dropout": 0.1},
        {"zoneout": 0.1},
    ],
    ids=str,
)
def test_every_kind_of_model_learns(changes: dict) -> None:
    model, ids = small(**changes), torch.randint(V, (5, 3))
    scores, _ = unroll(model, ids)
    scores.logsumexp(-1).sum().backward()
    assert scores.shape == (5, 3, V)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    model.eval()
    once, again = (unroll(model, ids)[0] for _ in range(2))
    assert torch.equal(once, again)


def test_tied_weights_are_one_parameter() -> None:
    model = small(tied=True, size=4)
    tables = [p for p in model.parameters() if p.shape == (V, 4)]
    assert len(tables) == 1
    assert len(model.state_dict()) > len(list(model.parameters()))


def test_one_hot_is_a_lookup() -> None:
    assert OneHot(3)(torch.tensor([[2, 0]])).tolist() == [[[0, 0, 1], [1, 0, 0]]]


def test_the_start_is_orthogonal_and_remembers() -> None:
    cell = next(part for part in small().modules() if isinstance(part, cells.LSTM))
    forget = cell.weight_hh[6:12]
    torch.testing.assert_close(forget @ forget.T, torch.eye(6))
    assert cell.bias_ih is not None
    assert cell.bias_ih[6:12].tolist() == [1.0] * 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": "lsmt"}, "Did you mean lstm"),
        ({"cell": "no.such:Cell"}, "Python finds no module no"),
        ({"cell": "torch.nn:LSTMSell"}, "The module torch.nn has no LSTMSell"),
        ({"cell": "torch.nn:Linear"}, "which makes a Linear"),
        ({"cell": "torch.nn:Flatten", "layer_norm": True}, "wanted a class that takes"),
        ({"tied": True, "embedding": 0}, "wanted an embedding"),
        ({"zoneout": 0.1, "recurrent_dropout": 0.1}, "either `zoneout` or `recurrent_dropout`"),
    ],
)
def test_what_does_not_fit_is_said(changes: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        small(**changes)


def test_masks_are_redrawn_and_values_kept() -> None:
    model = small(dropout=0.5, weight_drop=0.5)
    assert any(isinstance(part, HeldDropout) for part in model.modules())
    _, state = unroll(model, torch.randint(V, (5, 30)))
    fresh = redraw_masks(model, state)
    for old, new in zip(_tree.leaves(state), _tree.leaves(fresh), strict=True):
        assert torch.equal(old, new) == (old.dtype != torch.bool)
        assert old.shape == new.shape


def test_a_state_without_masks_is_the_same() -> None:
    model = small()
    state = model.initial_state(2)
    assert redraw_masks(model, state) is state
