"""Problems made by formulas: what their sources say of them, and their seeds."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ostinato.data.problems import (
    InverseSettings,
    adding,
    bells,
    copy_memory,
    cosine,
    curve,
    drawn_from_pools,
    inverse_direct,
    inverse_fixed,
    inverse_grid,
    inverse_variable,
    make_inverse,
    permuted,
    read_inverse,
    repeating,
    write_inverse,
)
from ostinato.errors import ArgumentError

DRAWN = [adding, copy_memory, drawn_from_pools, inverse_fixed, inverse_variable, inverse_direct]


@pytest.mark.parametrize("make", DRAWN)
def test_the_seed_decides(make) -> None:
    one, same, other = make(50, seed=1), make(50, seed=1), make(50, seed=2)
    assert torch.equal(one.xs, same.xs)
    assert torch.equal(one.targets, same.targets)
    assert not torch.equal(one.xs, other.xs)
    state = torch.random.get_rng_state()
    make(5)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_adding() -> None:
    batch = adding(20_000, 12, high=2.0)
    numbers, marks = batch.xs.unbind(-1)
    assert batch.xs.shape == (12, 20_000, 2)
    assert batch.targets.shape == (20_000, 1)
    assert ((marks == 0) | (marks == 1)).all()
    assert (marks.sum(0) == 2).all()
    assert torch.equal((numbers * marks).sum(0), batch.targets[:, 0])
    assert 0 <= numbers.min() < numbers.max() <= 2
    # the two marks anywhere, each place and each pair as often
    first, last = marks.argmax(0), 11 - marks.flip(0).argmax(0)
    pairs = torch.bincount(first * 12 + last)
    assert (pairs > 0).sum() == 66
    torch.testing.assert_close(pairs[pairs > 0].float().mean(), torch.tensor(20_000 / 66))
    assert pairs[pairs > 0].min() > 20_000 / 66 * 0.7
    assert abs(batch.targets.var().item() - 4 / 6) < 0.02


def test_the_smallest_adding_problem() -> None:
    assert (adding(5, 2).xs[..., 1] == 1).all()
    with pytest.raises(ArgumentError, match="steps: wanted at least 2"):
        adding(5, 1)


def test_copy_memory() -> None:
    batch = copy_memory(6, 20, symbols=5, num_copied=3)
    assert batch.xs.shape == batch.targets.shape == (26, 6)
    assert batch.per_step
    shown, blank, delimiter = batch.xs[:3], 5, 6
    assert shown.max() < 5
    assert (batch.xs[3:22] == blank).all()
    assert (batch.xs[22] == delimiter).all()
    assert (batch.xs[23:] == blank).all()
    assert (batch.targets[:23] == blank).all()
    assert torch.equal(batch.targets[23:], shown)
    with pytest.raises(ArgumentError, match="gap: wanted at least 1"):
        copy_memory(6, 0)


def test_copying_without_memory_costs_what_is_said() -> None:
    batch = copy_memory(5000, 30)
    probabilities = torch.zeros(50, 5000, 10)
    probabilities[:40, :, 8] = 1
    probabilities[40:, :, :8] = 1 / 8
    loss = F.nll_loss(probabilities.log().flatten(0, 1), batch.targets.flatten())
    assert loss.item() == pytest.approx(10 * math.log(8) / 50, rel=1e-5)


def test_the_curve_has_the_published_values() -> None:
    z = torch.tensor([0.0, 1, 2, 5, 10], dtype=torch.float64)
    wanted = [3.330033, 2.793940, 3.627377, 1.781323, 0.717943]
    torch.testing.assert_close(curve(z).tolist(), wanted, rtol=0, atol=1e-6)
    values = curve(torch.linspace(-2, 10, 10_001))
    assert values.min().item() == pytest.approx(0.0738, abs=1e-4)
    assert values.max().item() == pytest.approx(4.4961, abs=1e-4)


def test_inverse_fixed() -> None:
    batch = inverse_fixed(1000, noise=0.0)
    assert batch.xs.shape == (3, 1000, 1)
    assert batch.lengths is None
    for step in range(3):
        torch.testing.assert_close(
            batch.xs[step], curve(batch.targets - step), rtol=1e-4, atol=1e-5
        )
    noise = inverse_fixed(50_000, noise=0.3).xs - inverse_fixed(50_000, noise=0.0).xs
    torch.testing.assert_close(noise.std((1, 2)), torch.full((3,), 0.3), rtol=0.02, atol=0)


def test_inverse_variable_and_direct() -> None:
    variable, direct = inverse_variable(9000, seed=4), inverse_direct(9000, seed=4)
    assert variable.lengths is not None
    counts = torch.bincount(variable.lengths)
    assert counts.nonzero().flatten().tolist() == [2, 3, 4]
    assert (counts[2:] - 3000).abs().max() < 200
    assert variable.xs.shape == direct.xs.shape == direct.targets.shape == (4, 9000, 1)
    assert not variable.xs[~variable.mask].any()
    assert not direct.targets[~direct.mask].any()
    assert torch.equal(variable.xs, direct.xs)
    assert torch.equal(variable.targets, direct.targets[0])
    whole = direct.lengths == 4
    steps = direct.targets[0, whole] - torch.arange(4)[:, None, None]
    assert torch.equal(direct.targets[:, whole], steps)


def test_the_grid_is_without_noise() -> None:
    grid = inverse_grid(200)
    assert grid.xs.shape == (3, 200, 1)
    assert (grid.targets[0].item(), grid.targets[-1].item()) == (0, 10)
    torch.testing.assert_close(grid.xs[0], curve(grid.targets))


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("fixed", "x0,x1,x2,z"),
        ("variable", "x0,x1,x2,x3,length,z"),
        ("direct", "x0,x1,x2,x3,z0,z1,z2,z3,length"),
    ],
)
def test_the_file_gives_the_rows_back(tmp_path: Path, kind: str, header: str) -> None:
    settings = InverseSettings(kind=kind, count=40, seed=2)
    write_inverse(tmp_path / "toy.csv", settings)
    assert (tmp_path / "toy.csv").read_text().splitlines()[0] == header
    wanted, got = make_inverse(settings), read_inverse(tmp_path / "toy.csv")
    assert torch.equal(got.xs, wanted.xs)
    assert torch.equal(got.targets, wanted.targets)
    assert got.per_step == wanted.per_step
    assert torch.equal(got.mask, wanted.mask)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ArgumentError, match=r"columns x0, x1, \.\.\., z, got a, b"):
        read_inverse(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("x0,z\n1,two\n")
    with pytest.raises(ArgumentError, match="wanted rows of numbers"):
        read_inverse(tmp_path / "a.csv")


def test_repeating_and_permuted() -> None:
    assert repeating(2, 3).tolist() == [0, 1, 2, 0, 1, 2]
    assert len(repeating()) == 1000
    order = permuted(50, 3, seed=1)
    assert sorted(order[:50]) == list(range(50))
    assert np.array_equal(order[:50], order[50:100])
    assert not np.array_equal(order, permuted(50, 3, seed=2))


def test_drawn_from_pools() -> None:
    batch = drawn_from_pools(7000, seed=1)
    assert batch.xs.shape == (10, 7000)
    assert batch.xs.min() == 0
    assert batch.xs.max() == 6
    assert (batch.xs.diff(dim=0) >= 0).all()
    assert torch.bincount(batch.targets).min() > 850
    # a class is told by how often it has each id
    often = torch.stack(
        [
            torch.bincount(batch.xs[:, batch.targets == kind].flatten(), minlength=7)
            for kind in range(7)
        ]
    ).float()
    shares = often / often.sum(1, keepdim=True)
    assert torch.cdist(shares, shares)[~torch.eye(7, dtype=torch.bool)].min() > 0.05


def test_cosine() -> None:
    series = cosine()
    assert series.columns == ("cos",)
    assert series.values.shape == (2000, 1)
    np.testing.assert_allclose(series.values[:, 0], np.cos(np.linspace(0, 200, 2000)))


def test_bells() -> None:
    series = bells(44, seed=3)
    assert series.columns == ("sd1", "sd2", "sd3", "sd4", "sd5", "sd6")
    assert series.values.shape == (44, 6)
    np.testing.assert_allclose(series.values[:11], series.values[11:22])  # the clock goes round
    bias = series.values[5] - 1 / (np.arange(1, 7) * math.sqrt(2 * math.pi))
    assert ((bias >= 0) & (bias < 1)).all()
    density = np.exp(-(3**2) / 2 / 4) / (2 * math.sqrt(2 * math.pi))
    assert series.values[8, 1] == pytest.approx(density + bias[1])
