"""Whether a cell is still what its identity was read from: what most calls ask first.

It asks the same as `identity`, but compares objects in place of writing keys. That is only enough
where nothing can change unless another object comes in its place, so a cell that holds a list, an
array or another thing with a content of its own is read anew at every call. Nothing here keeps a
module or a tensor alive: these are known by their addresses, and looked at each time.
"""

from __future__ import annotations

import types
import weakref
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.modules import module as module_file

from ostinato.backends.call import HOOKS, Call
from ostinato.backends.fused.trace.identity import (
    FIXED,
    NUMBERS,
    OWN,
    TEXT,
    Identity,
    circumstances,
)

LIMIT = 256
"""Cells that are remembered, the newest."""
GROUPS = ("_parameters", "_buffers", "_modules")
GLOBAL_HOOKS = tuple(f"_global{name}" for name in HOOKS)


class Entries(NamedTuple):
    """The names in a dict and the addresses of what they stand for; of a list, addresses."""

    names: list[Any]
    addresses: list[int]

    def hold(self, held: Any) -> bool:
        """Whether a dict or list has these."""
        if type(held) is list:
            return list(map(id, held)) == self.addresses
        return list(held) == self.names and list(map(id, held.values())) == self.addresses


class Same:
    """The modules, tensors, code and names of an identity, to be compared with what they are."""

    __slots__ = ("containers", "facts", "forms", "held", "modules", "named", "places")

    def __init__(self, found: Identity) -> None:
        self.modules: list[tuple[Any, type, Entries, list[tuple[str, Entries]]]] = []
        self.containers: list[tuple[Any, Entries]] = []
        """Lists and dicts, and what is in them."""
        self.held: list[Any] = []
        """Keeps alive what is known by its address, but for modules and tensors."""
        values: list[Any] = []
        for module in found.modules:
            own = module.__dict__
            groups = [(name, entries(own[name])) for name in GROUPS]
            self.modules.append((weakref.ref(module), type(module), entries(own), groups))
            for value in (v for name, v in own.items() if name not in OWN):
                self.hold(value)
            values += tensors_in(own)
        places = {id(t): i for i, t in reversed(list(enumerate(values)))}
        self.places = [places.get(id(t), -1) for t in found.tensors]
        """Of each tensor, its number among those of the modules."""
        self.forms = [(type(t), t.shape, t.dtype) for t in found.tensors]
        self.facts = list({id(one): one for facts in found.facts for one in facts.fixed}.values())
        self.named = found.named

    def hold(self, value: Any) -> None:
        """Note an attribute, and what is in it."""
        if type(value) is list or (
            type(value) is dict and all(type(name) is str for name in value)
        ):
            self.containers.append((value, entries(value)))
            self.held += value.values() if isinstance(value, dict) else value
        elif not isinstance(value, (Tensor, nn.Module)):
            self.held.append(value)

    @property
    def enough(self) -> bool:
        """Whether a look at these objects tells all: none has a content of its own."""
        values = [*self.held, *(value for _, _, value in self.named)]
        return -1 not in self.places and all(map(is_simple, values))

    def tensors(self) -> list[Tensor] | None:
        """The tensors of the identity as they are now; None where something is not as it was."""
        values: list[Any] = []
        for reference, kind, (names, addresses), groups in self.modules:
            module = reference()
            if type(module) is not kind:
                return None
            own = module.__dict__
            if list(own) != names or list(map(id, own.values())) != addresses:
                return None
            for name in HOOKS:
                if own[name]:
                    return None
            for name, (names, addresses) in groups:
                held = own[name]
                if (held or names) and (
                    list(held) != names or list(map(id, held.values())) != addresses
                ):
                    return None
            values += own["_parameters"].values()
            values += own["_buffers"].values()
        for value, content in self.containers:
            if not content.hold(value):
                return None
        found = [values[place] for place in self.places]
        for t, (kind, shape, dtype) in zip(found, self.forms, strict=True):
            if type(t) is not kind or t.dtype is not dtype or t.shape != shape:
                return None
        hooks = any(getattr(module_file, name) for name in GLOBAL_HOOKS)
        return found if not hooks and self.code_holds() else None

    def code_holds(self) -> bool:
        """Whether the code of the modules, and what it names, are what they were."""
        try:
            for read, source, known in self.facts:
                if read(source) != known:
                    return False
        except (AttributeError, KeyError, TypeError, ValueError):
            return False
        for container, key, value in self.named:
            try:
                now = container[key]
            except (KeyError, ValueError, AttributeError):
                now = None
            if now is not value:
                return False
        return True


def entries(held: Any) -> Entries:
    """What is in a dict or list."""
    values = held.values() if isinstance(held, dict) else held
    return Entries(list(held), list(map(id, values)))


def tensors_in(own: dict[str, Any]) -> list[Any]:
    """The parameters and buffers of a module with these attributes."""
    return [*own["_parameters"].values(), *own["_buffers"].values()]


def is_simple(value: Any) -> bool:
    """Whether an object cannot change, and leads to no module that it would keep alive."""
    kind = type(value)
    if kind is tuple:
        return all(map(is_simple, value))
    if isinstance(value, types.FunctionType):
        return value.__closure__ is None
    return kind in TEXT or kind in NUMBERS or isinstance(value, FIXED)


class Remembered:
    """What was found out about cells, as long as they live and are the same."""

    def __init__(self) -> None:
        self.known: dict[tuple[Any, ...], tuple[Same, Any]] = {}

    def find(self, call: Call) -> tuple[Any, list[Tensor]] | None:
        """What was noted for the cell of a call, and its tensors now; None if anything differs."""
        known = self.known.get((id(call.cell), *circumstances(call)))
        if known is None:
            return None
        same, noted = known
        tensors = same.tensors()
        return None if tensors is None else (noted, tensors)

    def note(self, call: Call, found: Identity, noted: Any) -> None:
        """Keep what is to be found for this cell, if a look at its objects tells all."""
        same = Same(found)
        if same.enough:
            self.known[id(call.cell), *circumstances(call)] = same, noted
            for old in list(self.known)[:-LIMIT]:
                self.known.pop(old, None)
