"""Dropout by gate: masks that hold for a sequence, one for each gate."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from catalogue import gru, lstm
from ostinato import GateDropout, HeldDropout, RecurrentDropout, Sequencer, Stack, cells, unroll
from ostinato.combine.dropout import Held

XS = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0))
MAKE = {
    "elman": lambda: cells.Elman(3, 5),
    "lstm": lstm,
    "lstm_proj": lambda: lstm(proj_size=2),
    "gru_after": gru,
    "gru_before": lambda: gru(reset="before"),
    "gru_layer_norm": lambda: gru(layer_norm=True),
    "peephole": lambda: cells.PeepholeLSTM(3, 5),
    "mgu": lambda: cells.MGU(3, 5),
    "mufuru": lambda: cells.MuFuRu(3, 5),
    "highway": lambda: cells.RecurrentHighway(3, 5),
    "multiplicative": lambda: cells.MultiplicativeLSTM(3, 5),
}


@pytest.mark.parametrize("name", MAKE)
def test_one_mask_for_all_gates_is_dropout_of_what_the_cell_reads(name: str) -> None:
    """The same mask at every gate: the inputs and the read h are dropped as by the other two."""
    cell = MAKE[name]()
    dropped = GateDropout(cell, 0.4)
    state = dropped.initial_state(4)
    mask_x, mask_h = (mask[:, :1].expand_as(mask) for mask in state.mask)
    ys, _ = unroll(dropped, XS, Held(state.state, (mask_x, mask_h)))
    tied = Stack(HeldDropout(3, 0.4), RecurrentDropout(cell, 0.4))
    want, _ = unroll(tied, XS, (Held((), mask_x[:, 0]), Held(state.state, mask_h[:, 0])))
    torch.testing.assert_close(ys, want)


def test_each_gate_reads_through_its_own_mask() -> None:
    """A gate whose mask lets nothing pass has its biases alone for pre-activation."""
    cell = gru(reset="before")
    dropped = GateDropout(cell, 0.5)
    h = torch.randn(4, 5)
    for gate in range(3):
        mask_x, mask_h = torch.ones(4, 3, 3, dtype=torch.bool), torch.ones(4, 3, 5).bool()
        mask_x[:, gate], mask_h[:, gate] = False, False
        y, _ = dropped(XS[0], Held(h, (mask_x, mask_h)))
        blind = gru(reset="before")
        blind.load_state_dict(cell.state_dict())
        with torch.no_grad():
            for weight in (blind.weight_ih, blind.weight_hh):
                weight.mul_(2)  # kept entries are scaled by 1 / (1 - p)
                weight.chunk(3)[gate].zero_()
        torch.testing.assert_close(y, blind(XS[0], h)[0])


def test_masks_are_drawn_by_sequence_gate_and_row() -> None:
    cell = GateDropout(lstm(50, 40), 0.3)
    (mask_x, mask_h), again = cell.initial_state(3).mask, cell.initial_state(3).mask
    assert mask_x.shape == (3, 4, 50)
    assert mask_h.shape == (3, 4, 40)
    rows = [*mask_x.flatten(0, 1), *again[0].flatten(0, 1)]
    assert len({tuple(row.tolist()) for row in rows}) == len(rows)
    _, state = unroll(cell, torch.randn(6, 3, 50), cell.initial_state(3)._replace(mask=again))
    assert all(torch.equal(a, b) for a, b in zip(state.mask, again, strict=True))


def test_mono_shares_the_masks_of_a_row() -> None:
    cell = GateDropout(gru(), 0.5, mono=True)
    state = cell.initial_state(4)
    assert [mask.shape for mask in state.mask] == [(1, 3, 3), (1, 3, 5)]
    twins = XS[:, :1].expand(-1, 4, -1)
    ys, _ = unroll(cell, twins, state)
    torch.testing.assert_close(ys, ys[:, :1].expand_as(ys))
    other, _ = unroll(GateDropout(cell.cell, 0.5), twins)
    assert not torch.allclose(other, other[:, :1].expand_as(other))


def test_a_carried_state_keeps_its_masks_and_a_fresh_one_draws_them() -> None:
    shell = Sequencer(GateDropout(gru(20, 30), 0.5), remember="both")
    xs = torch.randn(3, 2, 20)
    shell(xs)
    first = shell.state.mask
    shell(xs)
    assert all(torch.equal(a, b) for a, b in zip(first, shell.state.mask, strict=True))
    shell.forget()
    shell(xs)
    assert not any(torch.equal(a, b) for a, b in zip(first, shell.state.mask, strict=True))


def test_nothing_is_dropped_outside_training() -> None:
    cell = GateDropout(lstm(), 0.5).eval()
    assert all(mask.all() for mask in cell.initial_state(4).mask)
    assert torch.equal(unroll(cell, XS)[0], unroll(cell.cell, XS)[0])


def test_what_is_read_has_the_expectation_of_what_there_is() -> None:
    """Over many sequences the mean of the dropped pre-activations is the undropped one."""

    class Sums(cells.GatedCell):
        """y is the pre-activation itself."""

        num_gates = 2

        def step(self, x: Tensor, read: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            return self.from_input(x) + self.from_hidden(read), state

    cell = Sums(3, 5)
    x, h = XS[0, :1].expand(40_000, 3), torch.randn(1, 5).expand(40_000, 5)
    dropped = GateDropout(cell, 0.3)
    with torch.no_grad():
        y, _ = dropped(x, dropped.initial_state(40_000)._replace(state=h))
        want, _ = cell(x[:1], h[:1])
    # one standard deviation of the mean is at most std / 200
    assert ((y.mean(0) - want[0]).abs() < 4 * y.std(0) / 200).all()
    assert isinstance(cell.bias_ih, nn.Parameter)
