"""Attention and REINFORCE: rows 57 to 60 of the checklist."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Gamma, Normal, OneHotCategorical

from conformance.golden import check_gradients, close, fill, load, tensor
from ostinato import Recurrent, cells
from ostinato.attention import ClassReward, RecurrentAttention, Reinforce, glimpse, reinforce_loss

B, N = 6, 4
REWARD = torch.linspace(-1, 2, B, dtype=torch.float64)
"""Per row, as a mean over the batch has it: the original's reward times B."""


def gradients(module: Reinforce, *parameters: Tensor) -> tuple[Tensor, list[Tensor]]:
    """What was drawn, and the gradient of each parameter of the distribution."""
    leaves = [p.detach().requires_grad_() for p in parameters]
    drawn = module(leaves[0] if len(leaves) == 1 else tuple(leaves))
    assert not drawn.value.requires_grad
    loss = reinforce_loss(B * REWARD, drawn.log_prob)
    return drawn.value, list(torch.autograd.grad(loss, leaves))


def positive(*size: int) -> Tensor:
    return torch.rand(size, dtype=torch.float64) * 0.8 + 0.1


def test_row_57_normal() -> None:
    mean, std = torch.randn(B, N, dtype=torch.float64), positive(B, N)
    reward = REWARD[:, None]
    x, (d_mean,) = gradients(Reinforce(partial(Normal, scale=0.3)), mean)
    torch.testing.assert_close(d_mean, -reward * (x - mean) / 0.3**2)
    x, (d_mean, d_std) = gradients(Reinforce(lambda p: Normal(*p)), mean, std)
    torch.testing.assert_close(d_mean, -reward * (x - mean) / std**2)
    torch.testing.assert_close(d_std, -reward * ((x - mean) ** 2 - std**2) / std**3)


