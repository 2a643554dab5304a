"""The long short-term memory with a forget gate alone."""

from __future__ import annotations

from typing import Unpack, final

import torch
from torch import Tensor

from ostinato.cells.gated import GatedCell, Options, check_set_bias
from ostinato.typing import State


@final
class JANET(GatedCell):
    """Just another network, van der Westhuizen and Lasenby 2018 (arXiv 1804.04849)::

        s, n = W x + b + U h + b'                # gate order s, n
        h' = sigmoid(s) * h + (1 - sigmoid(s - beta)) * tanh(n)

    x [B, I], state h [B, H] (the paper's c), y = h' [B, H]. A ``beta`` above 0 lets more in
    than is forgotten. ``forget_bias`` sets the sum of the biases of s at the start. The other
    options are those of `GatedCell`.
    """

    num_gates = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        beta: float = 1.0,
        forget_bias: float | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(input_size, hidden_size, **options)
        check_set_bias("forget_bias", forget_bias, self.bias)
        self.beta, self.forget_bias = beta, forget_bias
        self.reset_own()

    def reset_own(self) -> None:
        if self.forget_bias is not None:
            self.set_bias(0, self.forget_bias)

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        h = state
        s, n = (self.from_input(x) + self.from_hidden(read)).chunk(2, dim=-1)
        h = torch.sigmoid(s) * h + (1 - torch.sigmoid(s - self.beta)) * torch.tanh(n)
        return h, h

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.beta == 1 else f", beta={self.beta}")
