"""A cell, its template, and the cell again."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from catalogue import ENTRIES, Entry
from conformance.scenario import assert_same
from ostinato import _tree, unroll
from ostinato.nn.template import filled, take_tensors, template


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_every_cell_survives(entry: Entry) -> None:
    """A filled template gives what the cell gives, gradients included."""
    cell = entry.build(torch.float64)
    owner = nn.Module()
    take_tensors(owner, cell, lambda path: path.replace(".", "_"))
    empty = template(cell, lambda path: path.replace(".", "_"))
    again = filled(empty, lambda name: getattr(owner, name), cell.training)
    xs = entry.inputs(4, 2, torch.float64)
    found = []
    for made in (cell, again):
        torch.manual_seed(0)
        ys, state = unroll(made, xs)
        leaves = [*_tree.paths(ys, "ys"), *_tree.paths(state, "state")]
        floats = [leaf for _, leaf in leaves if leaf.requires_grad]
        if floats:
            torch.stack([leaf.sum() for leaf in floats]).sum().backward()
        grads = {f"d {n}": p.grad for n, p in owner.named_parameters() if p.grad is not None}
        found.append(dict(leaves) | grads)
        owner.zero_grad()
    assert_same(found[1], found[0], 0)
    assert len(list(owner.parameters())) == len(list(cell.parameters()))


def test_a_template_holds_no_tensor() -> None:
    cell = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, affine=False))
    empty = template(cell, "at_{}".format)
    assert empty[0]._parameters == {"weight": "at_0.weight", "bias": "at_0.bias"}
    assert empty[1]._parameters == {"weight": None, "bias": None}
    assert empty[1]._buffers["running_mean"] == "at_1.running_mean"
    assert isinstance(cell[0].weight, nn.Parameter)


def test_filling_sets_the_mode_of_all_modules() -> None:
    cell = nn.Sequential(nn.Linear(2, 3), nn.Dropout())
    empty = template(cell, str)
    tensors = dict(cell.named_parameters())
    for training in (True, False):
        again = filled(empty, tensors.__getitem__, training)
        assert [module.training for module in again.modules()] == [training] * 3
        assert again[0].weight is cell[0].weight
    assert cell.training
