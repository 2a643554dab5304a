"""Gradients of functions, as in MinPy, by torch. Row 71 of docs/from-torch-rnn.md."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import grad, grad_and_value


def test_row_71_gradients_of_functions() -> None:
    """grad(func, argnum) and grad_and_loss(func, argnum)."""

    def loss(w: Tensor, x: Tensor) -> Tensor:
        return (w * x).square().sum()

    w, x = torch.randn(3), torch.randn(3)
    torch.testing.assert_close(grad(loss)(w, x), 2 * w * x.square())
    torch.testing.assert_close(grad(loss, argnums=1)(w, x), 2 * x * w.square())
    (dw, dx), value = grad_and_value(loss, argnums=(0, 1))(w, x)
    torch.testing.assert_close(value, loss(w, x))
    torch.testing.assert_close(dw, 2 * w * x.square())
    torch.testing.assert_close(dx, 2 * x * w.square())


def test_row_71_a_result_that_is_no_scalar_is_summed() -> None:
    x = torch.randn(4)
    torch.testing.assert_close(grad(lambda x: x.sin().sum())(x), x.cos())


def test_row_71_an_argument_without_influence_gets_zero() -> None:
    dx = grad(lambda x, y: (2 * y).sum())(torch.ones(3), torch.ones(3))
    assert torch.equal(dx, torch.zeros(3))


def test_row_71_higher_derivatives_by_nesting() -> None:
    def square(x: Tensor) -> Tensor:
        return x**2

    x = torch.tensor(3.0)
    assert grad(square)(x) == 6
    assert grad(grad(square))(x) == 2
    assert grad(grad(grad(square)))(x) == 0
    assert torch.func.jacrev(grad(square))(x) == 2


def test_row_71_python_control_flow() -> None:
    def branches(x: Tensor) -> Tensor:
        y = x
        while y.abs() < 10:
            y = y * 2 if x > 0 else y * 3
        return y

    def derivative(at: float) -> float:
        x = torch.tensor(at, requires_grad=True)
        branches(x).backward()
        assert x.grad is not None
        return x.grad.item()

    assert derivative(3.0) == 4  # 3 -> 6 -> 12
    assert derivative(-3.0) == 9  # -3 -> -9 -> -27


def test_row_71_custom_derivatives_and_their_check() -> None:
    """customop with def_grad, and quick_grad_check."""

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return 3 * x**2 * dy

    x = torch.randn(5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Cube.apply, x)
    assert torch.autograd.gradcheck(Cube.apply, x, fast_mode=True)
