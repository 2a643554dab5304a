"""The long short-term memory with coupled gates."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from ostinato.cells.gated import GatedMemory
from ostinato.typing import State


@final
class CoupledLSTM(GatedMemory):
    """Long short-term memory that forgets what it takes in: the CIFG of Greff et al. 2017::

        i, g, o = W x + b + U h + b'             # gate order i, g, o
        c' = (1 - sigmoid(i)) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    arXiv 1503.04069, "coupled input and forget gate", here without peepholes. x [B, I], state
    (h [B, H], c [B, H]), y = h' [B, H]. The options are those of `GatedCell`.
    """

    num_gates = 3

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        _, c = state
        i, g, o = (self.from_input(x) + self.from_hidden(read)).chunk(3, dim=-1)
        i = torch.sigmoid(i)
        c = (1 - i) * c + i * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)
