"""The multiplicative long short-term memory."""

from __future__ import annotations

from typing import Unpack, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.cells.gated import GatedMemory, Options
from ostinato.typing import State


@final
class MultiplicativeLSTM(GatedMemory):
    """Multiplicative LSTM, Krause et al. 2016 (arXiv 1609.07959)::

        m = (W_mx x) * (W_mh h)                  # each input has a transition of its own
        i, f, g, o = W x + b + U m + b'          # gate order of torch
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    x [B, I], state (h [B, H], c [B, H]), y = h' [B, H]; ``weight_mx`` [H, I], ``weight_mh``
    [H, H], drawn as ``weight_ih`` and ``weight_hh`` are. The options are those of `GatedCell`.
    """

    num_gates = 4

    def __init__(self, input_size: int, hidden_size: int, **options: Unpack[Options]) -> None:
        super().__init__(input_size, hidden_size, **options)
        self.weight_mx = self.weight(hidden_size, input_size)
        self.weight_mh = self.weight(hidden_size, hidden_size)
        self.reset_own()

    def reset_own(self) -> None:
        self.draw(self.weight_mx, "init_ih", 1)
        self.draw(self.weight_mh, "init_hh", 1)

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        _, c = state
        m = F.linear(x, self.weight_mx) * F.linear(read, self.weight_mh)
        i, f, g, o = (self.from_input(x) + self.from_hidden(m)).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)