def test_row_57_bernoulli() -> None:
    p = positive(B, N)
    x, (dp,) = gradients(Reinforce(Bernoulli), p)
    assert set(x.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(dp, -REWARD[:, None] * (x - p) / (p * (1 - p)))


def test_row_57_categorical() -> None:
    """One-hot samples; through a softmax the gradient is that of the original's x / p."""
    scores = torch.randn(B, N, dtype=torch.float64, requires_grad=True)
    p = scores.softmax(-1)
    drawn = Reinforce(OneHotCategorical)(p)
    x = drawn.value
    assert torch.equal(x.sum(-1), torch.ones(B, dtype=torch.float64))
    (got,) = torch.autograd.grad(
        reinforce_loss(B * REWARD, drawn.log_prob), scores, retain_graph=True
    )
    (want,) = torch.autograd.grad(p, scores, -REWARD[:, None] * x / p)
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(got, -REWARD[:, None] * (x - p.detach()))


def test_row_57_gamma() -> None:
    shape, scale = 3 * positive(B, N), positive(B, N)
    module = Reinforce(lambda p: Gamma(p[0], 1 / p[1]))
    x, (d_shape, d_scale) = gradients(module, shape, scale)
    reward = REWARD[:, None]
    want = x.log() - torch.special.digamma(shape) - scale.log()
    torch.testing.assert_close(d_shape, -reward * want)
    torch.testing.assert_close(d_scale, -reward * (x / scale**2 - shape / scale))
    torch.testing.assert_close(module.eval()((shape, scale)).value, shape * scale)


@pytest.mark.parametrize(
    ("distribution", "mean"),
    [
        (partial(Normal, scale=0.3), lambda p: p),
        (Bernoulli, lambda p: p),
        (OneHotCategorical, lambda p: p),
        (lambda p: Gamma(p, 1 / p), lambda p: p * p),
    ],
)
def test_row_57_evaluation_is_deterministic_unless_stochastic(distribution: Any, mean: Any) -> None:
    p = torch.rand(B, N).softmax(-1).requires_grad_()
    module = Reinforce(distribution).eval()
    value, log_prob = module(p)
    torch.testing.assert_close(value, mean(p.detach()))
    assert torch.equal(value, module(p).value)
    assert torch.equal(log_prob, torch.zeros(B))
    assert not value.requires_grad
    assert not torch.equal(module.train()(p).value, value)
    always = Reinforce(distribution, stochastic=True).eval()
    assert not torch.equal(always(p).value, value)
    assert always(p).log_prob.requires_grad


def test_row_57_the_entropy_of_choices_by_torch() -> None:
    """dpnn's CategoricalEntropy: the entropy of the mean distribution is raised."""
    scores = torch.randn(B, N, requires_grad=True)
    entropy = torch.distributions.Categorical(scores.softmax(-1).mean(0)).entropy()
    (-0.1 * entropy).backward()
    with torch.no_grad():
        raised = (scores - 1e-2 * scores.grad / scores.grad.norm()).softmax(-1).mean(0)
    assert torch.distributions.Categorical(raised).entropy() > entropy


def test_row_58_rewards_and_learned_baseline() -> None:
    """B.2: R = [2, 0], b = [.5, .25] give loss -1, rewards [.75, -.125], d_baseline [-1.5, .25]."""
    scores = torch.tensor([[0.1, 0.9], [0.8, 0.2]], requires_grad=True)
    targets = torch.tensor([1, 1])
    for baseline in (torch.tensor([0.5, 0.25]), torch.tensor([[0.5], [0.25]])):
        baseline.requires_grad_()
        log_prob = torch.randn(3, 2, requires_grad=True)  # of three decisions
        loss = ClassReward(scale=2)(scores, targets, log_prob, baseline)
        assert loss.item() == -1
        loss.backward()
        # to lower the loss is to raise log_prob by these rewards
        want = -torch.tensor([0.75, -0.125]).expand(3, 2)
        torch.testing.assert_close(log_prob.grad, want)
        torch.testing.assert_close(baseline.grad.flatten(), torch.tensor([-1.5, 0.25]))
    assert scores.grad is None


def test_row_58_binary_rewards() -> None:
    """dpnn's BinaryClassReward: a probability above 1/2 says class 1."""
    probabilities, targets = torch.tensor([0.7, 0.2, 0.9, 0.5]), torch.tensor([1, 0, 0, 1])
    log_prob = torch.zeros(4, requires_grad=True)
    baseline = torch.full((4,), 0.25, requires_grad=True)
    loss = ClassReward()(probabilities, targets, log_prob, baseline)
    assert loss.item() == -0.5
    loss.backward()
    reward = torch.tensor([1.0, 1.0, 0.0, 0.0])
    torch.testing.assert_close(log_prob.grad, -(reward - 0.25) / 4)
    torch.testing.assert_close(baseline.grad, 2 * (0.25 - reward) / 4)


class Both(nn.Module):
    """tanh(W x + V a) of a pair (x, a)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.x, self.a = nn.Linear(input_size, hidden_size), nn.Linear(2, hidden_size)

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        x, a = pair
        return torch.tanh(self.x(x) + self.a(a))


class Recorded(Normal):
    """A normal distribution that gives what was drawn when the numbers were recorded."""

    values: list[Tensor]

    def sample(self, *_: Any) -> Tensor:
        # the compiler looks at a step in a thread of its own, which must take nothing away
        looked_at = threading.current_thread() is not threading.main_thread()
        return self.values[0] if looked_at else self.values.pop(0)


class Cut(nn.Module):
    """The identity, without a gradient: the original drops that of an action."""

    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


def network(case: Any, *decide: nn.Module) -> RecurrentAttention:
    args = case["args"]
    rnn = Recurrent(
        args["H"], Both(args["I"], args["H"]), nn.Linear(args["H"], args["H"]), nn.Sigmoid()
    )
    action = nn.Sequential(nn.Linear(args["H"], 2), nn.Hardtanh(), *decide)
    made = RecurrentAttention(rnn, action, args["nStep"], args["H"])
    fill(made, case)
    return made


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=key) for key, case in load("recurrentattention").items()]
)
def test_row_59_golden_recurrent_attention(case: Any) -> None:
    reward = case["args"].get("reward")
    decide: nn.Module = Cut()
    if reward is not None:
        Recorded.values = [tensor(one) for one in case["reinforce_outputs"]]
        decide = Reinforce(partial(Recorded, scale=case["args"]["stdev"]))
    made = network(case, decide)
    x = tensor(case["input"]).requires_grad_()
    ys, actions = made(x)
    close(ys, tensor(case["output"]))
    close(actions if reward is None else actions.value, tensor(case["actions"]))
    loss = (ys * tensor(case["gradOutput"])).sum()
    if reward is not None:
        # the original's reward is that of a row, ours a mean over the batch
        loss = loss + reinforce_loss(len(x) * tensor(reward), actions.log_prob)
    loss.backward()
    assert x.grad is not None
    close(x.grad, tensor(case["gradInput"]))
    for p in made.parameters():
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    check_gradients(made, case["gradParams"], case)


def locating(num_steps: int = 5) -> RecurrentAttention:
    rnn = Recurrent(7, Both(3, 7), nn.Linear(7, 7), nn.ReLU())
    locator = nn.Sequential(nn.Linear(7, 2), nn.Tanh(), Reinforce(partial(Normal, scale=0.2)))
    return RecurrentAttention(rnn, locator, num_steps, 7)


def test_row_59_steps_and_actions() -> None:
    made = locating()
    x = torch.randn(4, 3)
    ys, actions = made(x)
    assert ys.shape == (5, 4, 7)
    assert actions.value.shape == (5, 4, 2)
    assert actions.log_prob.shape == (5, 4)
    made.eval()
    ys, actions = made(x)
    rnn, locator, h, state = made.cell.rnn, made.cell.action, torch.zeros(4, 7), None
    for t in range(5):  # what the docstring says
        state = rnn.initial_state(4) if state is None else state
        action, _ = locator(h, ())
        h, state = rnn((x, action.value), state)
        torch.testing.assert_close(ys[t], h)
        torch.testing.assert_close(actions.value[t], action.value)
    assert torch.equal(made(x)[0], ys)  # nothing is remembered


def test_row_59_the_locator_learns_by_reward_only() -> None:
    made = locating()
    locator, rnn = made.cell.action, made.cell.rnn
    head = nn.Linear(7, 10)
    targets = torch.randint(10, (4,))
    ys, actions = made(torch.randn(4, 3))
    nn.functional.cross_entropy(head(ys[-1]), targets).backward(retain_graph=True)
    assert not any(p.grad is not None and p.grad.any() for p in locator.parameters())
    assert all(p.grad is not None and p.grad.any() for p in rnn.input.parameters())
    reinforce_loss(torch.rand(4), actions.log_prob).backward()
    assert all(p.grad is not None and p.grad.any() for p in locator.parameters())


def test_row_59_backward_through_the_action() -> None:
    """An action that is not drawn gets the gradient of what it did, by finite differences."""
    rnn = Recurrent(3, Both(2, 3), nn.Linear(3, 3), nn.Tanh())
    made = RecurrentAttention(rnn, nn.Linear(3, 2), 4, 3).double()
    x = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    parameters = [*made.parameters()]

    def run(x: Tensor, *_: Tensor) -> tuple[Tensor, Tensor]:
        return made(x)

    assert torch.autograd.gradcheck(run, (x, *parameters), fast_mode=True)


def test_row_59_an_action_may_remember() -> None:
    """The original wraps rnn and action in Recursors: an action may be a cell."""
    rnn = Recurrent(3, Both(2, 3), nn.Linear(3, 3))
    made = RecurrentAttention(rnn, cells.GRU(3, 2), 4, 3)
    ys, actions = made(torch.randn(2, 2))
    assert (ys.shape, actions.shape) == ((4, 2, 3), (4, 2, 2))
    actions[-1].sum().backward()
    assert made.cell.action.weight_hh.grad.any()


IMAGE = torch.arange(36.0).reshape(1, 1, 6, 6)


def at(y: float, x: float) -> Tensor:
    return torch.tensor([[float(y), float(x)]])


def test_row_60_crops_at_the_centre_and_the_corners() -> None:
    """Patches of 3 x 3 out of 6 x 6, padded by 1: the corner patches look over the edge."""
    middle = glimpse(IMAGE, at(0, 0), 3)[0, 0]
    assert torch.equal(middle, IMAGE[0, 0, 1:4, 1:4])
    top_left = glimpse(IMAGE, at(-1, -1), 3)[0, 0]
    assert torch.equal(top_left, torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 6, 7]]))
    bottom_right = glimpse(IMAGE, at(1, 1), 3)[0, 0]
    assert torch.equal(bottom_right, torch.tensor([[28.0, 29, 0], [34, 35, 0], [0, 0, 0]]))
    # y comes first: this is the top right corner
    top_right = glimpse(IMAGE, at(-1, 1), 3)[0, 0]
    assert torch.equal(top_right, torch.tensor([[0.0, 0, 0], [4, 5, 0], [10, 11, 0]]))
    beyond = glimpse(IMAGE, at(-7, 3), 3)[0, 0]
    assert torch.equal(beyond, top_right)


def test_row_60_scales() -> None:
    """Each patch is twice as wide as the one before and averaged down; channels side by side."""
    images = torch.randn(5, 3, 12, 9)
    locations = torch.rand(5, 2) * 2 - 1
    got = glimpse(images, locations, (4, 3), depth=3, scale=2)
    assert got.shape == (5, 9, 4, 3)
    for b in range(5):
        for level in range(3):
            want = by_hand(images[b], locations[b], 4 * 2**level, 3 * 2**level)
            want = want.reshape(3, 4, 2**level, 3, 2**level).mean((2, 4))
            torch.testing.assert_close(got[b, 3 * level : 3 * level + 3], want)


def by_hand(image: Tensor, location: Tensor, height: int, width: int) -> Tensor:
    """B.4 in plain Python, a pixel at a time."""
    _, rows, columns = image.shape
    starts = []
    for place, length, size in zip(location, (rows, columns), (height, width), strict=True):
        pad = (size - 1) // 2
        room = length + 2 * pad - size
        start = ((place + 1) / 2 * room).clamp(0, room).floor()
        starts.append(int(start) - pad)
    out = torch.zeros(3, height, width)
    for i in range(height):
        for j in range(width):
            y, x = starts[0] + i, starts[1] + j
            if 0 <= y < rows and 0 <= x < columns:
                out[:, i, j] = image[:, y, x]
    return out


def test_row_60_gradients() -> None:
    """Exact for the images, zero for the locations."""
    images = torch.randn(2, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    locations = torch.tensor([[0.2, -0.9], [1.0, 0.4]], dtype=torch.float64, requires_grad=True)

    def look(images: Tensor) -> Tensor:
        return glimpse(images, locations, 2, depth=2)

    assert torch.autograd.gradcheck(look, images)
    (none,) = torch.autograd.grad(
        look(images).sum(), locations, allow_unused=True, materialize_grads=True
    )
    assert not none.any()
