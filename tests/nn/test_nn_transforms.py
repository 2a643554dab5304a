"""Derivatives of derivatives, per-sample gradients, autocast."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from beside_torch import CHOICES, Case, H, I, pair
from torch import Tensor
from torch.func import functional_call, grad, jvp, vmap

import ostinato
from ostinato.nn import GRU, LSTM

KINDS = CHOICES["kind"]


@pytest.mark.parametrize("kind", KINDS)
def test_double_backward(kind: str) -> None:
    _, ours = pair(Case(kind, 1, bidirectional=True))
    with torch.no_grad():
        for p in ours.parameters():  # away from the kink of relu
            p.mul_(0.5).add_(0.1)
    x = torch.rand(2, 2, I, dtype=torch.float64).add_(0.5).requires_grad_()
    weight = ours.weight_hh_l0_reverse.detach().requires_grad_()

    def run(x: Tensor, weight: Tensor) -> Tensor:
        return functional_call(ours, {"weight_hh_l0_reverse": weight}, (x,))[0]

    with ostinato.backend("eager"):
        assert torch.autograd.gradgradcheck(run, (x, weight))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_layers", [1, 2])
def test_gradients_of_each_sample(kind: str, num_layers: int) -> None:
    case = Case(kind, num_layers, bidirectional=True)
    _, ours = pair(case)
    weights = {name: p.detach() for name, p in ours.named_parameters()}
    xs = torch.randn(4, 5, I, dtype=torch.float64)

    def loss(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        output, state = functional_call(ours, weights, (x,))
        h = state[0] if isinstance(state, tuple) else state
        return output.square().sum() + h.sum()

    each = vmap(grad(loss), in_dims=(None, 0))(weights, xs)
    for b, x in enumerate(xs):
        want = torch.autograd.grad(loss(dict(ours.named_parameters()), x), list(ours.parameters()))
        for got, alone in zip(each.values(), want, strict=True):
            torch.testing.assert_close(got[b], alone)


def test_gradients_of_each_batch_with_a_state_and_lengths() -> None:
    layer = LSTM(I, H, 2, dtype=torch.float64)
    xs = torch.randn(3, 5, 2, I, dtype=torch.float64)
    h = torch.randn(3, 2, 2, H, dtype=torch.float64)

    def loss(x: Tensor, h: Tensor) -> Tensor:
        output, (_, c) = layer(x, (h, h), lengths=[5, 2])
        return output.square().sum() + c.sum()

    got = vmap(grad(loss, argnums=(0, 1)))(xs, h)
    for b in range(3):
        want = grad(loss, argnums=(0, 1))(xs[b], h[b])
        torch.testing.assert_close(tuple(leaf[b] for leaf in got), want)


# torch's own rules for forward mode are still made with torch.jit
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_forward_mode() -> None:
    _, ours = pair(Case("gru", 2))
    x, v = torch.randn(2, 5, 2, I, dtype=torch.float64)
    _, along = jvp(lambda x: ours(x)[0], (x,), (v,))
    step = 1e-6  # central differences: the error is of the order of its square
    want = (ours(x + step * v)[0] - ours(x - step * v)[0]) / (2 * step)
    torch.testing.assert_close(along, want, rtol=0, atol=1e-8)


@pytest.mark.parametrize("make", [LSTM, GRU])
@pytest.mark.parametrize("options", [{}, {"lengths": [5, 3]}], ids=["", "lengths"])
def test_autocast(make: Any, options: dict[str, Any]) -> None:
    layer, x = make(I, H, 2, bidirectional=True), torch.randn(5, 2, I)
    want = layer(x, **options)[0]
    with torch.autocast("cpu", torch.bfloat16):
        output, state = layer(x, **options)
        again, _ = layer(x, state, **options)
    output.float().sum().backward()
    # bfloat16 has 8 bits
    torch.testing.assert_close(output.float(), want, rtol=0, atol=2e-2)
    assert again.shape == output.shape
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in layer.parameters())
