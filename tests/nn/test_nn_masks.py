"""Dropout between layers, recurrent dropout and zoneout: when, how much, and how long."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from beside_torch import Case, H, I, pair
from torch import nn

import ostinato
from ostinato import Recurrence, cells, unroll
from ostinato.nn import GRU, LSTM, RNN

NAMES = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["", "bi"])
def test_dropout_draws_as_torch_does(kind: str, bidirectional: bool) -> None:
    theirs, ours = pair(Case(kind, 3, bidirectional), dropout=0.4)
    x = torch.randn(6, 3, I, dtype=torch.float64)
    outputs = []
    for module in (theirs, ours):
        torch.manual_seed(2)
        outputs.append(module(x)[0])
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-12)
    assert not torch.allclose(ours(x)[0], outputs[0]), "drawn anew at each call"


def echo(input_size: int, hidden_size: int) -> nn.Module:
    """A layer that gives what it reads."""
    return nn.Identity()


def test_dropout_acts_between_layers_only() -> None:
    x = torch.ones(40, 25, 20)
    one, _ = RNN(20, 20, 1, cell=echo)(x)
    assert torch.equal(one, x)
    two, _ = RNN(20, 20, 2, dropout=0.25, cell=echo)(x)
    three, _ = RNN(20, 20, 3, dropout=0.25, cell=echo)(x)
    for y, times in ((two, 1), (three, 2)):
        assert y.unique().tolist() == pytest.approx([0.0, (1 / 0.75) ** times])
        kept = float((y != 0).double().mean())
        # 20 000 draws: five standard deviations are 0.018
        assert kept == pytest.approx(0.75**times, abs=0.018)
    evaluated, _ = RNN(20, 20, 3, dropout=0.25, cell=echo).eval()(x)
    assert torch.equal(evaluated, x)


def test_everything_dropped() -> None:
    layer = GRU(I, H, 2, dropout=1.0)
    x = torch.randn(4, 2, I)
    output = layer(x)[0]
    assert torch.equal(output, layer(x + 1)[0])
    assert not torch.equal(layer.eval()(x)[0], layer(x + 1)[0])


def test_dropout_may_be_changed_later() -> None:
    layer, x = RNN(20, 20, 2, dropout=0.25, cell=echo), torch.ones(5, 5, 20)
    layer.dropout = 0.0
    assert torch.equal(layer(x)[0], x)


def test_dropout_before_the_skip() -> None:
    """y = x + layer(x): what the layer gives is dropped, what it reads is not."""
    y, _ = RNN(20, 20, 2, dropout=0.5, residual=True, cell=echo)(torch.ones(10, 5, 20))
    # layer 0: 1 + (0 or 2); layer 1, the last one, doubles it
    assert y.unique().tolist() == [2.0, 6.0]


class Seen(nn.Module):
    """(x, h) -> x, noting the h that it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        self.log.append(h)
        return x


def test_the_mask_on_h_is_held_over_time_and_drawn_at_each_call() -> None:
    seen = Seen()
    layer = RNN(50, 50, recurrent_dropout=0.3, cell=lambda i, h: Recurrence(seen, h))
    steps, batch_size = 6, 40
    x, h = torch.ones(steps, batch_size, 50), torch.ones(1, batch_size, 50)
    patterns = []
    for hx in (None, h, h):
        seen.log.clear()
        # the definition, as a compiler would see the step but once
        with ostinato.backend("eager"):
            output, h_n = layer(x, hx)
        assert torch.equal(output, x), "what is given is not masked"
        assert torch.equal(h_n, h), "what is carried is not masked"
        read = torch.stack(seen.log)[0 if hx is not None else 1 :]
        assert torch.equal(read, read[:1].expand_as(read)), "one mask for all steps"
        assert read.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
        patterns.append(read[0] != 0)
        # 2 000 draws: five standard deviations are 0.051
        assert float(patterns[-1].double().mean()) == pytest.approx(0.7, abs=0.051)
    assert not torch.equal(patterns[0], patterns[1])
    assert not torch.equal(patterns[1], patterns[2])
    assert not torch.equal(patterns[0][0], patterns[0][1]), "one mask for each row"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{"recurrent_dropout": 0.4}, {"zoneout": 0.2}], ids=str)
def test_masks_are_for_training_only(name: str, options: dict[str, Any]) -> None:
    layer, x = NAMES[name](I, H, 2, bidirectional=True, **options), torch.randn(6, 3, I)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])
    plain = NAMES[name](I, H, 2, bidirectional=True)
    plain.load_state_dict(layer.state_dict())
    same = torch.allclose(plain(x)[0], layer(x)[0], atol=1e-6)
    assert same == ("recurrent_dropout" in options)  # zoneout takes the expectation instead


@pytest.mark.parametrize("name", NAMES)
def test_masks_equal_the_combinators_unrolled(name: str) -> None:
    layer = NAMES[name](I, H, recurrent_dropout=0.4, zoneout=0.2, dtype=torch.float64)
    cell = {"RNN": cells.Elman, "LSTM": cells.LSTM, "GRU": cells.GRU}[name](I, H).double()
    cell.load_state_dict({k.removesuffix("_l0"): p for k, p in layer.state_dict().items()})
    wrapped = ostinato.Zoneout(ostinato.RecurrentDropout(cell, 0.4), 0.2)
    x = torch.randn(6, 3, I, dtype=torch.float64)
    for training in (True, False):
        layer.train(training)
        wrapped.train(training)
        torch.manual_seed(1)
        got, _ = layer(x)
        torch.manual_seed(1)
        want, _ = unroll(wrapped, x)
        assert torch.equal(got, want)


def test_zoneout_has_a_probability_for_h_and_for_c() -> None:
    """With almost all of c kept and none of h, c hardly leaves its start."""
    layer = LSTM(I, H, zoneout=(0.0, 0.999999))
    h, c = torch.randn(1, 3, H), torch.randn(1, 3, H)
    output, (h_n, c_n) = layer(torch.randn(5, 3, I), (h, c))
    assert torch.equal(c_n, c)
    assert not torch.isclose(h_n, h).any()
    assert torch.equal(h_n[0], output[-1])


@pytest.mark.parametrize("name", NAMES)
def test_the_state_is_h_or_h_and_c_whatever_the_masks(name: str) -> None:
    layer = NAMES[name](I, H, 2, bidirectional=True, recurrent_dropout=0.4, zoneout=0.2)
    x = torch.randn(6, 3, I)
    for training in (True, False):
        layer.train(training)
        _, state = layer(x)
        _, state = layer(x, state, lengths=[6, 2, 0])
        found = state if name == "LSTM" else (state,)
        assert type(found) is tuple
        assert [leaf.shape for leaf in found] == [(4, 3, H)] * len(found)
    plain = NAMES[name](I, H, 2, bidirectional=True)
    assert list(layer.state_dict()) == list(plain.state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_carrying_the_state_goes_on_where_it_ended(name: str) -> None:
    options = {"recurrent_dropout": 0.4, "zoneout": 0.2, "layer_norm": True}
    layer = NAMES[name](I, H, 2, **options).eval()
    x = torch.randn(7, 3, I)
    want, last = layer(x)
    first, state = layer(x[:4])
    second, state = layer(x[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), want)
    torch.testing.assert_close(state, last)
