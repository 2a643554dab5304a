"""The simple recurrent network."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from ostinato.cells.gated import GatedCell
from ostinato.errors import ArgumentError
from ostinato.typing import Initialiser, State

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
}


@final
class Elman(GatedCell):
    """h' = act(W x + b + U h + b'), y = h'. Elman 1990; ``torch.nn.RNN`` runs this cell.

    x [B, I], state h [B, H], y [B, H]. ``activation`` is ``"tanh"``, ``"relu"``, ``"sigmoid"`` or
    any module [B, H] to [B, H]. With ``init_hh="identity"``, ``init_bias="zeros"`` and relu it is
    the IRNN of Le, Jaitly and Hinton 2015 (arXiv 1504.00941). Initialisers are names or functions
    as in `ostinato.init`. Raises ArgumentError for sizes and names that it cannot take.
    """

    num_gates: ClassVar[int] = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: str | nn.Module = "tanh",
        bias: bool = True,
        layer_norm: bool = False,
        init_ih: Initialiser = "torch",
        init_hh: Initialiser = "torch",
        init_bias: Initialiser = "torch",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            bias=bias,
            layer_norm=layer_norm,
            recurrent_size=hidden_size,
            init_ih=init_ih,
            init_hh=init_hh,
            init_bias=init_bias,
            device=device,
            dtype=dtype,
        )
        known = activation in ACTIVATIONS if isinstance(activation, str) else callable(activation)
        if not known:
            raise ArgumentError(
                "activation",
                wanted=f"one of {', '.join(map(repr, ACTIVATIONS))}, or a torch.nn.Module",
                got=repr(activation),
                remedy="Pass torch.nn.GELU() and the like as modules.",
            )
        self.activation = activation
        self.reset_parameters()

    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        return self.zeros(batch_size, self.hidden_size, dtype, device)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return self.step(x, state, state)

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        act = ACTIVATIONS[self.activation] if isinstance(self.activation, str) else self.activation
        h = act(self.from_input(x) + self.from_hidden(read))
        return h, h

    def extra_repr(self) -> str:
        named = isinstance(self.activation, str) and self.activation != "tanh"
        return super().extra_repr() + (f", activation={self.activation!r}" if named else "")
