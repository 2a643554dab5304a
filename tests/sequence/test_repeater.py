"""The same input at every step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from catalogue import ENTRIES, Entry, gru, lstm
from ostinato import Repeater, Stack, _tree, backend, unroll

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["eager", "aten", "fused"])
def test_is_the_sequence_of_copies(name: str) -> None:
    module = Repeater(lstm(), 5)
    x, copies = X.clone().requires_grad_(), X.repeat(5, 1, 1).requires_grad_()
    with backend(name):
        ys = module(x)
        again = module(x)
    want, _ = unroll(module.cell, copies)
    torch.testing.assert_close(ys, want)
    torch.testing.assert_close(again, want)  # nothing is remembered
    weights = torch.randn_like(want)
    (dx,) = torch.autograd.grad((ys * weights).sum(), x)
    (dcopies,) = torch.autograd.grad((want * weights).sum(), copies)
    torch.testing.assert_close(dx, dcopies.sum(0))


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.takes != "floats"], ids=str)
def test_takes_what_the_cell_takes(entry: Entry) -> None:
    cell = entry.build(torch.float32, training=False)
    xs = entry.inputs(1, 3, torch.float32)
    ys = Repeater(cell, 4)(_tree.map(lambda leaf: leaf[0], xs))
    want, _ = unroll(cell, _tree.map(lambda leaf: leaf.expand(4, *leaf.shape[1:]), xs))
    for got, leaf in zip(_tree.leaves(ys), _tree.leaves(want), strict=True):
        torch.testing.assert_close(got, leaf)


def test_once_and_without_a_row() -> None:
    assert Repeater(gru(), 1)(X).shape == (1, 4, 5)
    assert Repeater(gru(), 3)(X[:0]).shape == (3, 0, 5)


def test_what_it_says_of_itself() -> None:
    said = repr(Repeater(Stack(gru(), nn.Linear(5, 2)), 3))
    assert said.startswith("Repeater(\n  num_steps=3\n  (cell): Stack(")
