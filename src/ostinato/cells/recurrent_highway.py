"""The recurrent highway network."""

from __future__ import annotations

from typing import Unpack, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.cells.gated import GatedCell, Options, check_set_bias, check_size
from ostinato.typing import State


@final
class RecurrentHighway(GatedCell):
    """Recurrent highway network, Zilly et al. 2017 (arXiv 1607.03474), of D micro-layers::

        n, t = W x + b + U h + b'                # the first micro-layer; gate order n, t
        h = sigmoid(t) * tanh(n) + (1 - sigmoid(t)) * h
        n, t = V_l h + d_l                       # each of the D - 1 others
        h = sigmoid(t) * tanh(n) + (1 - sigmoid(t)) * h

    x [B, I], state h [B, H], y = h' [B, H]; D is ``depth``, V is ``weight_deep`` [D-1, 2*H, H], d
    ``bias_deep`` [D-1, 2*H]. The carry gate is 1 - t, as in the paper's experiments.
    ``transform_bias`` sets the bias of every t at the start; a negative one lets h pass through
    all micro-layers at first. The other options are those of `GatedCell`. Raises ArgumentError for
    sizes and names it cannot take.
    """

    num_gates = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        depth: int = 2,
        transform_bias: float | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(input_size, hidden_size, **options)
        check_size("depth", depth, least=1)
        check_set_bias("transform_bias", transform_bias, self.bias)
        self.depth, self.transform_bias = depth, transform_bias
        self.weight_deep = self.weight(depth - 1, 2 * hidden_size, hidden_size)
        self.bias_deep = self.weight(depth - 1, 2 * hidden_size) if self.bias else None
        self.reset_own()

    def reset_own(self) -> None:
        for layer in range(self.depth - 1):
            self.draw(self.weight_deep[layer], "init_hh", 2)
            if self.bias_deep is not None:
                self.draw(self.bias_deep[layer], "init_bias", 2)
        if self.transform_bias is not None:
            self.set_bias(1, self.transform_bias)
            if self.bias_deep is not None:
                nn.init.constant_(self.bias_deep[:, self.hidden_size :], self.transform_bias)

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        h = highway(self.from_input(x) + self.from_hidden(read), state)
        for layer in range(self.depth - 1):
            bias = None if self.bias_deep is None else self.bias_deep[layer]
            h = highway(F.linear(h, self.weight_deep[layer], bias), h)
        return h, h

    def extra_repr(self) -> str:
        said = super().extra_repr() + f", depth={self.depth}"
        set_ = self.transform_bias is not None
        return said + (f", transform_bias={self.transform_bias}" if set_ else "")


def highway(a: Tensor, h: Tensor) -> Tensor:
    """One micro-layer, from its pre-activations a [B, 2*H] of (n, t) and its input h [B, H]."""
    n, t = a.chunk(2, dim=-1)
    t = torch.sigmoid(t)
    return t * torch.tanh(n) + (1 - t) * h
