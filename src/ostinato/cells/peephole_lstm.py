"""The long short-term memory with peepholes."""

from __future__ import annotations

from typing import Unpack, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato import init
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
class PeepholeLSTM(GatedMemory):
    """Long short-term memory whose gates see c, Gers and Schmidhuber 2000::

        i, f, g, o = W x + b + U h + b'              # gate order of torch
        i, f = sigmoid(i + p_i * c), sigmoid(f + p_f * c)
        c' = f * c + i * tanh(g)
        o = sigmoid(o + p_o * c')                    # sees the new c
        h' = o * tanh(c')                            # times W_hr where proj_size > 0

    x [B, I], state (h [B, R], c [B, H]), y = h' [B, R]; R is ``proj_size``, of any size, or H
    where that is 0 (with a projection it is the LSTMP of Sak, Senior and Beaufays 2014). The
    peepholes p are vectors, ``weight_ch`` [3*H] in the order i, f, o. With ``peepholes="full"``,
    ``p * c`` is ``P c + q``, with ``weight_ch`` [3*H, H] and ``bias_ch`` [3*H]: the equations of
    Graves 2013 (arXiv 1308.0850) read with full matrices. ``forget_bias`` sets the sum of the
    forget gate's biases at the start; the other options are those of `GatedCell`. Raises
    ArgumentError for sizes and names it cannot take.
    """

    num_gates = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        peepholes: str = "diagonal",
        proj_size: int = 0,
        forget_bias: float | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_size("proj_size", proj_size, least=0)
        size = proj_size or hidden_size
        super().__init__(input_size, hidden_size, recurrent_size=size, **options)
        if peepholes not in ("diagonal", "full"):
            raise ArgumentError(
                "peepholes",
                wanted='"diagonal" or "full"',
                got=repr(peepholes),
                remedy="Without peepholes it is cells.LSTM.",
            )
        check_set_bias("forget_bias", forget_bias, self.bias)
        self.peepholes, self.proj_size, self.forget_bias = peepholes, proj_size, forget_bias
        full = peepholes == "full"
        width = (hidden_size,) if full else ()
        self.weight_ch = self.weight(3 * hidden_size, *width)
        self.bias_ch = self.weight(3 * hidden_size) if full and self.bias else None
        self.weight_hr = self.weight(proj_size, hidden_size) if proj_size else None
        self.reset_own()

    def reset_own(self) -> None:
        if self.peepholes == "full":
            self.draw(self.weight_ch, "init_hh", 3)
        else:  # a vector, for which init_hh may be no rule
            init.fill(self.weight_ch, 3, "torch", "peepholes")
        if self.bias_ch is not None:
            self.draw(self.bias_ch, "init_bias", 3)
        if self.weight_hr is not None:
            draw_projection(self.weight_hr)
        if self.forget_bias is not None:
            self.set_bias(1, self.forget_bias)
            if self.bias_ch is not None:
                torch.nn.init.zeros_(self.bias_ch.chunk(3)[1])

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        _, c = state
        i, f, g, o = (self.from_input(x) + self.from_hidden(read)).chunk(4, dim=-1)
        i, f = torch.sigmoid(i + self.seen(c, 0)), torch.sigmoid(f + self.seen(c, 1))
        c = f * c + i * torch.tanh(g)
        h = torch.sigmoid(o + self.seen(c, 2)) * torch.tanh(c)
        if self.weight_hr is not None:
            h = F.linear(h, self.weight_hr)
        return h, (h, c)

    def seen(self, c: Tensor, gate: int) -> Tensor:
        """What the gate (of i, f, o) sees of c through its peephole, [B, H]."""
        weight = self.weight_ch.chunk(3)[gate]
        if self.peepholes == "diagonal":
            return weight * c
        return F.linear(c, weight, None if self.bias_ch is None else self.bias_ch.chunk(3)[gate])

    def extra_repr(self) -> str:
        said = [super().extra_repr()]
        said += [] if self.peepholes == "diagonal" else [f"peepholes={self.peepholes!r}"]
        said += [f"proj_size={self.proj_size}"] if self.proj_size else []
        said += [f"forget_bias={self.forget_bias}"] if self.forget_bias is not None else []
        return ", ".join(said)
