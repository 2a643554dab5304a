"""The minimal gated unit."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from ostinato.cells.gated import GatedCell, read_by
from ostinato.typing import State


@final
class MGU(GatedCell):
    """Minimal gated unit, Zhou et al. 2016 (arXiv 1603.09420)::

        f = sigmoid(W_f x + b_f + U_f h + b'_f)      # gate order f, n
        n = tanh(W_n x + b_n + U_n (f * h) + b'_n)
        h' = (1 - f) * h + f * n

    x [B, I], state h [B, H], y = h' [B, H]. The options are those of `GatedCell`.
    """

    num_gates = 2

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        h = state
        x_f, x_n = self.from_input(x).chunk(2, dim=-1)
        f = torch.sigmoid(x_f + self.from_hidden(read, slice(0, 1)))
        n = torch.tanh(x_n + self.from_hidden(f * read_by(1, read), slice(1, 2)))
        h = (1 - f) * h + f * n
        return h, h
