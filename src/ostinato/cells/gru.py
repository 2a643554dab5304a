"""The gated recurrent unit."""

from __future__ import annotations

from typing import Unpack, final

import torch
from torch import Tensor, nn

from ostinato.cells.activation import activation as by_name
from ostinato.cells.gated import GatedCell, Options, read_by
from ostinato.errors import ArgumentError
from ostinato.typing import State


@final
class GRU(GatedCell):
    """Gated recurrent unit, Cho et al. 2014 (arXiv 1406.1078)::

        r, z = sigmoid(W x + b + U h + b')       # gate order of torch: r, z, n
        n = tanh(W_n x + b_n + r * (U_n h + b'_n))      # reset="after"
        n = tanh(W_n x + b_n + U_n (r * h) + b'_n)      # reset="before"
        h' = (1 - z) * n + z * h

    x [B, I], state h [B, H], y = h' [B, H]. ``reset="after"`` is what cuDNN and ``torch.nn.GRU``
    compute; ``"before"`` is the paper's, Torch ``rnn``'s and MinPy's, and takes any ``activation``
    in place of tanh, as `Elman` does; ``nn.Sequential(nn.Tanh(), nn.Dropout(p))`` drops parts of
    the candidate (Semeniuta et al. 2016, arXiv 1603.05118). ``layer_norm`` normalises every
    product (Ba et al. 2016). The other options are those of `GatedCell`. Raises ArgumentError for
    sizes and names it cannot take.
    """

    num_gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset: str = "after",
        activation: str | nn.Module = "tanh",
        layer_norm: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(input_size, hidden_size, layer_norm=layer_norm, **options)
        if reset not in ("after", "before"):
            raise ArgumentError(
                "reset",
                wanted='"after" or "before"',
                got=repr(reset),
                remedy="It says whether r acts after the recurrent product or before it.",
            )
        by_name(activation)
        if reset == "after" and activation != "tanh":
            raise ArgumentError(
                "activation",
                wanted='"tanh" with reset="after", which is the GRU of torch\'s kernels',
                got=repr(activation),
                remedy='Use reset="before".',
            )
        self.reset, self.activation = reset, activation

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        h = state
        x_r, x_z, x_n = self.from_input(x).chunk(3, dim=-1)
        if self.reset == "after":
            h_r, h_z, h_n = self.from_hidden(read).chunk(3, dim=-1)
            r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
            n = torch.tanh(x_n + r * h_n)
        else:
            act = by_name(self.activation)
            h_r, h_z = self.from_hidden(read, slice(0, 2)).chunk(2, dim=-1)
            r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
            n = act(x_n + self.from_hidden(r * read_by(2, read), slice(2, 3)))
        h = (1 - z) * n + z * h
        return h, h

    def extra_repr(self) -> str:
        said = super().extra_repr() + ("" if self.reset == "after" else f", reset={self.reset!r}")
        named = isinstance(self.activation, str) and self.activation != "tanh"
        return said + (f", activation={self.activation!r}" if named else "")
