"""A loss over many classes that computes the scores of a few."""

from __future__ import annotations

import math
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.cells.gated import check_size
from ostinato.criteria.alias_sampler import AliasSampler, check_weights
from ostinato.errors import ArgumentError, ShapeError


def nce_loss(target: Tensor, noise: Tensor, target_noise: Tensor, noise_noise: Tensor) -> Tensor:
    """Noise-contrastive estimation: how badly N targets are told from k noise samples for each.

    Four logarithms of probabilities: what the model gives to the targets [N] and to the noise
    samples [N, k], and what the noise distribution gives to the targets [N] and to the samples
    [N, k] or [k]. With Pm and Pn for the two::

        -1/N sum ln Pm(t) / (Pm(t) + k Pn(t)) - 1/N sum ln k Pn(s) / (Pm(s) + k Pn(s))

    Gutmann and Hyvärinen 2010; Mnih and Teh 2012. Torch dpnn's ``NCECriterion``.
    """
    log_k = math.log(noise.shape[-1])
    found = F.softplus(log_k + target_noise - target)
    taken = F.softplus(noise - log_k - noise_noise)
    return found.mean() + taken.sum(-1).mean()


@final
class NCELoss(nn.Module):
    """A linear output layer over V classes, trained by noise-contrastive estimation.

    In training the loss of h [..., D] and targets [...] is `nce_loss` against ``num_noise``
    classes drawn in proportion to ``counts`` [V]: the same ones for the whole batch, or with
    ``per_row=True`` others for each row, for which [N, k, D] weights are gathered. In evaluation
    it is the exact cross-entropy by the full softmax; its exponential is the perplexity. The model
    is ``P(w|h) = exp(h . weight[w] + bias[w]) / z``, with a constant ``z``, or, where it is None,
    the estimate V mean exp(score) over the noise of the first batch. ``weight`` [V, D] is drawn
    from U(-1/sqrt(D), 1/sqrt(D)), ``bias`` [V] is -ln V, which suits z = 1. ``sparse=True`` makes
    the gradient of the weight sparse in training, for optimisers that take it, as that of
    ``torch.nn.Embedding``: a dense one has V rows, whatever was drawn.

    Mnih and Teh 2012 (arXiv 1206.6426); Torch dpnn's ``NCEModule`` and ``NCECriterion``. Raises
    ArgumentError for counts, sizes or a z that cannot be, ShapeError for an h that does not fit.
    """

    log_noise: Tensor
    log_z: Tensor

    def __init__(
        self,
        input_size: int,
        counts: Tensor,
        num_noise: int = 100,
        *,
        z: float | None = 1.0,
        per_row: bool = False,
        sparse: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_weights("counts", counts)
        check_size("input_size", input_size, least=1)
        check_size("num_noise", num_noise, least=1)
        check_z(z)
        self.input_size, self.num_classes = input_size, len(counts)
        self.num_noise, self.z, self.per_row, self.sparse = num_noise, z, per_row, sparse
        self.noise = AliasSampler(counts).to(device)
        self.weight = nn.Parameter(
            torch.empty(self.num_classes, input_size, device=device, dtype=dtype)
        )
        self.bias = nn.Parameter(torch.empty(self.num_classes, device=device, dtype=dtype))
        log_noise = (counts.double() / counts.double().sum()).log()
        self.register_buffer("log_noise", log_noise.to(self.bias))
        # NaN until it is estimated; a buffer, so that a checkpoint keeps the estimate
        log_z = math.nan if z is None else math.log(z)
        self.register_buffer("log_z", self.bias.new_full((), log_z))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, and set the biases to -ln V."""
        bound = self.input_size**-0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.constant_(self.bias, -math.log(self.num_classes))

    def forward(self, h: Tensor, targets: Tensor) -> Tensor:
        """The mean loss (a number) of h [..., D] and targets [...], indices from 0."""
        if h.shape[-1] != self.input_size or h.shape[:-1] != targets.shape:
            raise ShapeError(
                "h",
                wanted=f"[..., {self.input_size}] for targets {list(targets.shape)}",
                got=str(list(h.shape)),
                remedy="Every row of features has one target.",
            )
        h, targets = h.reshape(-1, self.input_size), targets.reshape(-1)
        if not self.training:
            return F.cross_entropy(F.linear(h, self.weight, self.bias), targets)
        drawn = self.noise(len(h), self.num_noise) if self.per_row else self.noise(self.num_noise)
        # looked up at once, as each look-up has a gradient of the size of the weights
        found = F.embedding(torch.cat([targets, drawn.flatten()]), self.weight, sparse=self.sparse)
        weights = found[len(h) :].view(*drawn.shape, self.input_size)
        target = (h * found[: len(h)]).sum(-1) + self.bias[targets]
        if self.per_row:
            noise = (weights @ h[:, :, None])[:, :, 0] + self.bias[drawn]
        else:
            noise = F.linear(h, weights, self.bias[drawn])
        log_z = self._log_z(noise)
        return nce_loss(
            target - log_z, noise - log_z, self.log_noise[targets], self.log_noise[drawn]
        )

    def log_prob(self, h: Tensor) -> Tensor:
        """Log-probabilities [..., V] of all classes by the full softmax."""
        return F.linear(h, self.weight, self.bias).log_softmax(-1)

    def _log_z(self, noise: Tensor) -> Tensor:
        """ln z, estimated from the scores of noise where that has not been done."""
        if self.log_z.isnan():
            mean = noise.detach().flatten().logsumexp(0) - math.log(noise.numel())
            self.log_z.copy_(mean + math.log(self.num_classes))
        return self.log_z

    def extra_repr(self) -> str:
        said = f"{self.input_size}, {self.num_classes} classes, num_noise={self.num_noise}"
        flags = [name for name in ("per_row", "sparse") if getattr(self, name)]
        return said + "".join([f", z={self.z}", *(f", {name}=True" for name in flags)])


def check_z(z: float | None) -> None:
    """Raise ArgumentError where z is given and not a positive, finite number."""
    if z is not None and not 0 < z < math.inf:
        raise ArgumentError(
            "z",
            wanted="a positive number, or None",
            got=repr(z),
            remedy="Pass None to estimate it from the first batch.",
        )
