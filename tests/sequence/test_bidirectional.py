"""Two directions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from catalogue import ENTRIES, MinimalGated, gru, lstm
from ostinato import BiSequencer, Stack, unroll
from ostinato.sequence.bidirectional import redrawn

XS = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([6, 2, 4])


class Gate(nn.Module):
    """A merge that is not zero where both its inputs are."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.sigmoid(a) + b


MERGES = {"concat": lambda a, b: torch.cat([a, b], -1), "sum": torch.add, "gate": Gate()}


@pytest.mark.parametrize("merge", MERGES)
def test_merges(merge: str) -> None:
    ahead, back = lstm(), gru()
    module = BiSequencer(ahead, back, MERGES[merge] if merge == "gate" else merge)
    ys = module(XS)
    a, b = unroll(ahead, XS)[0], unroll(back, XS, reverse=True)[0]
    torch.testing.assert_close(ys, MERGES[merge](a, b))
    torch.testing.assert_close(b.flip(0), unroll(back, XS.flip(0))[0])


@pytest.mark.parametrize("merge", MERGES)
def test_each_row_is_as_if_alone(merge: str) -> None:
    module = BiSequencer(lstm(), gru(), MERGES[merge] if merge == "gate" else merge)
    mask = torch.arange(6)[:, None] < LENGTHS
    for options in ({"lengths": LENGTHS}, {"lengths": LENGTHS.tolist()}, {"mask": mask}):
        ys = module(XS, **options)
        for b, length in enumerate(LENGTHS.tolist()):
            torch.testing.assert_close(ys[:length, b : b + 1], module(XS[:length, b : b + 1]))
            assert not ys[length:, b].any()


def test_a_mask_with_gaps_closes_them() -> None:
    module = BiSequencer(lstm(), gru())
    mask = torch.tensor([[True], [False], [True], [True], [False], [True]]).expand(6, 3)
    got = module(XS, mask=mask)[mask[:, 0]]
    torch.testing.assert_close(got, module(XS[mask[:, 0]]))


def test_resets_are_borders_in_both_directions() -> None:
    module = BiSequencer(lstm(), gru())
    resets = torch.zeros(6, 3, dtype=torch.bool)
    resets[2], resets[5, 1] = True, True
    ys = module(XS, resets=resets)
    torch.testing.assert_close(ys[:2], module(XS[:2]))
    torch.testing.assert_close(ys[2:, ::2], module(XS[2:, ::2]))
    torch.testing.assert_close(ys[2:5, 1:2], module(XS[2:5, 1:2]))
    torch.testing.assert_close(ys[5:, 1:2], module(XS[5:, 1:2]))


def test_no_steps_and_no_rows() -> None:
    module = BiSequencer(lstm())
    for xs in (XS[:0], XS[:, :0]):
        resets = torch.zeros(xs.shape[:2], dtype=torch.bool)
        assert module(xs, resets=resets).shape == (*xs.shape[:2], 10)


def test_the_backward_cell_is_a_copy_drawn_anew() -> None:
    ahead = Stack(nn.Linear(3, 4), lstm(4, 5, forget_bias=2.0, layer_norm=True), nn.Tanh())
    module = BiSequencer(ahead)
    back = module.backward_cell
    assert back is not ahead
    linear, cell = back.layers[0].module, back.layers[1]
    assert not torch.equal(linear.weight, ahead.layers[0].module.weight)
    assert not torch.equal(cell.weight_hh, ahead.layers[1].weight_hh)
    assert torch.equal((cell.bias_ih + cell.bias_hh)[5:10], torch.full((5,), 2.0))
    assert len(list(module.parameters())) == 2 * len(list(ahead.parameters()))
    copied = redrawn(MinimalGated(3, 5))
    assert isinstance(copied, MinimalGated)


def test_one_cell_may_serve_both_directions() -> None:
    cell = gru()
    module = BiSequencer(cell, cell, "sum")
    assert len(list(module.parameters())) == 4
    want = unroll(cell, XS)[0] + unroll(cell, XS.flip(0))[0].flip(0)
    torch.testing.assert_close(module(XS), want)


def test_trees_are_merged_leaf_by_leaf() -> None:
    entry = next(entry for entry in ENTRIES if entry.name == "user_pair_input")
    module = BiSequencer(entry.make())
    ys = module(entry.inputs(4, 2, torch.float32))
    assert {key: leaf.shape for key, leaf in ys.items()} == {"y": (4, 2, 6), "square": (4, 2, 6)}


def test_what_it_says_of_itself() -> None:
    assert "merge='sum'" in repr(BiSequencer(gru(), merge="sum"))
    assert "Gate()" in repr(BiSequencer(gru(), merge=Gate()))
