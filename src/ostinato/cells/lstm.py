"""The long short-term memory."""

from __future__ import annotations

from typing import Unpack, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.cells.gated import (
    GatedMemory,
    Options,
    check_set_bias,
    check_size,
    draw_projection,
)
from ostinato.errors import ArgumentError
from ostinato.typing import State


@final
class LSTM(GatedMemory):
    """Long short-term memory without peepholes; ``torch.nn.LSTM`` runs this cell.

    Hochreiter and Schmidhuber 1997, forget gate of Gers, Schmidhuber and Cummins 2000::

        i, f, g, o = W x + b + U h + b'          # gate order of torch
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')               # times W_hr where proj_size > 0

    x [B, I], state (h [B, R], c [B, H]), y = h' [B, R]; R is ``proj_size``, or H where that is 0
    (Sak, Senior and Beaufays 2014). ``layer_norm`` normalises both products and c' before its tanh
    (Ba et al. 2016). ``forget_bias`` sets the sum of the forget gate's two biases at the start
    (1.0 in Jozefowicz et al. 2015; None leaves it to ``init_bias``). The other options are those
    of `GatedCell`. Raises ArgumentError for sizes and names it cannot take.
    """

    num_gates = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        proj_size: int = 0,
        layer_norm: bool = False,
        forget_bias: float | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_size("proj_size", proj_size, least=0)
        super().__init__(
            input_size,
            hidden_size,
            layer_norm=layer_norm,
            recurrent_size=proj_size or hidden_size,
            **options,
        )
        if proj_size >= hidden_size:
            raise ArgumentError(
                "proj_size",
                wanted=f"0 (no projection) or less than hidden_size={hidden_size}",
                got=str(proj_size),
                remedy="A projection makes h smaller than c.",
            )
        check_set_bias("forget_bias", forget_bias, self.bias)
        self.proj_size, self.forget_bias = proj_size, forget_bias
        self.weight_hr = self.weight(proj_size, hidden_size) if proj_size else None
        device, dtype = options.get("device"), options.get("dtype")
        self.norm_c = nn.LayerNorm(hidden_size, device=device, dtype=dtype) if layer_norm else None
        self.reset_own()

    def reset_own(self) -> None:
        if self.weight_hr is not None:
            draw_projection(self.weight_hr)
        if self.norm_c is not None:
            self.norm_c.reset_parameters()
        if self.forget_bias is not None:
            self.set_bias(1, self.forget_bias)

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        _, c = state
        i, f, g, o = (self.from_input(x) + self.from_hidden(read)).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c if self.norm_c is None else self.norm_c(c))
        if self.weight_hr is not None:
            h = F.linear(h, self.weight_hr)
        return h, (h, c)

    def extra_repr(self) -> str:
        said = [super().extra_repr()]
        said += [f"proj_size={self.proj_size}"] if self.proj_size else []
        said += [f"forget_bias={self.forget_bias}"] if self.forget_bias is not None else []
        return ", ".join(said)
