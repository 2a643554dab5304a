"""Attention, beside what tests/checklist/test_reinforce.py asks of it."""

from __future__ import annotations

import pickle
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, MultivariateNormal, Normal

from ostinato import Recurrence, Recurrent
from ostinato.attention import (
    ClassReward,
    RecurrentAttention,
    Reinforce,
    Sample,
    glimpse,
    reinforce_loss,
)
from ostinato.errors import ArgumentError, ShapeError


def test_log_prob_is_that_of_the_whole_row() -> None:
    mean = torch.randn(4, 2, 3)
    value, log_prob = Reinforce(partial(Normal, scale=0.5))(mean)
    torch.testing.assert_close(log_prob, Normal(mean, 0.5).log_prob(value).sum((1, 2)))
    p = torch.rand(4)  # one number a row
    value, log_prob = Reinforce(Bernoulli)(p)
    torch.testing.assert_close(log_prob, Bernoulli(p).log_prob(value))
    joint = Reinforce(lambda mean: MultivariateNormal(mean, torch.eye(3)))
    assert joint(torch.randn(4, 3)).log_prob.shape == (4,)


def test_a_module_without_a_lambda_can_be_saved() -> None:
    module = Reinforce(partial(Normal, scale=0.5), stochastic=True)
    again = pickle.loads(pickle.dumps(module))
    assert "stochastic=True" in repr(again)
    assert again(torch.zeros(2, 1)).value.shape == (2, 1)


def test_policy_gradient_finds_the_best_arm() -> None:
    """A bandit with one good arm of four: the loss raises its probability."""
    scores = nn.Parameter(torch.zeros(4))
    choose = Reinforce(lambda s: torch.distributions.OneHotCategorical(logits=s))
    optimiser = torch.optim.SGD([scores], lr=1.0)
    for _ in range(60):
        arm, log_prob = choose(scores.expand(50, 4))
        reward = arm[:, 2]
        loss = reinforce_loss(reward, log_prob, torch.full((50,), 0.5))
        torch.testing.assert_close(loss, -reward.mean())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert scores.softmax(-1)[2] > 0.9


def test_the_baseline_learns_by_its_error_alone() -> None:
    reward, log_prob = torch.tensor([1.0, 0.0]), torch.zeros(2)
    baseline = torch.tensor([0.5, 0.5], requires_grad=True)
    reinforce_loss(reward, log_prob, baseline).backward()
    torch.testing.assert_close(baseline.grad, baseline.detach() - reward)


def test_a_reward_is_a_constant() -> None:
    reward = torch.ones(3, requires_grad=True)
    log_prob = torch.zeros(2, 3, requires_grad=True)
    reinforce_loss(reward, log_prob).backward()
    assert reward.grad is None
    assert torch.equal(log_prob.grad, torch.full((2, 3), -1 / 3))


