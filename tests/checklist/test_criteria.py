"""Criteria: rows 52 to 56 of the checklist."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conformance.golden import close, load, tensor
from ostinato.criteria import (
    AliasSampler,
    NCELoss,
    RepeaterCriterion,
    SequencerCriterion,
    nce_loss,
    partial_cross_entropy,
)


def golden(name: str) -> list[Any]:
    return [pytest.param(case, id=key) for key, case in load(name).items()]


def inner(case: Any) -> nn.Module:
    return nn.MSELoss() if case["args"]["criterion"] == "MSE" else nn.NLLLoss()


def steps(given: Any) -> Any:
    """A list of steps as a list, where the case has one; numbers are targets from 1."""
    if not isinstance(given, list):
        return tensor(given)
    return [torch.tensor(one - 1) if isinstance(one, int) else tensor(one) for one in given]


def check_golden(criterion: nn.Module, case: Any) -> None:
    """The loss and its gradient, of a list and of a tensor."""
    inputs, targets = steps(case["input"]), steps(case["target"])
    joined = torch.stack(inputs) if isinstance(inputs, list) else inputs
    for kind in ("as given", "tensor", "list"):
        leaf = joined.clone().requires_grad_()
        given = leaf
        if kind == "list" or (kind == "as given" and isinstance(inputs, list)):
            given = list(leaf.unbind(0))
        loss = criterion(given, targets)
        close(loss, torch.tensor(case["loss"], dtype=torch.float64))
        loss.backward()
        assert leaf.grad is not None
        close(leaf.grad, tensor(case["gradInput"]))


@pytest.mark.parametrize("case", golden("sequencercriterion"))
def test_row_52_golden_sequencer_criteria(case: Any) -> None:
    reduction = "mean" if case["args"].get("sizeAverage") else "sum"
    check_golden(SequencerCriterion(inner(case), reduction), case)


def test_row_52_sum_or_mean_over_time() -> None:
    ones, zeros = torch.ones(2, 3, 4), torch.zeros(2, 3, 4)
    assert SequencerCriterion(nn.MSELoss())(ones, zeros).item() == 2
    assert SequencerCriterion(nn.MSELoss(), "mean")(ones, zeros).item() == 1
    assert SequencerCriterion(nn.MSELoss())(list(ones), list(zeros)).item() == 2


@pytest.mark.parametrize("case", golden("repeatercriterion"))
def test_row_53_golden_repeater_criteria(case: Any) -> None:
    check_golden(RepeaterCriterion(inner(case)), case)


def test_row_53_one_target_for_all_steps() -> None:
    scores, target = torch.randn(4, 3, 5), torch.randint(5, (3,))
    want = sum(F.cross_entropy(score, target) for score in scores)
    torch.testing.assert_close(RepeaterCriterion(nn.CrossEntropyLoss())(scores, target), want)
    mean = RepeaterCriterion(nn.CrossEntropyLoss(), "mean")(scores, target)
    torch.testing.assert_close(mean, want / 4)


def test_row_54_losses_by_torch() -> None:
    """MSE, NLL, cross-entropy, MinPy's l2_loss and softmax losses, in closed form."""
    x, y = torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert F.mse_loss(x, y).item() == (0 + 4 + 9 + 16) / 4
    assert F.mse_loss(x, y, reduction="sum").item() / len(x) == 29 / 2  # l2_loss
    targets = torch.tensor([1, 0])
    log_probabilities = x.log_softmax(-1)
    want = (math.log1p(math.exp(-1)) + math.log1p(math.exp(2))) / 2
    assert math.isclose(F.nll_loss(log_probabilities, targets).item(), want, rel_tol=1e-6)
    assert math.isclose(F.cross_entropy(x, targets).item(), want, rel_tol=1e-6)
    one_hot = F.one_hot(targets, 2).float()  # MinPy takes these too, and so does torch
    assert math.isclose(F.cross_entropy(x, one_hot).item(), want, rel_tol=1e-6)
    assert F.mse_loss(one_hot, y, reduction="sum").item() / 2 == 2  # 1-D labels of l2_loss


