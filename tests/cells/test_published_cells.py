"""The cells that torch has not, against their equations written out gate by gate."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ostinato import cells, unroll
from ostinato.cells.mufuru import OPERATIONS, sqrt_diff

I, N, R = 3, 5, 7  # noqa: E741  (input, hidden, projected)


def drawn(*size: int, seed: int = 1) -> Tensor:
    return torch.randn(*size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


X, H, C = drawn(4, I), drawn(4, N, seed=2), drawn(4, N, seed=3)


def gate(cell: cells.GatedCell, k: int, x: Tensor, h: Tensor) -> Tensor:
    """W_k x + b_k + U_k h + b'_k."""
    rows = slice(k * N, (k + 1) * N)
    a = x @ cell.weight_ih[rows].T + h @ cell.weight_hh[rows].T
    return a if cell.bias_ih is None else a + cell.bias_ih[rows] + cell.bias_hh[rows]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("proj_size", [0, 2, R])
@pytest.mark.parametrize("peepholes", ["diagonal", "full"])
def test_peephole_lstm(peepholes: str, proj_size: int, bias: bool) -> None:
    options = {"peepholes": peepholes, "proj_size": proj_size, "bias": bias}
    cell = cells.PeepholeLSTM(I, N, dtype=torch.float64, **options)
    h = drawn(4, proj_size or N, seed=4)

    def sees(k: int, c: Tensor) -> Tensor:
        rows = slice(k * N, (k + 1) * N)
        if peepholes == "diagonal":
            return cell.weight_ch[rows] * c
        return c @ cell.weight_ch[rows].T + (cell.bias_ch[rows] if bias else 0)

    i = (gate(cell, 0, X, h) + sees(0, C)).sigmoid()
    f = (gate(cell, 1, X, h) + sees(1, C)).sigmoid()
    c = f * C + i * gate(cell, 2, X, h).tanh()
    want = (gate(cell, 3, X, h) + sees(2, c)).sigmoid() * c.tanh()
    if proj_size:
        want = want @ cell.weight_hr.T
    y, (h_after, c_after) = cell(X, (h, C))
    torch.testing.assert_close(y, want)
    torch.testing.assert_close(c_after, c)
    assert h_after is y


def test_peepholes_at_zero_make_an_lstm() -> None:
    peephole, plain = (kind(I, N, dtype=torch.float64) for kind in (cells.PeepholeLSTM, cells.LSTM))
    peephole.load_state_dict(plain.state_dict(), strict=False)
    nn.init.zeros_(peephole.weight_ch)
    torch.testing.assert_close(peephole(X, (H, C)), plain(X, (H, C)))


def test_peepholes_are_drawn_in_range() -> None:
    cell = cells.PeepholeLSTM(3, 100, init_hh="orthogonal", forget_bias=1.0)
    assert 0.09 < cell.weight_ch.abs().max() <= 0.1
    full = cells.PeepholeLSTM(3, 20, peepholes="full", init_hh="orthogonal", forget_bias=1.0)
    for block in full.weight_ch.chunk(3):
        torch.testing.assert_close(block @ block.T, torch.eye(20))
    biases = (full.bias_ih.chunk(4)[1], full.bias_hh.chunk(4)[1], full.bias_ch.chunk(3)[1])
    assert torch.equal(sum(biases), torch.ones(20))
    assert full.bias_ch.chunk(3)[0].any()


