"""How weights are drawn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ostinato import cells, init, unroll

MAKERS = [cells.Elman, cells.LSTM, cells.GRU]


@pytest.mark.parametrize("make", MAKERS)
def test_orthogonal_by_gate(make: type[cells.GatedCell]) -> None:
    cell = make(3, 6, init_hh="orthogonal", dtype=torch.float64)
    for gate in cell.weight_hh.chunk(cell.num_gates):
        torch.testing.assert_close(gate @ gate.T, torch.eye(6, dtype=torch.float64))


@pytest.mark.parametrize("make", MAKERS)
def test_identity_by_gate(make: type[cells.GatedCell]) -> None:
    cell = make(3, 6, init_hh="identity", init_bias="zeros")
    assert all(torch.equal(gate, torch.eye(6)) for gate in cell.weight_hh.chunk(cell.num_gates))
    assert not cell.bias_ih.any()
    assert not cell.bias_hh.any()


def test_xavier_by_gate() -> None:
    cell = cells.LSTM(40, 60, init_ih="xavier", init_hh="xavier")
    for weight, n in ((cell.weight_ih, 40), (cell.weight_hh, 60)):
        bound = (6 / (n + 60)) ** 0.5
        for gate in weight.detach().chunk(4):
            assert 0.95 * bound < gate.abs().max().item() <= bound


@pytest.mark.parametrize("make", MAKERS)
def test_default_is_torchs(make: type[cells.GatedCell]) -> None:
    cell = make(40, 100)
    for p in cell.parameters():
        assert 0.08 < p.detach().abs().max().item() <= 0.1


def test_forget_bias_is_the_sum_of_both() -> None:
    cell = cells.LSTM(3, 4, forget_bias=1.5)
    assert torch.equal((cell.bias_ih + cell.bias_hh)[4:8], torch.full((4,), 1.5))
    assert (cell.bias_ih + cell.bias_hh)[:4].unique().numel() == 4
    cell.bias_ih.data.zero_()
    cell.reset_parameters()
    assert torch.equal((cell.bias_ih + cell.bias_hh)[4:8], torch.full((4,), 1.5))


def test_irnn_holds_what_it_has_seen() -> None:
    """Le, Jaitly and Hinton 2015: with no input and no bias, the state of an IRNN stays."""
    cell = cells.Elman(3, 4, activation="relu", init_hh="identity", init_bias="zeros")
    h = torch.rand(2, 4)
    ys, last = unroll(cell, torch.zeros(50, 2, 3), h)
    assert torch.equal(last, h)
    assert torch.equal(ys[20], h)


def test_a_function_fills_each_gate() -> None:
    sizes: list[tuple[int, ...]] = []

    def mine(matrix: Tensor) -> None:
        sizes.append(tuple(matrix.shape))
        nn.init.constant_(matrix, len(sizes))

    cell = cells.GRU(2, 3, init_ih=mine)
    assert sizes == [(3, 2)] * 3
    assert cell.weight_ih[:, 0].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_redrawing_takes_the_same_rules() -> None:
    cell = cells.LSTM(3, 4, init_hh="identity", layer_norm=True, proj_size=2)
    before = cell.weight_ih.clone()
    cell.norm_ih.data.zero_()
    cell.weight_hh.data.zero_()
    cell.reset_parameters()
    assert torch.equal(cell.weight_hh[:4], torch.eye(4)[:, :2])
    assert not torch.equal(cell.weight_ih, before)
    assert torch.equal(cell.norm_ih, torch.ones(16))


def test_filling_leaves_no_graph_and_takes_empty_weights() -> None:
    weight = torch.empty(8, 2, requires_grad=True)
    init.fill(weight, 4, "torch", "init_ih")
    assert weight.is_leaf
    assert weight.grad_fn is None
    assert cells.GRU(0, 4).weight_ih.shape == (12, 0)
