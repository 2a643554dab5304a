"""Each step from all others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from catalogue import ENTRIES, gru, lstm
from ostinato import BiSequencerLM, backend, unroll

XS = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([7, 2, 1, 0])


class Gate(nn.Module):
    """A merge that is not zero where both its inputs are."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.sigmoid(a) + b


def alone(module: BiSequencerLM, xs: Tensor) -> Tensor:
    """One whole row [T, 1, I]: each step from what is before and what is after it, run anew."""
    nothing = torch.zeros(1, 1, 5)
    steps = []
    for t in range(len(xs)):
        before, _ = unroll(module.forward_cell, xs[:t])
        after, _ = unroll(module.backward_cell, xs[t + 1 :], reverse=True)
        pair = torch.cat([nothing, before])[-1], torch.cat([after, nothing])[0]
        steps.append(module.merge(*pair) if callable(module.merge) else torch.cat(pair, -1))
    return torch.stack(steps)


@pytest.mark.parametrize("name", ["eager", "auto"])
@pytest.mark.parametrize("merge", ["concat", Gate()], ids=str)
def test_each_row_is_as_if_alone(merge: str | nn.Module, name: str) -> None:
    module = BiSequencerLM(lstm(), gru(), merge)
    with backend(name):
        ys = module(XS, lengths=LENGTHS)
    for b, length in enumerate(LENGTHS.tolist()):
        if length:
            torch.testing.assert_close(ys[:length, b : b + 1], alone(module, XS[:length, b, None]))
        assert not ys[length:, b].any()


def test_neighbours_are_found_past_gaps() -> None:
    module = BiSequencerLM(lstm(), gru())
    mask = torch.rand(7, 4, generator=torch.Generator().manual_seed(3)) < 0.6
    ys = module(XS, mask=mask)
    for b in range(4):
        torch.testing.assert_close(ys[mask[:, b], b, None], alone(module, XS[mask[:, b], b, None]))
    assert not ys[~mask].any()


@pytest.mark.parametrize("gap", [False, True])
def test_resets_are_borders(gap: bool) -> None:
    module = BiSequencerLM(lstm(), gru())
    resets, mask = torch.zeros(7, 4, dtype=torch.bool), torch.ones(7, 4, dtype=torch.bool)
    resets[3], mask[3] = True, not gap
    ys = module(XS, mask=mask, resets=resets)
    for part in (slice(0, 3), slice(3 + gap, 7)):
        want = torch.cat([alone(module, XS[part, b, None]) for b in range(4)], dim=1)
        torch.testing.assert_close(ys[part], want)


def test_a_step_never_sees_itself() -> None:
    module = BiSequencerLM(lstm(), merge="sum")
    xs = XS.clone().requires_grad_()
    ys = module(xs, lengths=[7, 5, 3, 2])
    for t in range(7):
        (dxs,) = torch.autograd.grad(ys[t].sum(), xs, retain_graph=True)
        assert not dxs[t].any()
        assert dxs[:t].any() or t == 0
        assert dxs[t + 1 :].any() or t == 6


def test_what_stands_in_the_padding_is_never_seen() -> None:
    module = BiSequencerLM(lstm(), gru())
    mask = torch.arange(7)[:, None] < LENGTHS
    xs = torch.where(mask[..., None], XS, torch.nan).requires_grad_()
    module(xs, lengths=LENGTHS).sum().backward()
    assert not xs.grad[~mask].any()
    assert all(p.grad.isfinite().all() for p in module.parameters())


def test_trees_copies_and_no_rows() -> None:
    no_rows = BiSequencerLM(gru())(XS[:, :0], resets=torch.zeros(7, 0, dtype=torch.bool))
    assert no_rows.shape == (7, 0, 10)
    entry = next(entry for entry in ENTRIES if entry.name == "user_pair_input")
    module = BiSequencerLM(entry.make())
    ys = module(entry.inputs(4, 2, torch.float32))
    assert {key: leaf.shape for key, leaf in ys.items()} == {"y": (4, 2, 6), "square": (4, 2, 6)}
    assert "merge='concat'" in repr(module)
