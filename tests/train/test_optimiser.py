"""torch's optimisers by name, with decay on matrices only."""

import pytest
import torch
from torch import nn

from ostinato.errors import ArgumentError
from ostinato.train import TrainSettings
from ostinato.train.optimiser import OPTIMISERS, clip_gradients, make_optimiser

PLAIN = {
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.1),
    "adam": lambda groups: torch.optim.Adam(groups, lr=0.1),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=0.1),
}


def stepped(optimiser: torch.optim.Optimizer, module: nn.Module) -> list[torch.Tensor]:
    for _ in range(3):
        optimiser.zero_grad()
        module(torch.ones(2, 3)).square().sum().backward()
        optimiser.step()
    return [p.detach().clone() for p in module.parameters()]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_update_is_that_of_torch(name: str) -> None:
    module, twin = nn.Linear(3, 2), nn.Linear(3, 2)
    twin.load_state_dict(module.state_dict())
    settings = TrainSettings(optimiser=name, lr=0.1, weight_decay=0.2)
    groups = [
        {"params": [twin.weight], "weight_decay": 0.2},
        {"params": [twin.bias], "weight_decay": 0.0},
    ]
    found = stepped(make_optimiser(module, settings), module)
    torch.testing.assert_close(found, stepped(PLAIN[name](groups), twin))


def test_only_matrices_decay() -> None:
    groups = make_optimiser(nn.LSTM(3, 2), TrainSettings(weight_decay=0.3)).param_groups
    decays = {p.dim(): group["weight_decay"] for group in groups for p in group["params"]}
    assert decays == {2: 0.3, 1: 0.0}


def test_frozen_parameters_are_left_out() -> None:
    module = nn.Linear(3, 2)
    module.bias.requires_grad_(False)
    groups = make_optimiser(module, TrainSettings()).param_groups
    assert [p for group in groups for p in group["params"]] == [module.weight]


def test_clipping_returns_the_norm_before() -> None:
    weight = nn.Parameter(torch.zeros(4))
    weight.grad = torch.full((4,), 3.0)
    assert clip_gradients([weight], 0).item() == 6.0
    assert clip_gradients([weight], 3.0).item() == 6.0
    assert weight.grad.norm().item() == pytest.approx(3.0, rel=1e-5)


def test_an_unknown_name() -> None:
    with pytest.raises(ArgumentError, match=r"optimiser: .*Did you mean adam"):
        TrainSettings(optimiser="adma")
