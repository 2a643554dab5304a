"""Output layers of a language model: scores of all tokens, and the loss that trains them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, cast, final

import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.combine.composite import Composite
from ostinato.criteria import NCELoss
from ostinato.errors import ArgumentError
from ostinato.typing import State

# Each group of the adaptive softmax reads a fourth of the features of the one before it, as in
# its paper and by torch's default.
_NARROWER = 4


class Output(Composite):
    """The last layer: features h [..., D] to scores [..., V] of all tokens, whose softmax are the
    probabilities of the model. A cell without a state.
    """

    exact: ClassVar[bool] = True
    """Whether `loss` is the negative log-likelihood, whose exponential is the perplexity."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        return ()

    def wire(self, run: Any, x: Any, state: State) -> tuple[Any, State]:
        return self.scores(x), state

    @abstractmethod
    def scores(self, h: Tensor) -> Tensor:
        """Scores [..., V] of all tokens."""

    @abstractmethod
    def loss(self, h: Tensor, targets: Tensor) -> Tensor:
        """What training makes small, for h [..., D] and targets [...]: a mean over all of them."""


@final
class Softmax(Output):
    """A linear layer, trained by the cross-entropy of all its scores."""

    def scores(self, h: Tensor) -> Tensor:
        return self.module(h)

    def loss(self, h: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(self.scores(h).flatten(0, -2), targets.flatten())


@final
class Adaptive(Output):
    """Frequent tokens at once, others in groups that few steps need to look into.

    `torch.nn.AdaptiveLogSoftmaxWithLoss` (Grave et al. 2017, arXiv 1609.04309), for which tokens
    are put in the order of their ``counts`` [V]. ``cutoffs`` are the ends of the groups in this
    order. The scores are exact log-probabilities. Raises ArgumentError for cutoffs beyond the
    vocabulary, and for fewer features than the groups can share.
    """

    rank: Tensor

    def __init__(self, width: int, counts: Tensor, cutoffs: list[int] | None = None) -> None:
        cutoffs = cutoffs or default_cutoffs(width, len(counts))
        _check_cutoffs(cutoffs, width, len(counts))
        super().__init__(nn.AdaptiveLogSoftmaxWithLoss(width, len(counts), cutoffs))
        order = counts.argsort(descending=True, stable=True)
        self.register_buffer("rank", order.argsort())

    def scores(self, h: Tensor) -> Tensor:
        # log_prob makes its result a group at a time, in the order of the counts
        ranked = cast("nn.AdaptiveLogSoftmaxWithLoss", self.module).log_prob(h.flatten(0, -2))
        return ranked[:, self.rank].unflatten(0, h.shape[:-1])

    def loss(self, h: Tensor, targets: Tensor) -> Tensor:
        return self.module(h.flatten(0, -2), self.rank[targets.flatten()]).loss


@final
class Contrastive(Output):
    """A linear layer that is trained to tell a token from noise, by the scores of a few.

    `ostinato.criteria.NCELoss`, with noise in proportion to ``counts`` [V]. The scores are
    log-probabilities by the full softmax; the loss is no likelihood.
    """

    exact: ClassVar[bool] = False

    def __init__(self, width: int, counts: Tensor, num_noise: int = 100) -> None:
        super().__init__(NCELoss(width, counts, num_noise))
        self.num_noise = num_noise

    def scores(self, h: Tensor) -> Tensor:
        return cast("NCELoss", self.module).log_prob(h)

    def loss(self, h: Tensor, targets: Tensor) -> Tensor:
        return self.module(h, targets)


def default_cutoffs(width: int, vocabulary: int) -> list[int]:
    """A tenth and half of the vocabulary, where there are features for the second group."""
    usual = [max(1, vocabulary // 10), max(2, vocabulary // 2)]
    return [end for i, end in enumerate(usual) if i == 0 or width >= _NARROWER ** (i + 1)]


def _check_cutoffs(cutoffs: list[int], width: int, vocabulary: int) -> None:
    if cutoffs[-1] >= vocabulary:
        raise ArgumentError(
            "cutoffs",
            wanted=f"numbers below the {vocabulary} tokens of the vocabulary",
            got=",".join(map(str, cutoffs)),
        )
    least = _NARROWER ** len(cutoffs)
    if width < least:
        raise ArgumentError(
            "cutoffs",
            wanted=f"at least {least} features for {len(cutoffs)} groups of rare tokens",
            got=f"a size of {width}",
            remedy="Give fewer `cutoffs`, a larger `size`, or use `output=softmax`.",
        )
