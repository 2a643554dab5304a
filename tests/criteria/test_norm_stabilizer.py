"""The penalty on how the norm of h moves."""

from __future__ import annotations

import pytest
import torch

from catalogue import lstm
from ostinato import unroll
from ostinato.criteria import NormStabilizer

HS = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LENGTHS = [5, 1, 3]


def by_hand(hs: torch.Tensor) -> torch.Tensor:
    """One row [T, H], summed over time."""
    norms = hs.square().sum(-1).sqrt()
    return (norms[1:] - norms[:-1]).square().sum()


def test_sum_and_mean() -> None:
    want = sum(by_hand(HS[:, b]) for b in range(3)) / 3
    torch.testing.assert_close(NormStabilizer()(HS), want)
    torch.testing.assert_close(NormStabilizer(0.5)(HS), 0.5 * want)
    torch.testing.assert_close(NormStabilizer(reduction="mean")(HS), want / 5)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_ragged_rows_are_as_if_alone(reduction: str) -> None:
    penalty = NormStabilizer(reduction=reduction)
    rows = [penalty(HS[:n, b, None]) for b, n in enumerate(LENGTHS)]
    mask = torch.arange(5)[:, None] < torch.tensor(LENGTHS)
    hs = HS.masked_fill(~mask[..., None], torch.nan).requires_grad_()
    for options in ({"lengths": LENGTHS}, {"mask": mask}):
        got = penalty(hs, **options)
        torch.testing.assert_close(got, sum(rows) / 3)
        (dhs,) = torch.autograd.grad(got, hs)
        assert not dhs[~mask].any()
        assert dhs[mask].isfinite().all()


def test_a_gap_separates() -> None:
    mask = torch.tensor([[True], [True], [False], [True], [True]])
    want = by_hand(HS[:2, 0]) + by_hand(HS[3:, 0])
    torch.testing.assert_close(NormStabilizer()(HS[:, :1], mask=mask), want)


def test_gradient() -> None:
    penalty = NormStabilizer(0.7)
    assert torch.autograd.gradcheck(penalty, HS.clone().requires_grad_())
    hs = torch.zeros(3, 2, 4, requires_grad=True)
    penalty(hs).backward()
    assert torch.equal(hs.grad, torch.zeros_like(hs))


def test_nothing_in_evaluation_and_nothing_to_compare() -> None:
    assert NormStabilizer().eval()(HS).item() == 0
    for hs in (HS[:1], HS[:0], HS[:, :0]):
        assert NormStabilizer(reduction="mean")(hs).item() == 0


def test_it_steadies_the_norm() -> None:
    """Trained on the penalty alone, the norm of h moves less."""
    cell, penalty = lstm(4, 6).double(), NormStabilizer()
    optimiser = torch.optim.Adam(cell.parameters(), lr=0.02)
    first = penalty(unroll(cell, HS)[0]).item()
    for _ in range(30):
        loss = penalty(unroll(cell, HS)[0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert penalty(unroll(cell, HS)[0]).item() < first / 2


def test_what_it_says_of_itself() -> None:
    assert repr(NormStabilizer(2)) == "NormStabilizer(beta=2, reduction='sum')"
