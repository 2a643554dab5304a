"""Runs a cell on two backends and compares everything that comes out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import ostinato
from ostinato import _tree

TOLERANCE = {torch.float64: 1e-10, torch.float32: 2e-5}
"""Relative to the largest entry: the library's promise, with room for long float32 sums."""


def floating(tree: Any) -> list[Tensor]:
    """The leaves that can have a gradient."""
    return [t for t in _tree.leaves(tree) if t.is_floating_point()]


def results(
    cell: nn.Module, xs: Any, state: Any, backend: str, **options: Any
) -> dict[str, Tensor]:
    """Values, last state and all gradients of one run, by name."""
    # a reset draws the masks of an initial state anew
    torch.manual_seed(7)
    ys, after = ostinato.unroll(cell, xs, state, backend=backend, **options)
    found = {f"ys{i}": t for i, t in enumerate(_tree.leaves(ys))}
    found |= {f"state{i}": t for i, t in enumerate(_tree.leaves(after))}
    outs = [t for t in found.values() if t.requires_grad]
    leaves = {f"x{i}": t for i, t in enumerate(floating(xs))}
    leaves |= {f"start{i}": t for i, t in enumerate(floating(state))} if state is not None else {}
    leaves |= dict(cell.named_parameters())
    leaves = {n: t for n, t in leaves.items() if t.requires_grad and t.is_leaf}
    if outs and leaves:
        weights = [torch.cos(torch.arange(t.numel(), dtype=t.dtype)).view(t.shape) for t in outs]
        loss = sum((w * t).sum() for w, t in zip(weights, outs, strict=True))
        grads = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        for (name, t), g in zip(leaves.items(), grads, strict=True):
            found[f"d{name}"] = torch.zeros_like(t) if g is None else g
    return {n: t.detach() for n, t in found.items()}


def assert_equal(cell: nn.Module, xs: Any, state: Any = None, **options: Any) -> None:
    """Fused and eager give the same values, last states and gradients."""
    wanted = results(cell, xs, state, "eager", **options)
    got = results(cell, xs, state, "fused", **options)
    assert wanted.keys() == got.keys()
    for name, want in wanted.items():
        assert got[name].shape == want.shape, name
        assert got[name].dtype == want.dtype, name
        if not want.is_floating_point():
            assert torch.equal(got[name], want), name
            continue
        scale = want.abs().nan_to_num(0, 0, 0).max().item() if want.numel() else 1.0
        tolerance = TOLERANCE[want.dtype] * max(1.0, scale)
        torch.testing.assert_close(
            got[name],
            want,
            rtol=0,
            atol=tolerance,
            equal_nan=True,
            msg=lambda m, n=name: f"{n}: {m}",
        )
