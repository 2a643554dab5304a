"""Torch's kernels: what `tests/conformance` does not reach."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from catalogue import gru, lstm
from ostinato import Lift, cells, unroll
from ostinato.backends.aten import FEATUREWISE, packs

XS = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0))

ARGUMENTS = {
    nn.Linear: (3, 4),
    nn.Embedding: (7, 4),
    nn.LayerNorm: (3,),
    nn.RMSNorm: (3,),
}


@pytest.mark.parametrize("kind", FEATUREWISE, ids=lambda kind: kind.__name__)
def test_featurewise_modules_do_the_same_to_all_steps_at_once(kind: type[nn.Module]) -> None:
    cell = Lift(kind(*ARGUMENTS.get(kind, ()))).eval()
    xs = torch.randint(7, (6, 4)) if kind is nn.Embedding else XS
    torch.testing.assert_close(unroll(cell, xs, backend="aten"), unroll(cell, xs, backend="eager"))


def test_gradients_flow_in_evaluation_mode() -> None:
    """cuDNN keeps what the backward needs in training mode only, so the mode is not passed on."""
    cell = lstm().eval()
    xs = XS.clone().requires_grad_()
    unroll(cell, xs, backend="aten")[0].sum().backward()
    assert xs.grad is not None
    assert cell.weight_hh.grad is not None


def test_projections_raise_no_warning() -> None:
    for options in ({}, {"lengths": [6, 1, 2, 3]}, {"reverse": True}):
        ys, (h, c) = unroll(lstm(proj_size=2), XS, backend="aten", **options)
        assert (ys.shape[2], h.shape[1], c.shape[1]) == (2, 2, 5)


def test_what_is_packed() -> None:
    assert packs(lstm())
    assert packs(cells.Elman(3, 5, activation="relu"))
    assert not packs(cells.Elman(3, 5))
    assert not packs(gru())


def test_a_frozen_cell_and_frozen_inputs() -> None:
    cell = gru().requires_grad_(False)
    xs = XS.clone().requires_grad_()
    unroll(cell, xs, backend="aten")[0].sum().backward()
    assert xs.grad is not None
    assert not unroll(cell, XS, backend="aten")[0].requires_grad
