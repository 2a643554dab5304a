"""torch's optimisers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop


class Wanted(Protocol):
    """The settings that an optimiser is made of; `TrainSettings` has them."""

    @property
    def optimiser(self) -> str: ...
    @property
    def lr(self) -> float: ...
    @property
    def momentum(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...


Groups = list[dict[str, Any]]

# fused runs a whole update as one kernel, on CPU too; torch has none for RMSprop.
OPTIMISERS: dict[str, Callable[[Groups, Wanted], Optimizer]] = {
    "adamw": lambda groups, s: AdamW(groups, lr=s.lr, fused=True),
    "adam": lambda groups, s: Adam(groups, lr=s.lr, fused=True),
    "sgd": lambda groups, s: SGD(groups, lr=s.lr, momentum=s.momentum, fused=True),
    "rmsprop": lambda groups, s: RMSprop(groups, lr=s.lr),
}


def make_optimiser(module: nn.Module, settings: Wanted) -> Optimizer:
    """The optimiser of this name over a module, with weight decay on matrices only.

    Decay pulls weights to 0, which biases, gains and other vectors have no reason to go to.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return OPTIMISERS[settings.optimiser](groups, settings)


def clip_gradients(parameters: Iterable[nn.Parameter], norm: float) -> torch.Tensor:
    """Scale all gradients so that their norm is at most this (0: as they are); the norm before."""
    return nn.utils.clip_grad_norm_(parameters, norm or torch.inf)