def test_row_55_partial_cross_entropy() -> None:
    scores = torch.randn(6, 10, requires_grad=True)
    classes = torch.tensor([7, 2, 3, 9])
    targets = torch.tensor([2, 9, 9, 7, 3, 2])
    loss = partial_cross_entropy(scores, targets, classes)
    places = torch.tensor([1, 3, 3, 0, 2, 1])
    torch.testing.assert_close(loss, F.cross_entropy(scores[:, classes], places))
    loss.backward()
    others = torch.ones(10, dtype=torch.bool)
    others[classes] = False
    assert not scores.grad[:, others].any()
    # with all classes it is the cross-entropy itself: the original's resetPartition()
    torch.testing.assert_close(
        partial_cross_entropy(scores, targets, range(10)), F.cross_entropy(scores, targets)
    )


def test_row_56_the_published_example() -> None:
    target, noise = torch.tensor([0.5]).log(), torch.tensor([[0.1, 0.2]]).log()
    loss = nce_loss(target, noise, torch.tensor([0.25]).log(), torch.tensor([[0.3, 0.4]]).log())
    assert abs(loss.item() - 1.07044) < 5e-6


def test_row_56_loss_and_gradients_of_noise_contrastive_estimation() -> None:
    """The formulae of dpnn's NCECriterion, whose eps is not needed here."""
    drawn = torch.rand(3, 5, dtype=torch.float64) * 0.9 + 0.05
    target, noise = drawn[:, 0].clone().requires_grad_(), drawn[:, 1:3].clone().requires_grad_()
    target_noise, noise_noise, k = drawn[:, 0] / 2, drawn[:, 3:], 2
    loss = nce_loss(target.log(), noise.log(), target_noise.log(), noise_noise.log())
    found = (target / (target + k * target_noise)).log().sum()
    taken = (k * noise_noise / (noise + k * noise_noise)).log().sum()
    torch.testing.assert_close(loss, -(found + taken) / 3)
    loss.backward()
    want = -k * target_noise / ((target + k * target_noise) * target) / 3
    torch.testing.assert_close(target.grad, want.detach())
    torch.testing.assert_close(noise.grad, (1 / (noise + k * noise_noise) / 3).detach())


def nce(**options: Any) -> tuple[NCELoss, Tensor, Tensor]:
    """A layer of 50 classes, with 6 rows for it."""
    made = NCELoss(4, torch.rand(50) + 0.1, **options).double()
    return made, torch.randn(6, 4, dtype=torch.float64), torch.randint(50, (6,))


def test_row_56_starts_out_normalised() -> None:
    made, h, _ = nce()
    torch.testing.assert_close(
        made.bias, torch.full_like(made.bias, -math.log(50)), rtol=0, atol=1e-6
    )
    assert made.weight.abs().max() <= 0.5  # 1 / sqrt(4)
    assert made.weight.abs().max() > 0.45
    z = (0 * h @ made.weight.T + made.bias).exp().sum(-1)
    torch.testing.assert_close(z, torch.ones_like(z))