def batch_norm(a: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    a = (a - a.mean(0)) / (a.var(0, unbiased=False) + norm.eps).sqrt()
    return a * norm.weight + norm.bias


@pytest.mark.parametrize("bias", [True, False])
def test_batch_norm_lstm(bias: bool) -> None:
    cell = cells.BatchNormLSTM(I, N, bias=bias, eps=1e-3, dtype=torch.float64)
    for p in cell.parameters():
        p.data += 0.3 * torch.randn_like(p)
    a = X @ cell.weight_ih.T + (cell.bias_ih if bias else 0)
    a = batch_norm(a, cell.norm_x) + batch_norm(H @ cell.weight_hh.T, cell.norm_h)
    i, f, g, o = (a + (cell.bias_hh if bias else 0)).chunk(4, 1)
    c = f.sigmoid() * C + i.sigmoid() * g.tanh()
    y, (_, c_after) = cell(X, (H, C))
    torch.testing.assert_close(y, o.sigmoid() * batch_norm(c, cell.norm_c).tanh())
    torch.testing.assert_close(c_after, c)


def test_batch_norm_lstm_starts_with_small_gains_and_starts_again_so() -> None:
    cell = cells.BatchNormLSTM(I, N, momentum=0.5)
    cell(X.float(), (H.float(), C.float()))
    for _ in range(2):
        for norm in (cell.norm_x, cell.norm_h, cell.norm_c):
            assert norm.momentum == 0.5
            assert torch.equal(norm.weight, torch.full_like(norm.weight, 0.1))
            assert not norm.bias.any()
        nn.init.ones_(cell.norm_x.weight)
        for module in cell.modules():  # as BiSequencer draws a copy anew
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    assert not cell.norm_x.running_mean.any()


def test_coupled_lstm() -> None:
    cell = cells.CoupledLSTM(I, N, dtype=torch.float64)
    i, g, o = gate(cell, 0, X, H).sigmoid(), gate(cell, 1, X, H).tanh(), gate(cell, 2, X, H)
    c = (1 - i) * C + i * g
    y, (_, c_after) = cell(X, (H, C))
    torch.testing.assert_close(c_after, c)
    torch.testing.assert_close(y, o.sigmoid() * c.tanh())


def test_multiplicative_lstm() -> None:
    cell = cells.MultiplicativeLSTM(I, N, dtype=torch.float64)
    m = (X @ cell.weight_mx.T) * (H @ cell.weight_mh.T)
    i, f, g, o = (gate(cell, k, X, m) for k in range(4))
    c = f.sigmoid() * C + i.sigmoid() * g.tanh()
    y, (_, c_after) = cell(X, (H, C))
    torch.testing.assert_close(c_after, c)
    torch.testing.assert_close(y, o.sigmoid() * c.tanh())


@pytest.mark.parametrize("bias", [True, False])
def test_mgu(bias: bool) -> None:
    cell = cells.MGU(I, N, bias=bias, dtype=torch.float64)
    f = gate(cell, 0, X, H).sigmoid()
    n = gate(cell, 1, X, f * H).tanh()
    torch.testing.assert_close(cell(X, H)[0], (1 - f) * H + f * n)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_recurrent_highway(depth: int, bias: bool) -> None:
    cell = cells.RecurrentHighway(I, N, depth=depth, bias=bias, dtype=torch.float64)
    h = H
    for layer in range(depth):
        if layer == 0:
            n, t = gate(cell, 0, X, h), gate(cell, 1, X, h)
        else:
            a = h @ cell.weight_deep[layer - 1].T + (cell.bias_deep[layer - 1] if bias else 0)
            n, t = a.chunk(2, 1)
        t = t.sigmoid()
        h = t * n.tanh() + (1 - t) * h
    torch.testing.assert_close(cell(X, H)[0], h)


def test_transform_bias_is_that_of_every_micro_layer() -> None:
    cell = cells.RecurrentHighway(3, 4, depth=3, transform_bias=-2.0)
    assert torch.equal((cell.bias_ih + cell.bias_hh)[4:], torch.full((4,), -2.0))
    assert torch.equal(cell.bias_deep[:, 4:], torch.full((2, 4), -2.0))
    assert (cell.bias_deep[:, :4] > -2).all()


def test_ugrnn() -> None:
    cell = cells.UGRNN(I, N, dtype=torch.float64)
    g, n = gate(cell, 0, X, H).sigmoid(), gate(cell, 1, X, H).tanh()
    torch.testing.assert_close(cell(X, H)[0], g * H + (1 - g) * n)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5])
def test_janet(beta: float) -> None:
    cell = cells.JANET(I, N, beta=beta, forget_bias=3.0, dtype=torch.float64)
    s, n = gate(cell, 0, X, H), gate(cell, 1, X, H).tanh()
    want = s.sigmoid() * H + (1 - (s - beta).sigmoid()) * n
    torch.testing.assert_close(cell(X, H)[0], want)
    assert torch.equal((cell.bias_ih + cell.bias_hh)[:N], torch.full((N,), 3.0).double())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("gated", [True, False])
