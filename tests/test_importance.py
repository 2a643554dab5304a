"""Shuffling along a dimension, and what a model loses by it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from ostinato import permutation_importance, shuffled
from ostinato.errors import ArgumentError


def test_a_generator_repeats_an_order() -> None:
    x = torch.arange(20.0).reshape(10, 2)
    first = shuffled(x, 0, generator=torch.Generator().manual_seed(3))
    state = torch.get_rng_state()
    again = shuffled(x, -2, generator=torch.Generator().manual_seed(3))
    assert torch.equal(first, again)
    assert torch.equal(state, torch.get_rng_state())


def test_gradients_go_back_to_where_values_came_from() -> None:
    x = torch.arange(6.0).reshape(3, 2).requires_grad_()
    y = shuffled(x, 0, apart=1)
    (y * y.detach()).sum().backward()
    torch.testing.assert_close(x.grad, x.detach())


def test_whole_numbers_can_be_shuffled() -> None:
    tokens = torch.randint(9, (7, 40, 2))
    grown = permutation_importance(
        lambda xs: xs[..., 0].sum(0).float(),
        tokens,
        lambda ys: F.mse_loss(ys, tokens[..., 0].sum(0).float()),
    )
    assert grown.dtype == torch.float32
    assert grown[0] > 0
    assert grown[1] == 0


def test_rows_keep_their_steps_together() -> None:
    """A model that compares steps of one feature loses nothing when rows change places."""
    xs = torch.randn(1, 30, 2).expand(5, 30, 2)
    grown = permutation_importance(
        lambda xs: xs[1:] - xs[:-1], xs, lambda differences: differences.abs().sum()
    )
    assert torch.equal(grown, torch.zeros(2))


def test_nothing_of_the_model_or_the_data_changes() -> None:
    model, xs = torch.nn.Linear(3, 1), torch.randn(2, 8, 3)
    before = xs.clone()
    grown = permutation_importance(model, xs, lambda ys: ys.square().mean())
    assert torch.equal(xs, before)
    assert not grown.requires_grad
    assert model.weight.grad is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: shuffled(x, 3), r"dim: wanted a dimension of xs \[4, 3\], got 3"),
        (lambda x: shuffled(x, 0, apart=-3), "apart: wanted a dimension of xs"),
        (lambda x: shuffled(x, 0, apart=-2), "apart: wanted another dimension than dim=0"),
        (lambda x: importance(x, rows=1), "rows: wanted another dimension than features=1"),
        (lambda x: importance(x, features=5), "features: wanted a dimension of xs"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call(torch.randn(4, 3))


def importance(x: torch.Tensor, **options: Any) -> torch.Tensor:
    return permutation_importance(lambda xs: xs, x, lambda ys: ys.sum(), **options)
