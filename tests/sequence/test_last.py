"""The last step of every row."""

from __future__ import annotations

import torch

from catalogue import gru
from ostinato import last, unroll

YS = torch.arange(1.0, 25.0).view(4, 3, 2)


def test_each_row_by_its_length() -> None:
    got = last(YS, [4, 0, 2])
    assert torch.equal(got[0], YS[3, 0])
    assert not got[1].any()
    assert torch.equal(got[2], YS[1, 2])
    assert torch.equal(last(YS), YS[-1])
    assert torch.equal(last(YS, torch.tensor([4, 4, 4])), YS[-1])


def test_gradients_reach_that_step_alone() -> None:
    ys = YS.masked_fill(torch.arange(4)[:, None, None] >= 3, torch.nan).requires_grad_()
    dy = torch.randn(3, 2)
    last(ys, [3, 0, 1]).backward(dy)
    want = torch.zeros_like(YS)
    want[2, 0], want[0, 2] = dy[0], dy[2]
    assert torch.equal(ys.grad, want)


def test_it_is_the_last_state_of_a_cell_whose_y_is_its_state() -> None:
    lengths = [4, 0, 2]
    ys, h = unroll(gru(2, 5), YS, lengths=lengths)
    torch.testing.assert_close(last(ys, lengths), h)


def test_trees_and_no_steps() -> None:
    got = last({"y": YS, "there": YS[..., 0] > 3}, [4, 0, 2])
    assert got["there"].tolist() == [True, False, True]
    assert torch.equal(got["y"], last(YS, [4, 0, 2]))
    for lengths in (None, [0, 0, 0]):
        assert torch.equal(last(YS[:0], lengths), torch.zeros(3, 2))
