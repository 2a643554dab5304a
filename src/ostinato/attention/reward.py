"""Losses that reward random decisions."""

from __future__ import annotations

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import ShapeError


def reinforce_loss(reward: Tensor, log_prob: Tensor, baseline: Tensor | None = None) -> Tensor:
    """A loss whose gradient raises the probability of what was rewarded: REINFORCE.

    ``reward`` [B] is a constant, ``log_prob`` [..., B] that of all decisions that led to it, such
    as [T, B] of `RecurrentAttention`; ``baseline`` [B] or [B, 1] is what the network expected, and
    makes the gradient vary less (Williams 1992). The value of the loss is -mean(reward). Its
    gradient is that of::

        -mean((reward - baseline) * log_prob.sum(over all but B)) + mean((baseline - reward)^2)

    with the baseline a constant in the first term, so that it learns by the second alone. Raises
    ShapeError where the rows do not agree.
    """
    check_rows("log_prob", log_prob.shape[-1:], reward)
    advantage = reward = reward.detach()
    decided = log_prob.reshape(-1, len(reward)).sum(0)
    fit = reward.new_zeros(())
    if baseline is not None:
        expected = baseline[:, 0] if baseline.dim() == 2 and baseline.shape[1] == 1 else baseline
        check_rows("baseline", expected.shape, reward)
        advantage = reward - expected.detach()
        fit = F.mse_loss(expected, reward)
    learnt = fit - (advantage * decided).mean()
    return learnt - learnt.detach() - reward.mean()


@final
class ClassReward(nn.Module):
    """Rewards a right class with ``scale``: `reinforce_loss` for networks that classify.

    Torch dpnn's ``VRClassReward`` and, for scores [B], ``BinaryClassReward``.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(
        self, scores: Tensor, targets: Tensor, log_prob: Tensor, baseline: Tensor | None = None
    ) -> Tensor:
        """The loss (a number), -mean(reward); it gives the scores no gradient.

        scores [B, C], of which the largest is the network's guess, or [B], the probability of
        class 1, which is guessed above 1/2; targets [B], classes from 0; log_prob [..., B] and
        baseline [B] or [B, 1] as in `reinforce_loss`.
        """
        check_rows("targets", targets.shape, scores)
        guess = scores > 0.5 if scores.dim() == 1 else scores.argmax(-1)
        reward = self.scale * (guess == targets).to(log_prob.dtype)
        return reinforce_loss(reward, log_prob, baseline)

    def extra_repr(self) -> str:
        return f"scale={self.scale}"


def check_rows(argument: str, shape: tuple[int, ...], like: Tensor) -> None:
    """Raise ShapeError where a shape is not [B] with the rows of another tensor."""
    if tuple(shape) != (len(like),):
        raise ShapeError(
            argument,
            wanted=f"{len(like)} rows, as there are of the scores or rewards",
            got=str(list(shape)),
            remedy="The batch is the last dimension of log_prob, and the only one of the others.",
        )
