"""Random decisions of a network, which carry the log-probability that trains them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ostinato.typing import Tree

MakeDistribution: TypeAlias = Callable[[Any], Distribution]


class Sample(NamedTuple):
    """What was drawn for each row [B, ...], and the logarithm of its probability [B]."""

    value: Tensor
    log_prob: Tensor


@final
class Reinforce(nn.Module):
    """Draws from a distribution that a network gives: REINFORCE (Williams 1992).

    ``distribution`` makes a distribution of ``torch.distributions`` out of the network's output, a
    tree of tensors [B, ...]: ``torch.distributions.Bernoulli`` itself,
    ``partial(Normal, scale=0.1)``, ``lambda p: Gamma(p[0], 1 / p[1])``. The result is a `Sample`:
    its value carries no gradient, which comes through ``log_prob`` alone and from a reward, as in
    `reinforce_loss`. In evaluation the value is the mean of the distribution, and its log_prob a
    constant 0, unless ``stochastic=True``. Torch dpnn's ``ReinforceNormal``,
    ``ReinforceBernoulli``, ``ReinforceCategorical`` (here ``OneHotCategorical``) and
    ``ReinforceGamma``.
    """

    def __init__(self, distribution: MakeDistribution, *, stochastic: bool = False) -> None:
        super().__init__()
        self.distribution = distribution
        self.stochastic = stochastic

    def forward(self, parameters: Tree) -> Sample:
        """Parameters [B, ...] to a sample with value [B, ...] and log_prob [B]."""
        made = self.distribution(parameters)
        if not self.training and not self.stochastic:
            mean = made.mean.detach()
            return Sample(mean, mean.new_zeros(mean.shape[0]))
        with torch.no_grad():
            value = made.sample()
        log_prob = made.log_prob(value)
        # the extra dimension is for a distribution over whole rows, which gives one number for each
        return Sample(value, log_prob.unsqueeze(-1).flatten(1).sum(1))

    def extra_repr(self) -> str:
        return "stochastic=True" if self.stochastic else ""
