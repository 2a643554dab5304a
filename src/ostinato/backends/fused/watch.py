"""Whether the modules of a cell are as they were: what a stream asks at every step.

It asks the same as `identity`, but compares objects instead of writing keys, which takes a tenth
of the time where nothing but plain attributes can change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from operator import attrgetter, is_, itemgetter
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import module as module_file

from ostinato.backends.call import HOOKS
from ostinato.backends.fused.code_names import FIXED, facts_of, is_trusted
from ostinato.backends.fused.identity import NUMBERS, OWN, TEXT, Identity

METHODS = ("forward", "step")
"""What is asked of a library's class: whether somebody has put other functions there."""


class Watch:
    """A module's children, attributes, tensors and hooks, to be compared with what they are later.

    ``but`` are places of tensors, as the id of their container and the key in it, that somebody
    else watches.
    """

    __slots__ = ("attributes", "children", "classes", "deep", "hooks", "named", "tensors")

    def __init__(self, module: nn.Module, but: Collection[tuple[int, Any]] = ()) -> None:
        self.attributes: list[tuple[dict[str, Any], Callable[..., Any], tuple[Any, ...], int]] = []
        self.children: list[tuple[dict[str, Any], list[Any]]] = []
        self.tensors: list[tuple[dict[str, Any], str, Any]] = []
        self.hooks: list[dict[int, Any]] = [
            getattr(module_file, f"_global{name}") for name in HOOKS
        ]
        self.deep: list[tuple[Any, Any]] = []
        """Objects whose content may change, and what it was."""
        self.named: list[tuple[Any, Any, Any]] = []
        """``container[key]`` that code names, and what it was."""
        self.classes: list[tuple[Callable[[Any], Any], Any, Any]] = []
        """``read(source)`` that must still be what it was: the code of classes."""
        look = Identity()
        look.visit(module)
        for one in look.modules:
            self._add(one, but)
        for kind in dict.fromkeys(type(one) for one in look.modules):
            self._add_class(kind)
        self.named = look.named
        for _, _, value in look.named:
            self._add_content(value)

    def _add(self, module: nn.Module, but: Collection[tuple[int, Any]]) -> None:
        own = module.__dict__
        names = [name for name in own if name not in OWN and not isinstance(own[name], Tensor)]
        if names:
            read = itemgetter(*names, "training")  # two at least, so that it gives a tuple
            self.attributes.append((own, read, read(own), len(own)))
        for name in names:
            self._add_content(own[name])
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
        self.hooks += [own[name] for name in HOOKS]

    def _add_content(self, value: Any) -> None:
        """Look into an object that may change without being another one."""
        if type(value) in TEXT or type(value) in NUMBERS or isinstance(value, (Tensor, nn.Module)):
            return
        if not isinstance(value, FIXED):
            self.deep.append((value, Identity().frozen(value)))

    def _add_class(self, kind: type) -> None:
        """The code of a class: of a library's, the functions that a step calls first."""
        if not is_trusted(kind.__module__):
            self.classes += facts_of(kind).fixed
            return
        methods = attrgetter(*[name for name in METHODS if hasattr(kind, name)])
        self.classes.append((methods, kind, methods(kind)))

    def changed(self) -> bool:
        """Whether anything is not as it was, or there are hooks."""
        try:
            for own, read, values, count in self.attributes:
                if len(own) != count or not all(map(is_, read(own), values)):
                    return True
            for place, modules in self.children:
                if not all(map(is_, place.values(), modules)) or len(place) != len(modules):
                    return True
            for place, name, tensor in self.tensors:
                if place[name] is not tensor:
                    return True
            for read, source, code in self.classes:
                if read(source) != code:
                    return True
            for container, key, value in self.named:
                if container[key] is not value:
                    return True
            for value, content in self.deep:
                if Identity().frozen(value) != content:
                    return True
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError):
            # something is gone, or has become what cannot be compared, such as an array
            return True
        return any(self.hooks)
