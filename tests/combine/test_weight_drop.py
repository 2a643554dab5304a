"""Dropout of recurrent weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from catalogue import gru, lstm
from ostinato import Recurrence, Sequencer, Stack, WeightDrop, unroll

XS = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_one_draw_holds_for_the_sequence(backend: str) -> None:
    """It is the plain cell with the weights of the mask, all steps and rows alike."""
    cell = lstm()
    wrapped = WeightDrop(cell, 0.4)
    state = wrapped.initial_state(4)
    ys, after = unroll(wrapped, XS, state, backend=backend)
    peer = lstm()
    peer.load_state_dict(cell.state_dict())
    with torch.no_grad():
        peer.weight_hh.copy_(torch.where(state.mask[0][0], cell.weight_hh / 0.6, 0.0))
    want, _ = unroll(peer, XS)
    torch.testing.assert_close(ys, want)
    assert torch.equal(after.mask[0], state.mask[0])


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_gradients_reach_the_raw_weights_where_they_are_kept(backend: str) -> None:
    cell = WeightDrop(lstm(), 0.4)
    state = cell.initial_state(4)
    unroll(cell, XS, state, backend=backend)[0].square().sum().backward()
    kept = state.mask[0][0]
    grad = cell.cell.weight_hh.grad
    assert grad is not None
    assert not grad[~kept].any()
    assert grad[kept].any()
    assert [name for name, _ in cell.named_parameters()][1] == "cell.weight_hh"
    assert isinstance(cell.cell.weight_hh, nn.Parameter)


def test_the_mask_is_constant_over_carried_pieces_and_redrawn_by_forget() -> None:
    shell = Sequencer(WeightDrop(gru(), 0.5), remember="both")
    masks = []
    for piece in XS.split(2):
        shell(piece)
        masks.append(shell.state.mask[0].clone())
    assert all(torch.equal(mask, masks[0]) for mask in masks)
    shell.forget()
    shell(XS)
    assert not torch.equal(shell.state.mask[0], masks[0])


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_resets_leave_the_mask_alone(backend: str, batch_size: int) -> None:
    cell = WeightDrop(gru(), 0.5)
    xs = XS[:, :batch_size]
    _, state = unroll(cell, xs)
    resets = torch.ones(6, batch_size, dtype=torch.bool)
    _, after = unroll(cell, xs, state, resets=resets, backend=backend)
    assert torch.equal(after.mask[0], state.mask[0])


def test_names() -> None:
    two = WeightDrop(Stack(lstm(), gru(5, 4)), 0.5)
    assert two.names == ("layers.0.weight_hh", "layers.1.weight_hh")
    assert WeightDrop(Recurrence(nn.GRUCell(3, 5), 5)).names == ("module.weight_hh",)
    other = WeightDrop(lstm(), 0.9, ("weight_ih",))
    ys, _ = unroll(other, XS)
    assert not torch.allclose(ys, unroll(other.cell, XS)[0])


def test_nothing_is_dropped_outside_training() -> None:
    cell = WeightDrop(lstm(), 0.5).eval()
    assert torch.equal(unroll(cell, XS)[0], unroll(cell.cell, XS)[0])
    assert cell.initial_state(2).mask[0].all()