def test_antisymmetric(gated: bool, bias: bool) -> None:
    options = {"epsilon": 0.1, "gamma": 0.2, "gated": gated, "bias": bias}
    cell = cells.AntisymmetricRNN(I, N, dtype=torch.float64, **options)
    u = cell.weight_hh - cell.weight_hh.T
    torch.testing.assert_close(u, -u.T)
    a = H @ (u - 0.2 * torch.eye(N, dtype=torch.float64)).T + (cell.bias_hh if bias else 0)
    change = (X @ cell.weight_ih.T + (cell.bias_ih if bias else 0) + a).tanh()
    if gated:
        z = (X @ cell.weight_gate.T + (cell.bias_gate if bias else 0) + a).sigmoid()
        change = z * change
    torch.testing.assert_close(cell(X, H)[0], H + 0.1 * change)


def test_indrnn() -> None:
    for name, act in (("relu", torch.relu), ("tanh", torch.tanh)):
        cell = cells.IndRNN(I, N, activation=name, dtype=torch.float64)
        w, b = cell.from_input.weight, cell.from_input.bias
        torch.testing.assert_close(cell(X, H)[0], act(X @ w.T + b + cell.weight_hh * H))
    assert (cell.weight_hh >= 0).all()
    assert (cell.weight_hh <= 1).all()


@pytest.mark.parametrize("width", [I, N])
def test_sru(width: int) -> None:
    cell = cells.SRU(width, N, dtype=torch.float64)
    cell.bias.data.normal_()
    x = drawn(4, width, seed=5)
    maps = [x @ w.T for w in cell.from_input.weight.split(N)]
    f = (maps[1] + cell.weight_c[:N] * C + cell.bias[:N]).sigmoid()
    r = (maps[2] + cell.weight_c[N:] * C + cell.bias[N:]).sigmoid()
    c = f * C + (1 - f) * maps[0]
    y, c_after = cell(x, C)
    torch.testing.assert_close(c_after, c)
    torch.testing.assert_close(y, r * c + (1 - r) * (x if width == N else maps[3]))
    assert len(maps) == (3 if width == N else 4)


def test_min_gru() -> None:
    cell = cells.MinGRU(I, N, dtype=torch.float64)
    z, n = cell.from_input(X).chunk(2, 1)
    z = z.sigmoid()
    torch.testing.assert_close(cell(X, H)[0], (1 - z) * H + z * n)


RESULTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "keep": lambda h, v: h,
    "replace": lambda h, v: v,
    "mul": lambda h, v: h * v,
    "diff": lambda h, v: h - v,
    "forget": lambda h, v: 0 * h,
    "sqrt_diff": lambda h, v: 0.25 * (h - v).abs().sqrt(),
    "max": lambda h, v: torch.where(h > v, h, v),
    "min": lambda h, v: torch.where(h < v, h, v),
}


@pytest.mark.parametrize("operations", [tuple(RESULTS), ("min",), ("max", "forget", "keep")])
def test_mufuru(operations: tuple[str, ...]) -> None:
    cell = cells.MuFuRu(I, N, operations=operations, dtype=torch.float64)
    last = len(operations) + 1
    r = gate(cell, 0, X, H).sigmoid()
    v = gate(cell, last, X, r * H).sigmoid()
    p = torch.stack([gate(cell, k, X, H) for k in range(1, last)]).softmax(0)
    want = sum(share * RESULTS[name](H, v) for share, name in zip(p, operations, strict=True))
    torch.testing.assert_close(cell(X, H)[0], want)
    assert cell.num_gates == last + 1
    assert list(RESULTS) == list(OPERATIONS)


def test_the_root_of_a_difference_of_zero_has_no_gradient() -> None:
    h = torch.tensor([1.0, 2.0, float("nan")], requires_grad=True)
    y = sqrt_diff(h, torch.tensor([1.0, 1.75, 0.0]))
    assert y[:2].tolist() == [0.0, 0.125]
    assert y[2].isnan()
    y[:2].sum().backward()
    assert h.grad.tolist()[:2] == [0.0, 0.25]


