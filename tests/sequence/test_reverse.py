"""A sequence from its end."""

from __future__ import annotations

import torch

from catalogue import lstm
from ostinato import reverse, unroll

XS = torch.arange(1.0, 25.0).view(4, 3, 2)
LENGTHS = [4, 0, 3]


def test_each_row_by_itself_and_zeros_after_it() -> None:
    assert reverse(torch.tensor([[1], [2], [3], [0]]), [3]).flatten().tolist() == [3, 2, 1, 0]
    ys = reverse(XS, LENGTHS)
    for b, length in enumerate(LENGTHS):
        assert torch.equal(ys[:length, b], XS[:length, b].flip(0))
        assert not ys[length:, b].any()


def test_twice_gives_the_steps_back() -> None:
    there = (torch.arange(4)[:, None] < torch.tensor(LENGTHS))[..., None]
    twice = reverse(reverse(XS, LENGTHS), LENGTHS)
    assert torch.equal(twice, XS * there)
    assert torch.equal(reverse(reverse(XS)), XS)


def test_without_lengths_it_is_a_flip() -> None:
    assert torch.equal(reverse(XS), XS.flip(0))
    assert torch.equal(reverse(XS), reverse(XS, [4, 4, 4]))
    assert reverse(XS[:0]).shape == reverse(XS[:0], [0, 0, 0]).shape == (0, 3, 2)


def test_the_gradient_is_reversed_and_padding_has_none() -> None:
    xs = XS.masked_fill(torch.arange(4)[:, None, None] >= 3, torch.nan).requires_grad_()
    dys = torch.randn_like(XS)
    reverse(xs, [3, 1, 2]).backward(dys)
    assert torch.equal(xs.grad, reverse(dys, [3, 1, 2]))


def test_trees() -> None:
    ys = reverse({"x": XS, "index": XS[..., 0].long()}, LENGTHS)
    assert torch.equal(ys["index"], ys["x"][..., 0].long())


def test_running_a_reversed_sequence_is_running_backward() -> None:
    cell = lstm(2, 5)
    want, _ = unroll(cell, XS, lengths=LENGTHS, reverse=True)
    ys, _ = unroll(cell, reverse(XS, LENGTHS), lengths=LENGTHS)
    torch.testing.assert_close(reverse(ys, LENGTHS), want)
