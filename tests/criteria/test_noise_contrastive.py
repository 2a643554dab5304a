"""NCELoss and AliasSampler, beside what tests/checklist/test_criteria.py asks of them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ostinato import cells, unroll
from ostinato.criteria import AliasSampler, MaskZeroCriterion, NCELoss, SequencerCriterion
from ostinato.errors import ArgumentError, ShapeError


def test_leading_dimensions_are_rows() -> None:
    made = NCELoss(4, torch.ones(9)).eval()
    h, targets = torch.randn(5, 3, 4), torch.randint(9, (5, 3))
    want = made(h.flatten(0, 1), targets.flatten())
    torch.testing.assert_close(made(h, targets), want)
    assert made.log_prob(h).shape == (5, 3, 9)


def test_it_goes_with_the_other_criteria() -> None:
    made, cell = NCELoss(4, torch.ones(9)), cells.GRU(3, 4)
    targets = torch.randint(9, (5, 3))
    ys, _ = unroll(cell, torch.randn(5, 3, 3), lengths=[5, 0, 2])
    mask = torch.arange(5)[:, None] < torch.tensor([5, 0, 2])
    for way in (
        MaskZeroCriterion(made)(ys, targets),
        MaskZeroCriterion(made)(ys, targets, mask=mask),
    ):
        way.backward(retain_graph=True)
        assert cell.weight_ih.grad.any()
    made.eval()
    torch.testing.assert_close(MaskZeroCriterion(made)(ys, targets), made(ys[mask], targets[mask]))
    SequencerCriterion(made)(ys, targets, mask=mask).backward()


@pytest.mark.parametrize("per_row", [False, True])
def test_a_sparse_gradient_is_that_of_the_dense_layer(per_row: bool) -> None:
    dense = NCELoss(4, torch.rand(50), 7, per_row=per_row)
    sparse = NCELoss(4, torch.ones(50), 7, per_row=per_row, sparse=True)
    sparse.load_state_dict(dense.state_dict())
    h, targets = torch.randn(6, 4), torch.randint(50, (6,))
    for made in (dense, sparse):
        torch.manual_seed(1)
        made(h, targets).backward()
    assert sparse.weight.grad.is_sparse
    torch.testing.assert_close(sparse.weight.grad.to_dense(), dense.weight.grad)
    torch.testing.assert_close(sparse.bias.grad, dense.bias.grad)
    before = sparse.weight.detach().clone()
    torch.optim.SGD(sparse.parameters(), lr=0.1).step()
    torch.testing.assert_close(sparse.weight, before - 0.1 * dense.weight.grad)


def test_extreme_scores_stay_finite() -> None:
    """In logarithms no eps is needed where a probability rounds to 0 or to infinity."""
    made = NCELoss(1, torch.ones(4), 8)
    with torch.no_grad():
        made.weight.copy_(torch.tensor([[1e4], [-1e4], [0.0], [1e3]]))
    h = torch.ones(4, 1, requires_grad=True)
    loss = made(h, torch.arange(4))
    loss.backward()
    assert loss.isfinite()
    assert h.grad.isfinite().all()


def test_a_target_that_is_never_noise_costs_nothing() -> None:
    """Its count is 0, so the noise distribution cannot have made it."""
    made = NCELoss(3, torch.tensor([0.0, 1.0]), 2)
    alone = made(torch.zeros(1, 3), torch.tensor([0]))
    # what is left is the noise, of class 1: ln(1 + Pm / (k Pn)) for each of 2
    want = 2 * torch.log1p(torch.tensor(0.5 / 2))
    torch.testing.assert_close(alone, want)


def test_copies_and_checkpoints_keep_all() -> None:
    made = NCELoss(3, torch.rand(6) + 0.1, 4, z=None, per_row=True)
    made(torch.randn(2, 3), torch.tensor([1, 5]))
    twin = copy.deepcopy(made)
    again = NCELoss(3, torch.ones(6), 4)
    again.load_state_dict(made.state_dict())
    for other in (twin, again):
        assert torch.equal(other.noise.keep, made.noise.keep)
        assert torch.equal(other.log_noise, made.log_noise)
        assert torch.equal(other.log_z, made.log_z)


def test_equal_weights_may_round_to_less_than_a_box() -> None:
    for count in range(1, 120):
        weights = torch.full((count,), 0.1, dtype=torch.float64)
        sampler = AliasSampler(weights)
        share = sampler.keep.double()
        mass = share.index_add(0, sampler.alias, 1 - share)
        torch.testing.assert_close(mass, torch.ones(count, dtype=torch.float64), rtol=0, atol=1e-6)


def test_the_same_seed_draws_the_same_noise() -> None:
    sampler = AliasSampler(torch.rand(100))
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(sampler(4, 5))
    assert torch.equal(*drawn)
    assert drawn[0].dtype == torch.int64
    assert sampler().shape == ()
    assert isinstance(sampler.double()(3), torch.Tensor)


def test_it_says_what_it_is() -> None:
    said = repr(NCELoss(3, torch.ones(6), 4, z=None, per_row=True, sparse=True))
    assert "3, 6 classes, num_noise=4, z=None, per_row=True, sparse=True" in said
    assert NCELoss(3, torch.ones(6), device="meta").noise.keep.is_meta


@pytest.mark.parametrize(
    ("counts", "got"),
    [
        (torch.ones(2, 2), r"\[2, 2\]"),
        (torch.tensor([1.0, -1.0]), "-1.0 to 1.0"),
        (torch.tensor([1.0, float("nan")]), "nan"),
        (torch.zeros(3), "0.0 to 0.0"),
        (torch.zeros(0), "no number"),
    ],
)
def test_wrong_counts_are_refused(counts: torch.Tensor, got: str) -> None:
    with pytest.raises(ArgumentError, match=rf"weights: wanted a vector.*{got}.*bincount"):
        AliasSampler(counts)
    with pytest.raises(ArgumentError, match=rf"counts: wanted a vector.*{got}"):
        NCELoss(3, counts)


def test_other_wrong_arguments_are_refused() -> None:
    counts = torch.ones(5)
    for z in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match=r"z: wanted a positive number, or None"):
            NCELoss(3, counts, z=z)
    with pytest.raises(ArgumentError, match="num_noise"):
        NCELoss(3, counts, 0)
    with pytest.raises(ArgumentError, match="input_size"):
        NCELoss(0, counts)
    made = NCELoss(3, counts)
    for h, targets in ((torch.ones(2, 4), [0, 1]), (torch.ones(2, 3), [0])):
        with pytest.raises(ShapeError, match=r"h: wanted \[\.\.\., 3\].*one target"):
            made(h, torch.tensor(targets))
    with pytest.raises(IndexError):
        made(torch.ones(1, 3), torch.tensor([5]))
    with pytest.raises(IndexError):
        nn.CrossEntropyLoss()(made.eval().log_prob(torch.ones(1, 3)), torch.tensor([5]))
