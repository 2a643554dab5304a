"""The independently recurrent network."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from ostinato.cell import Cell, zeros
from ostinato.cells.activation import activation as by_name
from ostinato.cells.gated import check_kind, check_size
from ostinato.typing import State


@final
class IndRNN(Cell):
    """Independently recurrent network, Li et al. 2018 (arXiv 1803.04831)::

        h' = act(W x + b + u * h)                # each unit reads its own past alone

    x [B, I], state h [B, H], y = h' [B, H]; W and b are ``from_input``, a ``torch.nn.Linear``, u is
    ``weight_hh`` [H], drawn from U(0, 1), between units that forget at once and units that keep.
    ``activation`` as in `Elman`. Units mix in the layers above: stack two or more. Raises
    ArgumentError for sizes and names it cannot take.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: str | nn.Module = "relu",
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_size("input_size", input_size, least=0)
        check_size("hidden_size", hidden_size, least=1)
        check_kind(device, dtype)
        by_name(activation)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.activation = activation
        self.from_input = nn.Linear(input_size, hidden_size, bias, device, dtype)
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.from_input.reset_parameters()
        nn.init.uniform_(self.weight_hh)

    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        return zeros(self, batch_size, self.hidden_size, dtype=dtype, device=device)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        h = by_name(self.activation)(self.from_input(x) + self.weight_hh * state)
        return h, h

    def extra_repr(self) -> str:
        named = isinstance(self.activation, str) and self.activation != "relu"
        return f"{self.input_size}, {self.hidden_size}" + (
            f", activation={self.activation!r}" if named else ""
        )
