"""Cells for which nobody wrote a kernel, as their users write them: plain PyTorch, one step.

Those of the library are made by it, the others are written here from their papers. Some are cells
of ours, some are modules (x, h) -> h that know nothing of ostinato and come in by `Recurrence`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import ostinato
from ostinato import Cell, Recurrence, Zoneout
from ostinato.cell import zeros
from ostinato.cells import GRU, LSTM


def matrix(rows: int, columns: int) -> nn.Parameter:
    """A weight, uniform in +-1/sqrt(columns)."""
    return nn.Parameter((2 * torch.rand(rows, columns) - 1) / columns**0.5)


class TwoStates(Cell):
    """What the LSTM's relatives share: a state (h [B, H], c [B, H])."""

    def __init__(self, input_size: int, hidden_size: int, num_gates: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.x = nn.Linear(input_size, num_gates * hidden_size)
        self.h = nn.Linear(hidden_size, num_gates * hidden_size)

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Any:
        made = (zeros(self, batch_size, self.hidden_size, dtype=dtype, device=device),) * 2
        return made[0], made[1].clone()


class PeepholeLSTM(TwoStates):
    """Gates that see c through diagonal weights. Gers, Schraudolph and Schmidhuber 2002."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 4)
        self.p = nn.Parameter(0.1 * torch.randn(3, hidden_size))

    def forward(self, x: Tensor, state: Any) -> Any:
        h, c = state
        i, f, g, o = (self.x(x) + self.h(h)).chunk(4, -1)
        i, f = torch.sigmoid(i + self.p[0] * c), torch.sigmoid(f + self.p[1] * c)
        c = f * c + i * torch.tanh(g)
        h = torch.sigmoid(o + self.p[2] * c) * torch.tanh(c)
        return h, (h, c)


class CoupledLSTM(TwoStates):
    """One gate to forget and to write. Greff et al. 2015 (arXiv 1503.04069), CIFG."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 3)

    def forward(self, x: Tensor, state: Any) -> Any:
        h, c = state
        f, g, o = (self.x(x) + self.h(h)).chunk(3, -1)
        f = torch.sigmoid(f)
        c = f * c + (1 - f) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)


class MultiplicativeLSTM(TwoStates):
    """An LSTM that reads m = W x * U h in place of h. Krause et al. 2016 (arXiv 1609.07959)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 4)
        self.m_x = nn.Linear(input_size, hidden_size, bias=False)
        self.m_h = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, x: Tensor, state: Any) -> Any:
        h, c = state
        m = self.m_x(x) * self.m_h(h)
        i, f, g, o = (self.x(x) + self.h(m)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)


class MinimalGated(nn.Module):
    """One gate. Zhou et al. 2016 (arXiv 1603.09420)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.f = nn.Linear(input_size + hidden_size, hidden_size)
        self.n = nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        f = torch.sigmoid(self.f(torch.cat([x, h], -1)))
        n = torch.tanh(self.n(torch.cat([x, f * h], -1)))
        return (1 - f) * h + f * n


class Highway(nn.Module):
    """A recurrent highway network two layers deep. Zilly et al. 2016 (arXiv 1607.03474)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.x = nn.Linear(input_size, 2 * hidden_size, bias=False)
        self.first = nn.Linear(hidden_size, 2 * hidden_size)
        self.second = nn.Linear(hidden_size, 2 * hidden_size)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        for a in (lambda s: self.x(x) + self.first(s), self.second):
            h, t = a(s).chunk(2, -1)
            t = torch.sigmoid(t)
            s = t * torch.tanh(h) + (1 - t) * s
        return s


class FastGRNN(nn.Module):
    """One weight for gate and content, two scalars. Kusupati et al. 2018 (arXiv 1901.02358)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.w, self.u = matrix(hidden_size, input_size), matrix(hidden_size, hidden_size)
        self.b_z = nn.Parameter(torch.ones(hidden_size))
        self.b_h = nn.Parameter(torch.ones(hidden_size))
        self.zeta, self.nu = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(-4.0))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        a = F.linear(x, self.w) + F.linear(h, self.u)
        z, n = torch.sigmoid(a + self.b_z), torch.tanh(a + self.b_h)
        return (torch.sigmoid(self.zeta) * (1 - z) + torch.sigmoid(self.nu)) * n + z * h


class IndRNN(nn.Module):
    """Units that see only themselves. Li et al. 2018 (arXiv 1803.04831)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.x = nn.Linear(input_size, hidden_size)
        self.u = nn.Parameter(torch.rand(hidden_size))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.relu(self.x(x) + self.u * h)


class BistableCell(nn.Module):
    """The neuromodulated one, nBRC. Vecoven, Ernst and Drion 2021 (arXiv 2006.05252)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.x = nn.Linear(input_size, 3 * hidden_size)
        self.h = nn.Linear(hidden_size, 2 * hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        x_a, x_c, x_n = self.x(x).chunk(3, -1)
        h_a, h_c = self.h(h).chunk(2, -1)
        a, c = 1 + torch.tanh(x_a + h_a), torch.sigmoid(x_c + h_c)
        return c * h + (1 - c) * torch.tanh(x_n + a * h)


def brought_in(module: Callable[[int, int], nn.Module]) -> Callable[[int, int], ostinato.Cell]:
    """Somebody's module (x, h) -> h as a cell."""
    return lambda input_size, hidden_size: Recurrence(module(input_size, hidden_size), hidden_size)


RELATIVES: dict[str, Callable[[int, int], ostinato.Cell]] = {
    "layer-norm LSTM": lambda i, h: LSTM(i, h, layer_norm=True),
    "peephole LSTM": PeepholeLSTM,
    "zoneout LSTM": lambda i, h: Zoneout(LSTM(i, h), 0.1),
    "projection LSTM": lambda i, h: LSTM(i, h, proj_size=h // 2),
}
"""Those that are expected to take about the time of the plain LSTM."""

CELLS: dict[str, Callable[[int, int], ostinato.Cell]] = {
    **RELATIVES,
    "coupled-gate LSTM": CoupledLSTM,
    "multiplicative LSTM": MultiplicativeLSTM,
    "reset-before GRU": lambda i, h: GRU(i, h, reset="before"),
    "minimal gated unit": brought_in(MinimalGated),
    "highway, depth 2": brought_in(Highway),
    "FastGRNN": brought_in(FastGRNN),
    "IndRNN": brought_in(IndRNN),
    "bistable cell": brought_in(BistableCell),
}
