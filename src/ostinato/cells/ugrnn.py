"""The update gate network."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from ostinato.cells.gated import GatedCell
from ostinato.typing import State


@final
class UGRNN(GatedCell):
    """Update gate network, Collins, Sohl-Dickstein and Sussillo 2017 (arXiv 1611.09913)::

        g, n = W x + b + U h + b'                # gate order g, n
        h' = sigmoid(g) * h + (1 - sigmoid(g)) * tanh(n)

    x [B, I], state h [B, H], y = h' [B, H]. The options are those of `GatedCell`.
    """

    num_gates = 2

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        h = state
        g, n = (self.from_input(x) + self.from_hidden(read)).chunk(2, dim=-1)
        g = torch.sigmoid(g)
        h = g * h + (1 - g) * torch.tanh(n)
        return h, h
