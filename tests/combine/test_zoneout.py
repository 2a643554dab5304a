"""Zoneout."""

from __future__ import annotations

import torch

from catalogue import DictCell, gru, lstm
from ostinato import RecurrentDropout, Zoneout, unroll

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


def random_state(width: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(4, width), torch.randn(4, width)


def test_outside_training_it_is_the_expectation() -> None:
    cell = lstm()
    zoned = Zoneout(cell, (0.2, 0.6)).eval()
    h, c = random_state()
    y, (h1, c1) = zoned(X, (h, c))
    _, (h_new, c_new) = cell(X, (h, c))
    torch.testing.assert_close(h1, 0.2 * h + 0.8 * h_new)
    torch.testing.assert_close(c1, 0.6 * c + 0.4 * c_new)
    assert y is h1


def test_training_keeps_units_with_probability_p() -> None:
    cell = gru(3, 50)
    zoned = Zoneout(cell, 0.3)
    x, h = torch.randn(400, 3), torch.randn(400, 50)
    y, after = zoned(x, h)
    _, new = cell(x, h)
    kept = after == h
    assert torch.equal(torch.where(kept, h, new), after)
    # 20 000 draws: one standard deviation is 0.003
    assert abs(kept.double().mean().item() - 0.3) < 0.015
    assert y is after


def test_the_mean_of_training_is_evaluation() -> None:
    zoned = Zoneout(lstm(), (0.3, 0.1))
    state = random_state()
    with torch.no_grad():
        many = torch.stack([torch.stack(zoned(X, state)[1]) for _ in range(4000)]).mean(0)
        want = torch.stack(zoned.eval()(X, state)[1])
    assert (many - want).abs().max() < 0.1
    assert (many - want).square().mean().sqrt() < 0.025


def test_each_step_draws_anew() -> None:
    zoned = Zoneout(gru(3, 100), 0.5)
    hs, _ = unroll(zoned, torch.randn(4, 1, 3))
    same = [(hs[t] == hs[t + 1]) for t in range(3)]
    assert not torch.equal(same[0], same[1])


def test_flags_in_the_state_are_not_zoned_and_y_of_its_own_stays() -> None:
    dropped = Zoneout(RecurrentDropout(lstm(), 0.5), (0.2, 0.2))
    _, state = unroll(dropped, torch.randn(3, 4, 3))
    assert state.mask.dtype == torch.bool
    cell = DictCell(3, 5)
    start = cell.initial_state(4)
    y, _ = Zoneout(cell, 0.5)(X, start)
    torch.testing.assert_close(y, cell(X, start)[0])


def test_p_of_zero_is_the_cell() -> None:
    cell = lstm()
    xs = torch.randn(3, 4, 3)
    for zoned in (Zoneout(cell, 0.0), Zoneout(cell, 0.0).eval()):
        torch.testing.assert_close(unroll(zoned, xs)[0], unroll(cell, xs)[0])
