"""Whether the modules of a cell are as they were: what a stream asks at every step."""

from __future__ import annotations

from collections.abc import Callable, Collection
from operator import itemgetter
from typing import Any

from torch import Tensor, nn

SKIPPED = (Tensor, dict, set)
"""Attributes that are seen otherwise (tensors, children, hooks) or are torch's book-keeping."""


class Watch:
    """A module's children, attributes, tensors and hooks, to be compared with what they are later.

    It sees any attribute that gets another value, and lists entry by entry; not what changes
    within other objects, nor the numbers in tensors. ``but`` are places of tensors, as the id of a
    module's dict and the name in it, that somebody else watches.
    """

    __slots__ = ("attributes", "children", "hooks", "tensors")

    def __init__(self, module: nn.Module, but: Collection[tuple[int, str]] = ()) -> None:
        self.attributes: list[tuple[dict[str, Any], Callable[..., Any], tuple[Any, ...], int]] = []
        self.children: list[tuple[dict[str, Any], list[Any]]] = []
        self.tensors: list[tuple[dict[str, Any], str, Any]] = []
        self.hooks: list[dict[int, Any]] = []
        for one in module.modules():
            self._add(one, but)

    def _add(self, module: nn.Module, but: Collection[tuple[int, str]]) -> None:
        own = module.__dict__
        names = [name for name, value in own.items() if not isinstance(value, SKIPPED)]
        now = tuple(list(v) if type(v) is list else v for v in map(own.get, names))
        self.attributes.append((own, itemgetter(*names), now, len(own)))
        if module._modules:
            self.children.append((module._modules, list(module._modules.values())))
        held = {name: value for name, value in own.items() if isinstance(value, Tensor)}
        for place, found in (
            (own, held),
            (module._parameters, module._parameters),
            (module._buffers, module._buffers),
        ):
            watched = [item for item in found.items() if (id(place), item[0]) not in but]
            self.tensors += [(place, name, t) for name, t in watched]
        self.hooks += [module._forward_hooks, module._backward_hooks, module._backward_pre_hooks]

    def changed(self) -> bool:
        """Whether anything is not as it was, or there are hooks."""
        try:
            for own, read, values, count in self.attributes:
                if read(own) != values or len(own) != count:
                    return True
            for place, modules in self.children:
                if list(place.values()) != modules:
                    return True
            for place, name, tensor in self.tensors:
                if place[name] is not tensor:
                    return True
        except (KeyError, RuntimeError, TypeError, ValueError):
            # something is gone, or has become what cannot be compared, such as an array
            return True
        return any(self.hooks)
