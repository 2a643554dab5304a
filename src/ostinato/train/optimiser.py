"""torch's optimisers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop


class Wanted(Protocol):
    """The settings that an optimiser is made of; `TrainSettings` has them."""

    @property
    def optimiser(self) -> str: ...
    @property
    def lr(self) -> float | None: ...
    @property
    def momentum(self) -> float: ...
    @property
    def weight_decay(self) -> float | None: ...


Groups = list[dict[str, Any]]

# fused runs a whole update as one kernel, on CPU too; torch has none for RMSprop.
OPTIMISERS: dict[str, Callable[[Groups, float, float], Optimizer]] = {
    "adamw": lambda groups, lr, momentum: AdamW(groups, lr=lr, fused=True),
    "adam": lambda groups, lr, momentum: Adam(groups, lr=lr, fused=True),
    "sgd": lambda groups, lr, momentum: SGD(groups, lr=lr, fused=True),
    "momentum": lambda groups, lr, momentum: SGD(groups, lr=lr, momentum=momentum, fused=True),
    "rmsprop": lambda groups, lr, momentum: RMSprop(groups, lr=lr),
}
"""Each made of parameter groups, a learning rate and a momentum."""

RATES = {"adamw": 4e-3, "adam": 1e-3, "sgd": 1e-2, "momentum": 1e-2, "rmsprop": 1e-2}
"""The learning rate of each where none is given: MinPy's, but for adamw."""

DECAYS = {"adamw": 0.01}
"""The weight decay where none is given, as in torch; 0 for the others."""


def used_rates(settings: Wanted) -> tuple[float, float]:
    """The learning rate and the weight decay; where they are not set, those of the optimiser."""
    name, lr, decay = settings.optimiser, settings.lr, settings.weight_decay
    return (
        RATES[name] if lr is None else lr,
        DECAYS.get(name, 0.0) if decay is None else decay,
    )


def make_optimiser(module: nn.Module, settings: Wanted) -> Optimizer:
    """The optimiser of this name over a module, with weight decay on matrices only.

    Decay pulls weights to 0, which biases, gains and other vectors have no reason to go to.
    """
    lr, decay = used_rates(settings)
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return OPTIMISERS[settings.optimiser](groups, lr, settings.momentum)


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """The norm of all gradients as one vector, a scalar."""
    return nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])


def clip_gradients(parameters: Iterable[nn.Parameter], most: float, norm: Tensor) -> None:
    """Scale all gradients, whose norm this is, so that it is at most so large (0: as they are)."""
    if most:
        nn.utils.clip_grads_with_norm_(parameters, most, norm)


@torch.no_grad()
def limit_rows(parameters: Iterable[nn.Parameter], norm: float) -> None:
    """Shrink each row of each matrix to at most this norm (0: as they are); vectors are free.

    A row [n] of a weight [H, n] is what one unit reads (Hinton et al. 2012, arXiv 1207.0580).
    """
    for weight in parameters:
        if norm and weight.dim() > 1:
            weight.renorm_(p=2, dim=0, maxnorm=norm)
