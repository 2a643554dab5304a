"""Activations by name, or as modules."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ostinato.errors import ArgumentError

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
}


def activation(name: str | nn.Module) -> Callable[[Tensor], Tensor]:
    """The function of this name, or the module itself. ArgumentError for an unknown name."""
    if isinstance(name, str) and name in ACTIVATIONS:
        return ACTIVATIONS[name]
    if isinstance(name, str) or not callable(name):
        raise ArgumentError(
            "activation",
            wanted=f"one of {', '.join(map(repr, ACTIVATIONS))}, or a torch.nn.Module",
            got=repr(name),
            remedy="Pass torch.nn.GELU() and the like as modules.",
        )
    return name
