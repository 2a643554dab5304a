"""Times by layer, of what really runs."""

import pytest
import torch
from torch import nn

from ostinato import Sequencer, Stack, cells, explain, unroll
from ostinato.errors import ArgumentError
from ostinato.train import profile


def test_a_model_that_is_unrolled() -> None:
    model, ids = Stack(nn.Embedding(7, 4), cells.LSTM(4, 8), nn.Linear(8, 7)), torch.zeros(5, 2)
    before = str(explain(model, ids.long()))
    found = profile(lambda: unroll(model, ids.long()), model=model)
    assert [layer.kind for layer in found.layers] == ["Embedding", "LSTM", "Linear"]
    assert all(layer.calls == 1 and layer.backward > 0 for layer in found.layers)
    # no hook is left, which would keep a backend from running the cell
    assert str(explain(model, ids.long())) == before


def test_a_plain_model_with_one_slow_layer() -> None:
    model = nn.Sequential(nn.Linear(2, 1000), nn.Linear(1000, 1000), nn.Linear(1000, 2))
    found = profile(model, torch.randn(300, 2))
    assert found["1"].forward > found["2"].forward
    assert found["1"].backward > found["0"].backward
    assert found[""].forward >= sum(found[name].forward for name in "012")


def test_gradients_stay_and_shared_modules_count_each_call() -> None:
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.Tanh(), shared)
    shared.weight.grad = torch.ones(3, 3)
    found = profile(model, torch.randn(2, 3))
    assert found["0"].calls == 2
    assert torch.equal(shared.weight.grad, torch.ones(3, 3))
    assert shared.bias.grad is None


def test_a_function_has_to_say_its_model() -> None:
    model = Sequencer(cells.GRU(2, 3))
    with pytest.raises(ArgumentError, match=r"profile\(run, model=module\)"):
        profile(lambda xs: model(xs), torch.zeros(4, 1, 2))
