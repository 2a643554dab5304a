"""A penalty on how the norm of the hidden state moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from ostinato import _padding, _tree
from ostinato.errors import ArgumentError, ShapeError
from ostinato.sequence import check


@final
class NormStabilizer(nn.Module):
    """Penalises changes of the norm of h from step to step, to be added to a loss.

    Krueger and Memisevic 2015 (arXiv 1511.08400)::

        penalty = beta * mean over rows of sum_t (|h_t| - |h_{t-1}|)^2      # reduction="sum"
        the same with each row's sum divided by its number of steps T       # reduction="mean"

    hs [T, B, H] to a scalar. ``"mean"`` is the paper's, ``"sum"`` what Torch rnn's
    ``NormStabilizer`` adds to the gradient. With ``lengths`` [B] or a ``mask`` [T, B] a pair of
    steps counts where both are there. The gradient at h = 0 is zero. In evaluation the penalty is
    zero, as Torch's module is the identity. Raises ArgumentError for a negative beta and an
    unknown reduction, ShapeError for hs that is not [T, B, H].
    """

    def __init__(self, beta: float = 1.0, *, reduction: str = "sum") -> None:
        super().__init__()
        if not isinstance(beta, (int, float)) or not beta >= 0:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentError(
                "beta",
                wanted="a number of at least 0",
                got=repr(beta),
                remedy="It weighs the penalty against the loss.",
            )
        if reduction not in ("sum", "mean"):
            raise ArgumentError(
                "reduction",
                wanted='"sum" or "mean"',
                got=repr(reduction),
                remedy="It says whether the sum over time is divided by the number of steps.",
            )
        self.beta, self.reduction = beta, reduction

    def forward(
        self,
        hs: Tensor,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """hs [T, B, H] to the penalty, a scalar; lengths and mask as in `ostinato.unroll`."""
        num_steps, batch_size = check.sizes("hs", hs)
        if not isinstance(hs, Tensor) or hs.dim() != 3:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ShapeError(
                "hs",
                wanted="hidden states [T, B, H]",
                got=_tree.describe(hs),
                remedy="Pass what unroll(cell, xs) gives as ys.",
            )
        mask, _ = check.mask(mask, lengths, num_steps, batch_size, hs.device)
        if not self.training:
            return hs.new_zeros(())
        if mask is None:
            mask = torch.ones(num_steps, batch_size, dtype=torch.bool, device=hs.device)
        norms = torch.linalg.vector_norm(_padding.zero_masked(hs, mask), dim=-1)
        pairs = mask[1:] & mask[:-1]
        rows = _padding.zero_masked((norms[1:] - norms[:-1]).square(), pairs).sum(0)
        if self.reduction == "mean":
            rows = rows / mask.sum(0).clamp(min=1)
        return self.beta * rows.sum() / max(batch_size, 1)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, reduction={self.reduction!r}"
