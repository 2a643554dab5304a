"""The attribute that torch.ao.quantization sets on what it means to quantise."""

from __future__ import annotations

import warnings
from typing import Any

from torch import nn


def _get(module: nn.Module) -> Any:
    if "qconfig" not in vars(module):
        raise AttributeError("qconfig")
    return vars(module)["qconfig"]


def _set(module: nn.Module, value: Any) -> None:
    vars(module)["qconfig"] = value
    name = type(module).__name__
    warnings.warn(
        f"model: wanted a torch.nn.{name}, got one that ostinato runs, which stays as it is: "
        "torch.ao.quantization goes by exact types. To have it quantised, undo the swap first, or "
        f"load its state dict into a torch.nn.{name}.",
        stacklevel=2,
    )


def _delete(module: nn.Module) -> None:
    vars(module).pop("qconfig", None)


qconfig = property(_get, _set, _delete)
"""Holds what is set, and says each time that it has no effect."""
