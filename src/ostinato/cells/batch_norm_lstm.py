"""The long short-term memory with batch normalisation inside."""

from __future__ import annotations

from typing import Unpack, final

import torch
from torch import Tensor, nn

from ostinato.cells.gated import GatedMemory, Options, product
from ostinato.typing import State


class RecurrentBatchNorm(nn.BatchNorm1d):
    """Batch norm over [B, n] whose gains start at 0.1, so that tanh passes gradients at first."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        # Cooijmans et al. 2016, section 4
        nn.init.constant_(self.weight, 0.1)


@final
class BatchNormLSTM(GatedMemory):
    """Long short-term memory with recurrent batch normalisation, Cooijmans et al. 2016::

        i, f, g, o = BN(W x + b) + BN(U h) + b'      # gate order of torch
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(BN(c'))

    arXiv 1603.09025; Torch rnn's ``FastLSTM`` with ``bn``. x [B, I], state (h [B, H], c [B, H]),
    y = h' [B, H]. Each BN has a gain, that starts at 0.1, and a bias. All time steps share one set
    of running statistics, which each step in training updates with ``momentum``.

    **In training the rows of the batch meet**: every row shifts the statistics of the others,
    rows that are masked too, so pad little, or train on sequences of one length. It takes two rows
    at least. In evaluation it is a cell as any other. ``eps`` and ``momentum`` as in
    ``torch.nn.BatchNorm1d``; the other options are those of `GatedCell`. Raises ArgumentError for
    sizes and names it cannot take.
    """

    num_gates = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(input_size, hidden_size, **options)

        def batch_norm(size: int) -> RecurrentBatchNorm:
            made = RecurrentBatchNorm(size, eps, momentum)
            return made.to(device=self.weight_ih.device, dtype=self.weight_ih.dtype)

        self.norm_x, self.norm_h = batch_norm(4 * hidden_size), batch_norm(4 * hidden_size)
        self.norm_c = batch_norm(hidden_size)

    def reset_own(self) -> None:
        for norm in (self.norm_x, self.norm_h, self.norm_c):
            norm.reset_parameters()

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        _, c = state
        a = self.norm_x(self.from_input(x)) + self.norm_h(product(read, self.weight_hh, None, None))
        i, f, g, o = (a if self.bias_hh is None else a + self.bias_hh).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(self.norm_c(c))
        return h, (h, c)
