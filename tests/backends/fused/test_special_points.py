"""Every operation at its special points, with first and second derivative, against eager.

Zeros of both signs, borders of pieces, ties, tiny and huge numbers, infinities and NaN, in rows of
equal and of mixed ones. In float64.
"""

from __future__ import annotations

import pytest
import torch
from operations import GROUPS, Function
from steps import Step
from torch import Tensor

import ostinato

POINTS = (
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 0.1, 0.2, 0.3, -0.3, 0.4, 2.0, 3.0, -3.0, 6.0, 10.0, 20.0,
    25.0, -25.0, 1e-8, -1e-8, 1e-300, 700.0, -700.0, 1e300, -1e300, float("inf"), float("-inf"),
    float("nan"),
)  # fmt: skip
HUGE = {
    "sin": "from 2^50 on x counts as 0, as neighbours are a quarter turn apart",
    "cos": "as sin",
    "logsumexp": "torch's own derivative is exp(x - result), which is 1 for each of equal huge x",
    "layer_norm": "squares overflow, in another order than in torch",
    "group_norm": "as layer_norm",
}
"""Where numbers above 1e100 are left out, and why."""
FIRST_ONLY = {
    "std": "of equal entries torch's rounding decides between 0 and 1e-17, over which it divides",
    "norm": "torch's second derivative of a norm of zeros is NaN",
    "layer_norm": "of equal entries: rounding, times 1 / eps",
    "group_norm": "as layer_norm",
    "hardsigmoid": "torch has no second derivative",
}
"""Where rows are not differentiated twice, and why."""
TWO_SLOPES = ("elu", "selu", "celu", "hardswish")
"""Of NaN torch's slope is NaN in a whole vector, and 1 in what is left over of an array."""
NAMES = [(group, name) for group, members in GROUPS.items() for name in members]


def rows() -> Tensor:
    """[N, 6]: each point alone among ordinary numbers, in every place of a row, and with itself."""
    ordinary = torch.tensor([0.7, -0.2, 0.05, -1.3, 0.9, 0.6], dtype=torch.float64)
    made = [ordinary, torch.zeros(6).double(), ordinary[[0, 0, 1, 1, 0, 0]]]
    for n, point in enumerate(POINTS):
        row = ordinary.clone()
        row[n % 6] = point
        made += [row, torch.full_like(row, point), torch.cat([row[:3], row[:3]])]
    return torch.stack(made)


def derivatives(cell: Step, xs: Tensor, backend: str, twice: bool) -> list[Tensor]:
    """ys, and the first and second derivative with weights of all entries."""
    xs = xs.clone().requires_grad_()
    ys, _ = ostinato.unroll(cell, xs, backend=backend)
    weight = torch.linspace(0.5, 1.5, ys.numel(), dtype=ys.dtype).view_as(ys)
    if not ys.requires_grad:
        return [ys]
    loss = (ys * weight).sum()
    (first,) = torch.autograd.grad(loss, xs, retain_graph=True)
    found = [ys.detach(), first]
    if twice:
        (first,) = torch.autograd.grad(loss, xs, create_graph=True)
        other = torch.linspace(-1, 1, xs.numel(), dtype=xs.dtype).view_as(xs)
        second = torch.zeros_like(xs)
        if first.requires_grad:
            (second,) = torch.autograd.grad((first * other).sum(), xs, materialize_grads=True)
        found += [first.detach(), second]
    return found


def equal(a: Tensor, b: Tensor) -> Tensor:
    """Which entries are the same."""
    near = (a - b).abs() <= 1e-11 * b.abs().clamp(min=1)
    return (a == b) | (a.isnan() & b.isnan()) | near


@pytest.mark.parametrize(("group", "name"), NAMES, ids=[name for _, name in NAMES])
def test_special_points(group: str, name: str) -> None:
    function: Function = GROUPS[group][name]
    cell = Step(lambda p, x, h: (function(x), h))
    xs = rows()
    if name in HUGE:
        xs = xs[~((xs.abs() > 1e100) & xs.isfinite()).any(1)]
    twice = name not in FIRST_ONLY
    want, got = (derivatives(cell, xs[None], backend, twice) for backend in ("eager", "fused"))
    assert len(got) == len(want)
    for which, a, b in zip(("value", "first", "first", "second"), got, want, strict=False):
        same = equal(a, b)
        if which == "first" and name in TWO_SLOPES:
            same = same | xs.isnan()
        where = (~same).flatten(1).nonzero()
        assert same.all(), (
            f"{which} of {xs[where[0, 1] // a[0, 0].numel()]}: {a[~same]}, {b[~same]}"
        )
