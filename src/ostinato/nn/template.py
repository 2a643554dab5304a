"""Cells without tensors: a drop-in holds the tensors of its cells itself, under torch's names.

A template is a cell with, in the place of each parameter and buffer, the name of the drop-in's
tensor that belongs there. A call fills its templates with whatever the drop-in holds under these
names at that moment: parameters, what `torch.func.functional_call` put there, or what a
parametrization computes. Nothing is written to a template, so that threads may share it, and
copying or pickling a drop-in copies each tensor once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from ostinato.errors import ArgumentError


def take_tensors(owner: nn.Module, cell: nn.Module, rename: Callable[[str], str]) -> None:
    """Register the parameters and buffers of a cell on the owner, under the new names.

    Raises ArgumentError where two tensors of the cell come to have one name.
    """
    for path, module in cell.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        for key, parameter in module._parameters.items():
            if parameter is not None:
                owner.register_parameter(free(owner, rename(prefix + key)), parameter)
        for key, buffer in module._buffers.items():
            if buffer is not None:
                persistent = key not in module._non_persistent_buffers_set
                name = free(owner, rename(prefix + key))
                owner.register_buffer(name, buffer, persistent=persistent)


def free(owner: nn.Module, name: str) -> str:
    """The name itself; ArgumentError where the owner has it already."""
    if hasattr(owner, name):
        raise ArgumentError(
            "cell",
            wanted="parameters whose dotted names differ with _ for .",
            got=f"two that are called {name}",
            remedy="Rename one of them in the cell.",
        )
    return name


def template(module: nn.Module, rename: Callable[[str], str], prefix: str = "") -> nn.Module:
    """The module with the name of each tensor in its place; ``prefix`` leads to inner modules."""

    def names(held: dict[str, Any]) -> dict[str, str | None]:
        return {key: None if t is None else rename(prefix + key) for key, t in held.items()}

    return copied(
        module,
        names(module._parameters),
        names(module._buffers),
        {
            key: None if child is None else template(child, rename, f"{prefix}{key}.")
            for key, child in module._modules.items()
        },
    )


def filled(module: nn.Module, tensor: Callable[[str], Any], training: bool) -> nn.Module:
    """The template as a module again, with ``tensor(name)`` in every place."""

    def tensors(names: dict[str, Any]) -> dict[str, Any]:
        return {key: None if name is None else tensor(name) for key, name in names.items()}

    twin = copied(
        module,
        tensors(module._parameters),
        tensors(module._buffers),
        {
            key: None if child is None else filled(child, tensor, training)
            for key, child in module._modules.items()
        },
    )
    vars(twin)["training"] = training
    return twin


def copied(
    module: nn.Module,
    parameters: dict[str, Any],
    buffers: dict[str, Any],
    children: dict[str, nn.Module | None],
) -> nn.Module:
    """A module with the attributes of this one, but other tensors and inner modules."""
    twin = object.__new__(type(module))
    # a module is its __dict__: Module._replicate_for_data_parallel copies it so too
    attributes = vars(twin)
    attributes.update(vars(module))
    attributes.update(_parameters=parameters, _buffers=buffers, _modules=children)
    return twin