class Looking(nn.Module):
    """Reads a patch of the image: (image, location) to 6 features."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(2 * 9 + 2, 6)

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        images, location = pair
        seen = glimpse(images, location, 3, depth=2).flatten(1)
        return self.map(torch.cat([seen, location], -1)).relu()


def test_a_recurrent_visual_attention_model_learns() -> None:
    """Which side of the image is lit, seen through patches: better than chance by far."""
    rnn = Recurrent(6, Looking(), nn.Linear(6, 6), nn.ReLU())
    locator = nn.Sequential(nn.Linear(6, 2), nn.Hardtanh(), Reinforce(partial(Normal, scale=0.2)))
    attention, head = RecurrentAttention(rnn, locator, 4, 6), nn.Linear(6, 2)
    baseline = nn.Parameter(torch.zeros(1))
    parameters = [*attention.parameters(), *head.parameters(), baseline]
    optimiser = torch.optim.Adam(parameters, lr=0.02)
    reward = ClassReward()
    right = []
    for _ in range(80):
        targets = torch.randint(2, (40,))
        images = torch.zeros(40, 1, 8, 8)
        for image, target in zip(images, targets, strict=True):
            image[0, 3, 5 if target else 2] = 1
        ys, actions = attention(images)
        scores = head(ys[-1])
        loss = nn.functional.cross_entropy(scores, targets)
        loss = loss + reward(scores, targets, actions.log_prob, baseline.expand(40))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        right.append((scores.argmax(-1) == targets).float().mean().item())
    assert sum(right[-10:]) / 10 > 0.9
    # the baseline has come to expect that
    assert baseline.item() > 0.5


def test_x_may_be_a_tree() -> None:
    class Two(nn.Module):
        def forward(self, given: tuple[tuple[Tensor, Tensor], Tensor], h: Tensor) -> Tensor:
            (a, b), action = given
            return torch.tanh(a * b + action * h)

    made = RecurrentAttention(Recurrence(Two(), 3), nn.Linear(3, 3), 2, 3)
    ys, actions = made((torch.randn(4, 3), torch.randn(4, 3)))
    assert ys.shape == actions.shape == (2, 4, 3)
    assert "num_steps=2" in repr(made)


def test_patches_of_a_tiny_image() -> None:
    images = torch.ones(1, 2, 1, 1, requires_grad=True)
    for size in range(1, 5):
        got = glimpse(images, torch.zeros(1, 2), size, depth=2, scale=3)
        assert got.shape == (1, 4, size, size)
        torch.testing.assert_close(got[:, :2].sum(), torch.tensor(2.0))


def test_whole_image_scales_average() -> None:
    images = torch.randn(1, 1, 9, 9)
    got = glimpse(images, torch.zeros(1, 2), 3, depth=2, scale=3)
    torch.testing.assert_close(got[:, 1:], nn.functional.avg_pool2d(images, 3))


def test_wrong_arguments_are_refused() -> None:
    rnn = Recurrent(6, Looking(), nn.Linear(6, 6))
    images, locations = torch.zeros(2, 1, 8, 8), torch.zeros(2, 2)
    with pytest.raises(ArgumentError, match="num_steps"):
        RecurrentAttention(rnn, nn.Linear(6, 2), 0, 6)
    with pytest.raises(ArgumentError, match="hidden_size"):
        RecurrentAttention(rnn, nn.Linear(6, 2), 3, 0)
    with pytest.raises(ShapeError, match=r"hidden_size: wanted.*\[2, 6\], got 7"):
        RecurrentAttention(rnn, nn.Linear(7, 2), 3, 7)(images)
    with pytest.raises(ShapeError, match=r"images: wanted \[B, C, H, W\], got \[1, 8, 8\]"):
        glimpse(images[0], locations, 3)
    for wrong in (locations[:1], torch.zeros(2, 3), torch.zeros(2)):
        with pytest.raises(ShapeError, match=r"locations: wanted \[2, 2\]"):
            glimpse(images, wrong, 3)
    for options in ({"size": 0}, {"size": (3, 0)}, {"size": 2.0}, {"size": 3, "depth": 0}):
        with pytest.raises(ArgumentError, match="at least 1"):
            glimpse(images, locations, **options)
    with pytest.raises(ArgumentError, match="scale"):
        glimpse(images, locations, 3, scale=0)
    reward = torch.zeros(2)
    with pytest.raises(ShapeError, match=r"log_prob: wanted 2 rows.*\[3\]"):
        reinforce_loss(reward, torch.zeros(2, 3))
    with pytest.raises(ShapeError, match=r"baseline: wanted 2 rows.*\[1\]"):
        reinforce_loss(reward, torch.zeros(3, 2), torch.zeros(1))
    with pytest.raises(ShapeError, match=r"targets: wanted 2 rows.*\[3\]"):
        ClassReward()(torch.zeros(2, 5), torch.zeros(3), torch.zeros(2))
    assert isinstance(Reinforce(Bernoulli)(torch.ones(2)), Sample)
    assert "scale=2" in repr(ClassReward(2))
