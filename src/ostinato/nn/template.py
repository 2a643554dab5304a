"""Cells without tensors: a drop-in holds the tensors of its cells itself, under torch's names.

A template is a cell with, in the place of each parameter and buffer, the name of the drop-in's
tensor that belongs there. A call fills its templates with whatever the drop-in holds under these
names at that moment: parameters, what `torch.func.functional_call` put there, or what a
parametrization computes. Nothing is written to a template, so that threads may share it, and
copying or pickling a drop-in copies each tensor once. The cells of the last call are kept, and
taken again where they are what would be made (`Kept`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import is_
from typing import Any

from torch import Tensor, nn

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


class Kept:
    """Cells that were filled, with all that says whether they are still what a call would make."""

    def __init__(
        self, templates: Sequence[nn.Module], cells: Sequence[nn.Module], training: bool
    ) -> None:
        self.cells, self.training = cells, training
        places = [place for one in templates for place in held_names(one)]
        self.names = [place[key] for place, key in places]
        """Of the drop-in's tensors."""
        # what is put into a cell lies where its template has a name
        filled = [place for one in cells for place in held_names(one)]
        self.tensors: list[Tensor] = [place[key] for place, key in filled]
        self.entries = [
            (own, list(own), list(own.values()))
            for module in (*templates, *cells)
            for inner in module.modules()
            for own in (vars(inner), inner._parameters, inner._buffers, inner._modules)
        ]

    @property
    def lasting(self) -> bool:
        """Whether nothing is kept alive that a call has computed."""
        return all(t.grad_fn is None for t in self.tensors)

    def hold(self, owner: nn.Module) -> bool:
        """Whether filling the templates anew would make the same cells."""
        if owner.training is not self.training:
            return False
        own = owner._parameters
        for name, tensor in zip(self.names, self.tensors, strict=True):
            if own.get(name) is not tensor and getattr(owner, name, None) is not tensor:
                return False
        for held, names, values in self.entries:
            if (held or names) and (
                list(held) != names or not all(map(is_, held.values(), values))
            ):
                return False
        return True


def held_names(module: nn.Module) -> Iterator[tuple[dict[str, Any], str]]:
    """Where a template has the names of tensors, and a cell the tensors: ``place[key]``."""
    for inner in module.modules():
        for place in (inner._parameters, inner._buffers):
            for key, value in place.items():
                if value is not None:
                    yield place, key