def test_row_56_evaluation_is_the_full_softmax() -> None:
    made, h, targets = nce()
    logs = made.log_prob(h)
    torch.testing.assert_close(logs.exp().sum(-1), torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(logs, (h @ made.weight.T + made.bias).log_softmax(-1))
    torch.testing.assert_close(made.eval()(h, targets), F.nll_loss(logs, targets))


@pytest.mark.parametrize("per_row", [False, True])
def test_row_56_training_draws_noise_for_the_batch_or_for_each_row(per_row: bool) -> None:
    made, h, targets = nce(num_noise=7, per_row=per_row)
    drawn: list[Tensor] = []
    made.noise.register_forward_hook(lambda _, __, out: drawn.append(out))
    loss = made(h, targets)
    assert drawn[0].shape == ((6, 7) if per_row else (7,))
    ids = drawn[0].expand(6, 7)
    scores = h @ made.weight.T + made.bias
    target, noise = scores.gather(1, targets[:, None])[:, 0], scores.gather(1, ids)
    torch.testing.assert_close(
        loss, nce_loss(target, noise, made.log_noise[targets], made.log_noise[ids])
    )
    loss.backward()
    used = torch.zeros(50, dtype=torch.bool)
    used[targets] = used[ids.flatten()] = True
    assert not made.weight.grad[~used].any()
    assert made.weight.grad[used].any(-1).all()


def test_row_56_z_is_estimated_from_the_first_batch() -> None:
    made, h, targets = nce(num_noise=7, z=None)
    drawn: list[Tensor] = []
    made.noise.register_forward_hook(lambda _, __, out: drawn.append(out))
    made(h, targets)
    scores = (h @ made.weight.T + made.bias).detach()
    want = scores[:, drawn[0]].exp().mean() * 50
    torch.testing.assert_close(made.log_z.exp(), want)
    made(2 * h, targets)
    torch.testing.assert_close(made.log_z.exp(), want)  # and stays
    again = NCELoss(4, torch.ones(50), 7, z=None).double()
    again.load_state_dict(made.state_dict())
    torch.testing.assert_close(again.log_z.exp(), want)


def test_row_56_with_much_noise_its_gradient_is_that_of_the_softmax() -> None:
    made, h, targets = nce(num_noise=400_000)
    h, targets = h[:1], targets[:1]
    made.log_z.copy_((h @ made.weight.T + made.bias).exp().sum().log())
    want = torch.autograd.grad(made.eval()(h, targets), [made.weight, made.bias])
    got = torch.autograd.grad(made.train()(h, targets), [made.weight, made.bias])
    for a, b in zip(got, want, strict=True):
        # the noise of 400 000 draws of 50 classes is about sqrt(50 / 400 000) of each probability
        assert (a - b).abs().max() < 0.02 * b.abs().max()


def test_row_56_alias_sampling_is_exact() -> None:
    for weights in (
        torch.arange(7.0),
        torch.ones(5),
        torch.tensor([1.0]),
        torch.tensor([0.0, 3.0, 0.0]),
        1 / torch.arange(1, 1001).double(),
        torch.rand(999) ** 8,
    ):
        sampler = AliasSampler(weights)
        mass = sampler.keep.double()
        mass = mass.index_add(0, sampler.alias, 1 - mass) / len(weights)
        # the shares are kept in float32
        torch.testing.assert_close(
            mass, weights.double() / weights.double().sum(), rtol=0, atol=1e-7
        )


def test_row_56_alias_samples_have_the_frequencies() -> None:
    weights = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0])
    drawn = AliasSampler(weights)(200, 500)
    assert drawn.shape == (200, 500)
    share = drawn.flatten().bincount(minlength=5) / drawn.numel()
    assert share[0] == 0
    # 100 000 draws: one standard deviation is at most 0.0016
    torch.testing.assert_close(share, weights / 10, rtol=0, atol=0.008)


def test_row_56_a_language_model_learns_by_it() -> None:
    """The exact cross-entropy falls to the entropy of the data while only noise is scored."""
    table = torch.randint(30, (30,))  # each class is followed by one other
    embedding, made = nn.Embedding(30, 16), NCELoss(16, torch.ones(30), 20)
    parameters = [*embedding.parameters(), *made.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=0.05)
    seen = torch.arange(30)
    before = made.eval()(embedding(seen), table[seen]).item()
    made.train()
    for _ in range(200):
        optimiser.zero_grad()
        made(embedding(seen), table[seen]).backward()
        optimiser.step()
    after = made.eval()(embedding(seen), table[seen]).item()
    assert before > 3
    assert after < 0.1


def test_row_56_adaptive_softmax_by_torch() -> None:
    layer = nn.AdaptiveLogSoftmaxWithLoss(64, 100, cutoffs=[10, 40])
    h, targets = torch.randn(5, 64), torch.randint(100, (5,))
    logs = layer.log_prob(h)
    torch.testing.assert_close(logs.exp().sum(-1), torch.ones(5))
    torch.testing.assert_close(layer(h, targets).loss, F.nll_loss(logs, targets))
