"""The simple recurrent network."""

from __future__ import annotations

from typing import Unpack, final

from torch import Tensor, nn

from ostinato.cells.activation import activation as by_name
from ostinato.cells.gated import GatedCell, Options
from ostinato.typing import State


@final
class Elman(GatedCell):
    """h' = act(W x + b + U h + b'), y = h'. Elman 1990; ``torch.nn.RNN`` runs this cell.

    x [B, I], state h [B, H], y [B, H]. ``activation`` is ``"tanh"``, ``"relu"``, ``"sigmoid"`` or
    any module [B, H] to [B, H]. With ``init_hh="identity"``, ``init_bias="zeros"`` and relu it is
    the IRNN of Le, Jaitly and Hinton 2015 (arXiv 1504.00941). ``layer_norm`` and the other options
    are those of `GatedCell`. Raises ArgumentError for sizes and names that it cannot take.
    """

    num_gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: str | nn.Module = "tanh",
        layer_norm: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(input_size, hidden_size, layer_norm=layer_norm, **options)
        by_name(activation)
        self.activation = activation

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        act = by_name(self.activation)
        h = act(self.from_input(x) + self.from_hidden(read))
        return h, h

    def extra_repr(self) -> str:
        named = isinstance(self.activation, str) and self.activation != "tanh"
        return super().extra_repr() + (f", activation={self.activation!r}" if named else "")
