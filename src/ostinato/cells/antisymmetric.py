"""The antisymmetric recurrent network."""

from __future__ import annotations

from typing import Unpack, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.cells.gated import GatedCell, Options, linear
from ostinato.typing import State


@final
class AntisymmetricRNN(GatedCell):
    """Antisymmetric recurrent network, Chang et al. 2019 (arXiv 1902.09689)::

        a = (U - U^T - gamma) h + b'             # neither grows nor fades, for a small gamma
        h' = h + epsilon * tanh(W x + b + a)
        h' = h + epsilon * sigmoid(V x + d + a) * tanh(W x + b + a)      # gated=True

    x [B, I], state h [B, H], y = h' [B, H]: a step of size ``epsilon`` of a stable differential
    equation, with the diffusion ``gamma``. ``gated`` adds ``weight_gate`` [H, I] and ``bias_gate``
    [H]. The other options are those of `GatedCell`.
    """

    num_gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        epsilon: float = 0.01,
        gamma: float = 0.01,
        gated: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(input_size, hidden_size, **options)
        self.epsilon, self.gamma, self.gated = epsilon, gamma, gated
        self.weight_gate = self.weight(hidden_size, input_size) if gated else None
        self.bias_gate = self.weight(hidden_size) if gated and self.bias else None
        self.reset_own()

    def reset_own(self) -> None:
        if self.weight_gate is not None:
            self.draw(self.weight_gate, "init_ih", 1)
        if self.bias_gate is not None:
            self.draw(self.bias_gate, "init_bias", 1)

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        h, u = state, self.weight_hh
        a = linear(
            read,
            u - u.T - self.gamma * torch.eye(len(u), dtype=u.dtype, device=u.device),
            self.bias_hh,
        )
        change = torch.tanh(self.from_input(x) + a)
        if self.weight_gate is not None:
            change = torch.sigmoid(F.linear(x, self.weight_gate, self.bias_gate) + a) * change
        h = h + self.epsilon * change
        return h, h

    def extra_repr(self) -> str:
        said = [super().extra_repr(), f"epsilon={self.epsilon}, gamma={self.gamma}"]
        return ", ".join(said + (["gated=True"] if self.gated else []))
