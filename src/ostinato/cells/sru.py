"""The simple recurrent unit."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from ostinato.cell import Cell, zeros
from ostinato.cells.gated import check_kind, check_size
from ostinato.typing import State


@final
class SRU(Cell):
    """Simple recurrent unit, Lei et al. 2018 (arXiv 1709.02755)::

        f = sigmoid(W_f x + v_f * c + b_f)
        r = sigmoid(W_r x + v_r * c + b_r)
        c' = f * c + (1 - f) * (W x)
        y = r * c' + (1 - r) * x                 # W_x x in place of x where I is not H

    x [B, I], state c [B, H], y [B, H]: all products are of x, so that none waits for the step
    before. ``from_input`` is one ``torch.nn.Linear`` without bias for W, W_f, W_r and, if needed,
    W_x; ``weight_c`` [2*H] holds v_f, v_r, drawn from U(-1/sqrt(H), 1/sqrt(H)), and ``bias``
    [2*H] b_f, b_r, which start at 0. Raises ArgumentError for sizes it cannot take.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_size("input_size", input_size, least=1)
        check_size("hidden_size", hidden_size, least=1)
        check_kind(device, dtype)
        self.input_size, self.hidden_size = input_size, hidden_size
        maps = 3 if input_size == hidden_size else 4
        self.from_input = nn.Linear(input_size, maps * hidden_size, False, device, dtype)
        self.weight_c = nn.Parameter(torch.empty(2 * hidden_size, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(2 * hidden_size, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        bound = self.hidden_size**-0.5
        self.from_input.reset_parameters()
        nn.init.uniform_(self.weight_c, -bound, bound)
        nn.init.zeros_(self.bias)

    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        return zeros(self, batch_size, self.hidden_size, dtype=dtype, device=device)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        c, (v_f, v_r), (b_f, b_r) = state, self.weight_c.chunk(2), self.bias.chunk(2)
        n, x_f, x_r, *projected = self.from_input(x).split(self.hidden_size, dim=-1)
        f = torch.sigmoid(x_f + v_f * c + b_f)
        r = torch.sigmoid(x_r + v_r * c + b_r)
        c = f * c + (1 - f) * n
        return r * c + (1 - r) * (projected[0] if projected else x), c

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"
