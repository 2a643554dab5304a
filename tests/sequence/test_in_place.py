"""Who changes an output in place changes no state."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato
from ostinato import Cell, MaskZero, Recursor, Residual, Sequencer, Stack, cells

XS = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
INPLACE = {
    "relu": lambda inplace: Stack(cells.GRU(3, 4), nn.ReLU(inplace=inplace)),
    "relu between": lambda inplace: Stack(
        cells.LSTM(3, 4), nn.ReLU(inplace=inplace), cells.GRU(4, 4)
    ),
    "relu first": lambda inplace: Stack(nn.Linear(3, 4), nn.ReLU(inplace=inplace), cells.GRU(4, 4)),
    "sequence": lambda inplace: Stack(
        cells.Elman(3, 4), nn.Sequential(nn.LeakyReLU(0.1, inplace=inplace), nn.Linear(4, 2))
    ),
    "masked": lambda inplace: MaskZero(Stack(cells.GRU(3, 4), nn.ReLU(inplace=inplace))),
    "residual": lambda inplace: Residual(Stack(cells.GRU(3, 3), nn.ReLU(inplace=inplace))),
    "unknown module": lambda inplace: Stack(cells.GRU(3, 4), Halved(inplace)),
}


class Halved(nn.Module):
    """Halves its input, in place if wanted."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.write = inplace

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mul_(0.5) if self.write else x * 0.5


@pytest.mark.parametrize("name", list(INPLACE))
@pytest.mark.parametrize("backend", ["auto", "eager"])
def test_modules_that_work_in_place(name: str, backend: str) -> None:
    cell, plain = INPLACE[name](True), INPLACE[name](False)
    plain.load_state_dict(cell.state_dict())
    xs = XS.clone()
    got, want = (
        ostinato.unroll(c, xs, backend=b)[0] for c, b in ((cell, backend), (plain, "eager"))
    )
    torch.testing.assert_close(got, want)
    assert torch.equal(xs, XS)
    grads = [
        torch.autograd.grad(ys.square().sum(), list(c.parameters()))
        for ys, c in ((got, cell), (want, plain))
    ]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", list(INPLACE))
@pytest.mark.parametrize("grad", [True, False])
def test_step_by_step(name: str, grad: bool) -> None:
    cell, plain = INPLACE[name](True), INPLACE[name](False)
    plain.load_state_dict(cell.state_dict())
    one, other = Recursor(cell), Recursor(plain)
    with torch.set_grad_enabled(grad):
        for x in XS:
            torch.testing.assert_close(one(x), other(x))


@pytest.mark.parametrize("make", [cells.GRU, cells.LSTM, cells.Elman, cells.MGU])
@pytest.mark.parametrize("grad", [True, False])
def test_what_a_recursor_gives_is_the_callers(make: type[Cell], grad: bool) -> None:
    cell = make(3, 4)
    one, other = Recursor(cell), Recursor(cell)
    with torch.set_grad_enabled(grad):
        for x in XS:
            y = one(x)
            torch.testing.assert_close(y, other(x))
            y.mul_(0)


@pytest.mark.parametrize("make", [ostinato.nn.GRU, ostinato.nn.RNN])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"batch_first": True}], ids=str)
def test_outputs_of_drop_ins_as_those_of_torch(make: type, options: dict[str, object]) -> None:
    ours = make(3, 4, **options)
    theirs = getattr(nn, make.__name__)(3, 4, **options)
    theirs.load_state_dict(ours.state_dict())
    found = []
    for module in (ours, theirs):
        ys, _ = module(XS)
        ys.relu_()
        ys.square().sum().backward()
        found.append([ys.detach(), *[p.grad for p in module.parameters()]])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


def test_a_state_follows_its_shell() -> None:
    for shell in (Recursor(cells.GRU(3, 4)), Sequencer(cells.GRU(3, 4), remember="both")):
        for x in (XS[0], XS) if isinstance(shell, Sequencer) else (XS[0],):
            shell(x if isinstance(shell, Recursor) else XS)
        shell.double()
        x = XS.double()
        assert shell(x[0] if isinstance(shell, Recursor) else x).dtype == torch.float64


def test_explain_leaves_xs_alone() -> None:
    class Greedy(cells.Elman):
        def forward(self, x: torch.Tensor, state: object) -> object:
            return super().forward(x.mul_(2), state)

    xs = XS.clone()
    ostinato.explain(Greedy(3, 4), xs)
    assert torch.equal(xs, XS)
