"""The minimal GRU, whose gate does not see the state."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from ostinato.cell import Cell, zeros
from ostinato.cells.gated import check_kind, check_size
from ostinato.typing import State


@final
class MinGRU(Cell):
    """The minGRU of Feng et al. 2024 (arXiv 2410.01201)::

        z, n = W x + b
        h' = (1 - sigmoid(z)) * h + sigmoid(z) * n

    x [B, I], state h [B, H], y = h' [B, H]; W and b are ``from_input``, a ``torch.nn.Linear``. All
    products are of x, so that none waits for the step before. Raises ArgumentError for sizes it
    cannot take.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_size("input_size", input_size, least=1)
        check_size("hidden_size", hidden_size, least=1)
        check_kind(device, dtype)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.from_input = nn.Linear(input_size, 2 * hidden_size, bias, device, dtype)

    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        return zeros(self, batch_size, self.hidden_size, dtype=dtype, device=device)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        z, n = self.from_input(x).chunk(2, dim=-1)
        z = torch.sigmoid(z)
        h = (1 - z) * state + z * n
        return h, h

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"
