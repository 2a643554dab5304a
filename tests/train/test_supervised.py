"""Any module and criterion as a task."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from ostinato.train import History, Solver, Supervised, TrainSettings


def test_batches_count_by_their_targets() -> None:
    inputs = torch.randn(7, 2)
    targets = torch.tensor([0, 1, 0, 1, 1, 0, 1])
    pairs = list(zip(inputs.split(3), targets.split(3), strict=True))
    model = nn.Linear(2, 2)
    task = Supervised(model, F.cross_entropy, pairs, kind="classification")
    found = task.validate()
    assert found["loss"] == pytest.approx(F.cross_entropy(model(inputs), targets).item())
    wanted = (model(inputs).argmax(1) == targets).float().mean().item()
    assert found["accuracy"] == pytest.approx(wanted)


def test_regression_has_a_loss_alone_and_leaves_the_mode() -> None:
    model = nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.5))
    pairs = [(torch.ones(4, 2), torch.zeros(4, 1))]
    task = Supervised(model, F.mse_loss, pairs)
    model.train()
    assert task.validate() == task.validate()
    assert list(task.validate()) == ["loss"]
    assert model.training


def test_batches_go_on_in_the_middle() -> None:
    pairs = [(torch.zeros(1), torch.tensor([float(i)])) for i in range(4)]
    task = Supervised(nn.Linear(1, 1), F.mse_loss, pairs)
    assert [targets.item() for _, targets in task.batches(0, 2)] == [2, 3]


def test_a_data_loader() -> None:
    inputs = torch.randn(20, 2)
    data = TensorDataset(inputs, inputs.sum(1, keepdim=True))
    task = Supervised(nn.Linear(2, 1), F.mse_loss, DataLoader(data, 5, shuffle=True))
    history = History()
    settings = TrainSettings(epochs=20, lr=0.05, validate_every=20)
    Solver(task, settings, report=history).fit()
    assert len(history["loss"]) == 80
    assert history["held_out_loss"][-1] < history["held_out_loss"][0] / 2
