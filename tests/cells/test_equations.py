"""The standard cells against their equations, written out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato import cells

X = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
H = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
C = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def products(cell: cells.GatedCell, h: Tensor) -> tuple[Tensor, Tensor]:
    """W x + b and U h + b', each normalised before its bias where the cell says so."""
    a, b = X @ cell.weight_ih.T, h @ cell.weight_hh.T
    if cell.layer_norm:
        a = F.layer_norm(a, a.shape[1:]) * cell.norm_ih
        b = F.layer_norm(b, b.shape[1:]) * cell.norm_hh
    return (a + cell.bias_ih, b + cell.bias_hh) if cell.bias else (a, b)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_elman(bias: bool, layer_norm: bool) -> None:
    for name, act in (("tanh", torch.tanh), ("relu", torch.relu), ("sigmoid", torch.sigmoid)):
        options = {"bias": bias, "layer_norm": layer_norm, "dtype": torch.float64}
        cell = cells.Elman(3, 5, activation=name, **options)
        a, b = products(cell, H)
        y, state = cell(X, H)
        torch.testing.assert_close(y, act(a + b))
        assert state is y


def test_elman_takes_any_activation() -> None:
    cell = cells.Elman(3, 5, activation=nn.PReLU(dtype=torch.float64), dtype=torch.float64)
    a, b = products(cell, H)
    torch.testing.assert_close(cell(X, H)[0], F.prelu(a + b, cell.activation.weight))
    assert "activation.weight" in cell.state_dict()


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("proj_size", [0, 2])
def test_lstm(proj_size: int, bias: bool, layer_norm: bool) -> None:
    options = {"bias": bias, "layer_norm": layer_norm, "dtype": torch.float64}
    cell = cells.LSTM(3, 5, proj_size=proj_size, **options)
    h = H[:, : proj_size or 5]
    a, b = products(cell, h)
    i, f, g, o = (a + b).chunk(4, 1)
    c = f.sigmoid() * C + i.sigmoid() * g.tanh()
    seen = cell.norm_c(c) if cell.norm_c is not None else c
    want = o.sigmoid() * seen.tanh()
    if proj_size:
        want = want @ cell.weight_hr.T
    y, (h, c_after) = cell(X, (h, C))
    torch.testing.assert_close(y, want)
    torch.testing.assert_close(c_after, c)
    assert h is y


@pytest.mark.parametrize("bias", [False, True])
def test_gru_after(bias: bool) -> None:
    cell = cells.GRU(3, 5, bias=bias, layer_norm=True, dtype=torch.float64)
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (p.chunk(3, 1) for p in products(cell, H))
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    want = (1 - z) * (x_n + r * h_n).tanh() + z * H
    torch.testing.assert_close(cell(X, H)[0], want)


@pytest.mark.parametrize("bias", [False, True])
def test_gru_before(bias: bool) -> None:
    cell = cells.GRU(3, 5, bias=bias, reset="before", dtype=torch.float64)
    x_r, x_z, x_n = products(cell, H)[0].chunk(3, 1)
    u_r, u_z, u_n = cell.weight_hh.chunk(3)
    b_r, b_z, b_n = cell.bias_hh.chunk(3) if bias else (0, 0, 0)
    r, z = (x_r + H @ u_r.T + b_r).sigmoid(), (x_z + H @ u_z.T + b_z).sigmoid()
    want = (1 - z) * (x_n + (r * H) @ u_n.T + b_n).tanh() + z * H
    torch.testing.assert_close(cell(X, H)[0], want)


def test_step_reads_what_it_is_given_and_carries_what_it_has() -> None:
    """Recurrent dropout lets the products read a masked h; z * h in GRU keeps the whole."""
    read = torch.zeros_like(H)
    gru, lstm, elman = (
        make(3, 5, dtype=torch.float64) for make in (cells.GRU, cells.LSTM, cells.Elman)
    )
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (p.chunk(3, 1) for p in products(gru, read))
    z = (x_z + h_z).sigmoid()
    want = (1 - z) * (x_n + (x_r + h_r).sigmoid() * h_n).tanh() + z * H
    torch.testing.assert_close(gru.step(X, read, H)[0], want)
    torch.testing.assert_close(elman.step(X, read, H)[0], elman(X, read)[0])
    torch.testing.assert_close(lstm.step(X, read, (H, C))[0], lstm(X, (read, C))[0])


def test_what_a_cell_says_of_itself() -> None:
    assert repr(cells.LSTM(3, 5)) == "LSTM(3, 5)"
    assert "proj_size=2" in repr(cells.LSTM(3, 5, proj_size=2, forget_bias=1.0))
    assert "reset='before'" in repr(cells.GRU(3, 5, reset="before", bias=False))
    said = repr(cells.Elman(3, 5, activation="relu", init_hh="identity", layer_norm=True))
    for part in ("activation='relu'", "init_hh='identity'", "layer_norm=True"):
        assert part in said
