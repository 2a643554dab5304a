"""torch's optimisers by name, with decay on matrices only."""

from dataclasses import fields

import pytest
import torch
from torch import nn

from ostinato.errors import ArgumentError
from ostinato.train import TrainSettings
from ostinato.train.optimiser import (
    OPTIMISERS,
    RATES,
    clip_gradients,
    gradient_norm,
    limit_rows,
    make_optimiser,
)

PLAIN = {
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.1),
    "adam": lambda groups: torch.optim.Adam(groups, lr=0.1),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1),
    "momentum": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9),
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


def test_clipping_leaves_the_norm_before() -> None:
    weight = nn.Parameter(torch.zeros(4))
    weight.grad = torch.full((4,), 3.0)
    norm = gradient_norm([weight, nn.Parameter(torch.zeros(2))])
    assert norm.item() == 6.0
    clip_gradients([weight], 0, norm)
    assert weight.grad.norm().item() == 6.0
    clip_gradients([weight], 3.0, norm)
    assert norm.item() == 6.0
    assert weight.grad.norm().item() == pytest.approx(3.0, rel=1e-5)


def test_rows_of_matrices_are_limited() -> None:
    module = nn.Linear(2, 2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[3.0, 4.0], [0.6, 0.8]]))
        module.bias.copy_(torch.tensor([30.0, 40.0]))
    limit_rows(module.parameters(), 0)
    assert module.weight[0].norm().item() == pytest.approx(5)
    limit_rows(module.parameters(), 2)
    torch.testing.assert_close(module.weight, torch.tensor([[1.2, 1.6], [0.6, 0.8]]))
    assert module.bias.tolist() == [30, 40]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_each_has_its_own_defaults(name: str) -> None:
    first, second = make_optimiser(nn.Linear(3, 2), TrainSettings(optimiser=name)).param_groups
    assert first["lr"] == second["lr"] == RATES[name]
    assert first["weight_decay"] == (0.01 if name == "adamw" else 0.0)
    said = {field.name: field.metadata["help"] for field in fields(TrainSettings)}["lr"]
    assert name in said.split(f"{RATES[name]:g} for ")[1]


def test_an_unknown_name() -> None:
    with pytest.raises(ArgumentError, match=r"optimiser: .*Did you mean adam"):
        TrainSettings(optimiser="adma")