def test_candidate_dropout_of_a_gru() -> None:
    """h' = (1 - z) d(n) + z h: a unit whose candidate is dropped keeps z of its past."""
    act = nn.Sequential(nn.Tanh(), nn.Dropout(0.5))
    cell = cells.GRU(I, 200, reset="before", activation=act)
    plain = cells.GRU(I, 200, reset="before")
    plain.load_state_dict(cell.state_dict())
    x, h = torch.randn(1, I), torch.randn(1, 200)
    z = (plain.from_input(x) + plain.from_hidden(h)).chunk(3, 1)[1].sigmoid()
    with torch.no_grad():
        y, whole = cell(x, h)[0], plain(x, h)[0]
        dropped = torch.isclose(y, z * h)
        twice = torch.isclose(y, 2 * whole - z * h, atol=1e-6)
    assert (dropped | twice).all()
    assert 60 < dropped.sum() < 140
    cell.eval()
    torch.testing.assert_close(cell(x, h)[0], whole)


def test_a_gru_of_another_activation() -> None:
    cell = cells.GRU(I, N, reset="before", activation="relu", dtype=torch.float64)
    r, z = gate(cell, 0, X, H).sigmoid(), gate(cell, 1, X, H).sigmoid()
    n = gate(cell, 2, X, r * H).relu()
    torch.testing.assert_close(cell(X, H)[0], (1 - z) * n + z * H)
    assert "activation='relu'" in repr(cell)


def test_what_the_cells_say_of_themselves() -> None:
    assert repr(cells.MGU(3, 5)) == "MGU(3, 5)"
    said = repr(cells.PeepholeLSTM(3, 5, peepholes="full", proj_size=2, forget_bias=1.0))
    assert said == "PeepholeLSTM(3, 5, peepholes='full', proj_size=2, forget_bias=1.0)"
    assert "operations=('keep', 'min')" in repr(cells.MuFuRu(3, 5, operations=["keep", "min"]))
    assert "depth=2, transform_bias=-1.0" in repr(cells.RecurrentHighway(3, 5, transform_bias=-1.0))


def test_redrawing_takes_the_same_rules() -> None:
    for make in (
        lambda: cells.PeepholeLSTM(3, 5, peepholes="full", init_hh="zeros", init_bias="zeros"),
        lambda: cells.MultiplicativeLSTM(3, 5, init_hh="zeros", init_bias="zeros"),
        lambda: cells.RecurrentHighway(3, 5, init_hh="zeros", init_bias="zeros"),
        lambda: cells.MuFuRu(3, 5, init_hh="zeros", init_bias="zeros"),
    ):
        cell = make()
        for _ in range(2):
            zero = [name for name, p in cell.named_parameters() if not p.any()]
            drawn_ = [name for name, _ in cell.named_parameters() if name not in zero]
            assert set(drawn_) <= {"weight_ih", "weight_mx"}
            for p in cell.parameters():
                nn.init.ones_(p)
            cell.reset_parameters()


def test_a_subclass_needs_its_step_alone() -> None:
    """The idiom for a gate of one's own: the weights are made and drawn by the base class."""

    class HardForget(cells.GatedMemory):
        num_gates = 4

        def step(self, x: Tensor, read: Tensor, state: tuple[Tensor, Tensor]):
            _, c = state
            i, f, g, o = (self.from_input(x) + self.from_hidden(read)).chunk(4, dim=-1)
            c = nn.functional.hardsigmoid(f) * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            return h, (h, c)

    cell, plain = HardForget(I, N), cells.LSTM(I, N)
    assert all(0.1 < p.std() < 0.5 for p in cell.parameters())
    plain.load_state_dict(cell.state_dict())
    xs = torch.randn(6, 2, I)
    assert not torch.allclose(unroll(cell, xs)[0], unroll(plain, xs)[0])
    for one in (cell, plain):
        one.set_bias(1, 50.0)
    torch.testing.assert_close(unroll(cell, xs), unroll(plain, xs))
