"""The gated recurrent unit."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from ostinato.cells.gated import GatedCell, product
from ostinato.errors import ArgumentError
from ostinato.typing import Initialiser, State


@final
class GRU(GatedCell):
    """Gated recurrent unit, Cho et al. 2014 (arXiv 1406.1078)::

        r, z = sigmoid(W x + b + U h + b')       # gate order of torch: r, z, n
        n = tanh(W_n x + b_n + r * (U_n h + b'_n))      # reset="after"
        n = tanh(W_n x + b_n + U_n (r * h) + b'_n)      # reset="before"
        h' = (1 - z) * n + z * h

    x [B, I], state h [B, H], y = h' [B, H]. ``reset="after"`` is what cuDNN and ``torch.nn.GRU``
    compute; ``"before"`` is the paper's, Torch ``rnn``'s and MinPy's. ``layer_norm`` normalises
    every product (Ba et al. 2016). Initialisers are names or functions as in `ostinato.init`.
    Raises ArgumentError for sizes and names it cannot take.
    """

    num_gates: ClassVar[int] = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset: str = "after",
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
        if reset not in ("after", "before"):
            raise ArgumentError(
                "reset",
                wanted='"after" or "before"',
                got=repr(reset),
                remedy="It says whether r acts after the recurrent product or before it.",
            )
        self.reset = reset
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
        h = state
        x_r, x_z, x_n = self.from_input(x).chunk(3, dim=-1)
        if self.reset == "after":
            h_r, h_z, h_n = self.from_hidden(read).chunk(3, dim=-1)
            r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
            n = torch.tanh(x_n + r * h_n)
        else:
            h_r, h_z = self._part(read, slice(None, -self.hidden_size)).chunk(2, dim=-1)
            r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
            n = torch.tanh(x_n + self._part(r * read, slice(-self.hidden_size, None)))
        h = (1 - z) * n + z * h
        return h, h

    def _part(self, h: Tensor, rows: slice) -> Tensor:
        """The recurrent product of some gates only."""
        bias = None if self.bias_hh is None else self.bias_hh[rows]
        gain = None if self.norm_hh is None else self.norm_hh[rows]
        return product(h, self.weight_hh[rows], bias, gain)

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.reset == "after" else f", reset={self.reset!r}")
