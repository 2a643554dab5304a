"""The multi-function recurrent unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Unpack, final

import torch
from torch import Tensor

from ostinato.cells.gated import GatedCell, Options, read_by
from ostinato.errors import ArgumentError
from ostinato.typing import State


def sqrt_diff(h: Tensor, v: Tensor) -> Tensor:
    """sqrt(|h - v|) / 4, with the gradient 0 where h = v, at which the root has none."""
    d = (h - v).abs()
    return 0.25 * torch.where(d == 0, d, torch.where(d == 0, 1, d).sqrt())


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "keep": lambda h, v: h,
    "replace": lambda h, v: v,
    "mul": torch.mul,
    "diff": torch.sub,
    "forget": lambda h, v: torch.zeros_like(h),
    "sqrt_diff": sqrt_diff,
    "max": torch.maximum,
    "min": torch.minimum,
}
"""What a unit may do with its old value h and its new feature v."""


@final
class MuFuRu(GatedCell):
    """Multi-function recurrent unit, Weissenborn and Rocktaeschel 2016 (arXiv 1606.03002)::

        r = sigmoid(W_r x + b_r + U_r h + b'_r)
        v = sigmoid(W_v x + b_v + U_v (r * h) + b'_v)
        p = softmax(W_p x + b_p + U_p h + b'_p)      # over the operations, for each unit
        h' = sum over j of p_j * operation_j(h, v)

    x [B, I], state h [B, H], y = h' [B, H]. ``operations`` are J names of keep (h), replace (v),
    mul (h v), diff (h - v), forget (0), sqrt_diff (sqrt(|h - v|) / 4), max, min, by default all
    eight in this order. The G = J + 2 gates stand in the order r, p_1 ... p_J, v. v is a sigmoid,
    as in Torch rnn's code (its README says tanh). The other options are those of `GatedCell`.
    Raises ArgumentError for an unknown operation, for one named twice, for none, and for sizes it
    cannot take.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        operations: Sequence[str] = tuple(OPERATIONS),
        **options: Unpack[Options],
    ) -> None:
        self.num_gates = len(operations) + 2
        super().__init__(input_size, hidden_size, **options)
        unknown = [name for name in operations if name not in OPERATIONS]
        if unknown or not operations or len(set(operations)) < len(operations):
            raise ArgumentError(
                "operations",
                wanted=f"one or more of {', '.join(map(repr, OPERATIONS))}, each once",
                got=repr(unknown[0]) if unknown else repr(tuple(operations)),
                remedy="They may stand in any order.",
            )
        self.operations = tuple(operations)

    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        h, size = state, self.hidden_size
        x_rp, x_v = self.from_input(x).tensor_split([-size], dim=-1)
        a = x_rp + self.from_hidden(read, slice(0, -1))
        r = torch.sigmoid(a[:, :size])
        p = torch.softmax(a[:, size:].reshape(-1, self.num_gates - 2, size), dim=1)
        v = torch.sigmoid(x_v + self.from_hidden(r * read_by(-1, read), slice(-1, None)))
        results = torch.stack([OPERATIONS[name](h, v) for name in self.operations], dim=1)
        h = (p * results).sum(1)
        return h, h

    def extra_repr(self) -> str:
        chosen = self.operations != tuple(OPERATIONS)
        return super().extra_repr() + (f", operations={self.operations}" if chosen else "")
