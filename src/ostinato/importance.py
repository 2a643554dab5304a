"""Which features a model uses: the loss when one of them is shuffled."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ostinato import _tree
from ostinato.errors import ArgumentError


def shuffled(
    xs: Tensor, dim: int, *, apart: int | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """xs [*] with its slices along ``dim`` in a random order; all other dimensions go along.

    With ``apart``, another dimension, each slice along that one gets an order of its own. In a
    forward hook it breaks a signal in the middle of a network, as the node ``D`` of the Lua
    ``lstm`` rock did. Raises ArgumentError for dimensions that are not there or are the same.
    """
    dim = checked_dim("dim", dim, xs)
    sizes = [1] * xs.dim()
    sizes[dim] = xs.shape[dim]
    if apart is not None:
        apart = checked_dim("apart", apart, xs)
        if apart == dim:
            raise ArgumentError(
                "apart",
                wanted=f"another dimension than dim={dim}",
                got=str(apart),
                remedy="Leave it out to shuffle all slices alike.",
            )
        sizes[apart] = xs.shape[apart]
    order = torch.rand(sizes, generator=generator, device=xs.device).argsort(dim)
    return xs.gather(dim, order.expand_as(xs))


@torch.no_grad()
def permutation_importance(
    model: Callable[[Tensor], Tensor],
    xs: Tensor,
    loss: Callable[[Tensor], Tensor],
    *,
    features: int = -1,
    rows: int = 1,
    repeats: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """By how much the loss grows when one feature is shuffled among the rows, for each feature.

    Breiman 2001. xs [T, B, I] or any other shape whose dimensions ``features`` and ``rows`` are
    given; ``loss`` takes ``model(xs)`` and gives a number. Returns [I], the mean over ``repeats``
    shuffles: near zero where the model does not use the feature. A row keeps its steps together,
    so that whole courses over time change places. Put the model into evaluation mode first.
    Raises ArgumentError as `shuffled` does.
    """
    features = checked_dim("features", features, xs)
    rows = checked_dim("rows", rows, xs)
    if features == rows:
        raise ArgumentError(
            "rows",
            wanted=f"another dimension than features={features}",
            got=str(rows),
            remedy="It is the dimension of the batch.",
        )
    whole = loss(model(xs))
    grown = whole.new_zeros(xs.shape[features])
    for i in range(xs.shape[features]):
        for _ in range(repeats):
            broken = xs.clone()
            one = broken.narrow(features, i, 1)
            one.copy_(shuffled(one, rows, generator=generator))
            grown[i] += (loss(model(broken)) - whole) / repeats
    return grown


def checked_dim(argument: str, dim: int, xs: Tensor) -> int:
    """The dimension counted from the front; ArgumentError where xs has no such dimension."""
    _tree.tensor("xs", xs)
    if type(dim) is not int or not -xs.dim() <= dim < xs.dim():
        raise ArgumentError(
            argument,
            wanted=f"a dimension of xs {list(xs.shape)}",
            got=repr(dim),
            remedy="Dimensions count from 0, or backwards from -1.",
        )
    return dim % xs.dim()
