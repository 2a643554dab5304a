"""Losses, figures and baselines, against what torch and pencil give."""

import math

import pytest
import torch
import torch.nn.functional as F

from ostinato.data import Batch, Samples
from ostinato.data.problems import adding, inverse_direct
from ostinato.tasks import Classification, Regression
from ostinato.tasks.aim import tell


def test_the_loss_of_numbers_is_their_mean_squared_error() -> None:
    batch = adding(20)
    ys = torch.randn(20, 1)
    assert Regression().loss(ys, batch) == F.mse_loss(ys, batch.targets)


def test_padding_does_not_count() -> None:
    batch = inverse_direct(50)
    ys = torch.randn_like(batch.targets)
    other = torch.where(batch.mask[..., None], ys, torch.nan)
    assert Regression().loss(other, batch) == Regression().loss(ys, batch)
    labels = Batch(batch.xs, torch.randint(3, batch.xs.shape[:2]), batch.lengths, per_step=True)
    scores = torch.randn(*batch.xs.shape[:2], 3)
    other = torch.where(batch.mask[..., None], scores, torch.nan)
    aim = Classification(("a", "b", "c"))
    assert aim.loss(other, labels) == aim.loss(scores, labels)
    flat = F.cross_entropy(scores[batch.mask], labels.targets[batch.mask])
    assert aim.loss(scores, labels) == flat


def test_the_baseline_of_numbers_is_the_mean_of_the_training_part() -> None:
    samples = Samples.of(adding(20_000))
    found = Regression().baseline(samples[:10_000], samples[10_000:])
    # the variance of the sum of two uniform numbers; its sampling error is about 0.002
    assert found["loss"] == pytest.approx(1 / 6, abs=0.006)


def test_figures_and_baseline_of_classes() -> None:
    samples = Samples.of(Batch(torch.zeros(1, 4, 1), torch.tensor([0, 1, 1, 2])))
    aim = Classification(("a", "b", "c"))
    outputs = torch.tensor([[2.0, 0, 0], [0, 2, 0], [2, 0, 0], [2, 0, 0]])
    found = aim.figures(outputs, samples)
    assert found["accuracy"] == 0.5
    assert found["loss"] == pytest.approx(F.cross_entropy(outputs, samples.targets).item())
    assert aim.confusion(outputs, samples).tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]
    assert aim.words(outputs) == ["a", "b", "a", "a"]
    assert aim.truth(samples) == ["a", "b", "b", "c"]
    baseline = aim.baseline(samples, samples)
    assert baseline["accuracy"] == 0.5  # always b
    chances = [2 / 7, 3 / 7, 2 / 7]  # one more of each
    wanted = -sum(map(math.log, (chances[0], chances[1], chances[1], chances[2]))) / 4
    assert baseline["loss"] == pytest.approx(wanted)


def test_accuracy_may_count_the_last_steps_only() -> None:
    targets = torch.tensor([[0, 0], [0, 1], [1, 1], [1, 1]])
    batch = Batch(torch.zeros(4, 2, 1), targets, torch.tensor([3, 4]), per_step=True)
    samples = Samples.of(batch)
    outputs = F.one_hot(torch.ones(7, dtype=torch.long), 2).float()  # always 1
    aim = Classification(("0", "1"), judged=2)
    # the last two steps are 0 1 in the first row, and 1 1 in the second
    assert aim.figures(outputs, samples)["accuracy"] == 0.75
    assert int(aim.confusion(outputs, samples).sum()) == 4
    assert aim.baseline(samples, samples)["accuracy"] == 0.75


def test_figures_in_words() -> None:
    assert tell({"loss": 0.0123456}) == "mean squared error 0.01235"
    assert tell({"loss": 0.5, "accuracy": 0.9}) == "accuracy 0.9000, cross-entropy 0.5000 nats"
