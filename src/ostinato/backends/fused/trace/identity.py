"""What a recording depends on, as a key: two cells of one key are the same step.

A key is made of all that a step may read but the numbers in tensors: the classes, names and
attributes of all modules, with the contents of plain containers and settings objects to any depth;
class attributes, globals and closures that the code of the modules names; sizes, dtypes, and which
tensors are one; whether gradients are recorded, and whether the batch is one row. So a recording
is found again for a copy of a cell, for weights that were swapped, and for drop-ins that make their
cells anew at each call, and another one is made where a setting has changed, wherever it lies.

On the way the tensors are listed in an order that the key says, so that those of one cell can be
read where a recording of another was made.
"""

from __future__ import annotations

import argparse
import collections
import functools
import random
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.backends.call import Call, Memo, hooked
from ostinato.backends.fused.trace.code_names import FIXED, Attributes, Facts, facts_of, is_trusted
from ostinato.typing import Tree

OWN = frozenset(vars(nn.Module())) - {"training"}
"""Attributes by which nn.Module does its work; what they hold is read one by one."""
TEXT = frozenset((str, bytes, type(None), torch.dtype, torch.Size, torch.device, type(...), slice))
NUMBERS = frozenset((int, float, bool, complex))
"""Kinds that equal each other across types: 1 and True are not the same step."""
PLAIN_TENSORS = frozenset((Tensor, nn.Parameter, nn.Buffer))
SETTINGS = (types.SimpleNamespace, argparse.Namespace)
"""Classes of the standard library whose objects hold settings."""
TORCH_SETTINGS = (torch.distributions.Distribution,)
PLUMBING = frozenset((*sys.stdlib_module_names, "numpy", "torch", "polars")) - {"__main__"}
"""Libraries whose objects hold no settings of a step: locks, loggers, files."""


class Unchanging:
    """Where a tensor lies that nobody can replace: ``Unchanging(t)[0]`` is the tensor."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __getitem__(self, _: object) -> Tensor:
        return self.tensor


@dataclass
class Identity:
    """The key of a call's cell, and what else the look at it found."""

    parts: list[Any] = field(default_factory=list[Any])
    modules: list[nn.Module] = field(default_factory=list[nn.Module])
    """Each once, in an order that the key says."""
    tensors: list[Tensor] = field(default_factory=list[Tensor])
    """All that a step may read, each once, in an order that the key says."""
    places: list[tuple[Any, Any]] = field(default_factory=list[tuple[Any, Any]])
    """Where each tensor was found: ``container[key]``."""
    held: list[Any] = field(default_factory=list[Any])
    """Objects that the key knows by their address: it holds as long as they live."""
    hooked: nn.Module | None = None
    odd: str | None = None
    """A tensor that no compiled loop can read, in words."""
    containers: dict[int, tuple[Any, str]] = field(default_factory=dict[int, tuple[Any, str]])
    """What may be changed in place, by address: containers, the attributes of objects; and where
    they were found."""
    where: str = ""
    """The attribute or name that is being looked at."""
    named: list[tuple[Any, Any, Any]] = field(default_factory=list[tuple[Any, Any, Any]])
    """``container[key]`` that code names, and what it was."""
    seen: dict[int, int] = field(default_factory=dict[int, int])
    looked_at: dict[int, tuple[Any, Any]] = field(default_factory=dict[int, tuple[Any, Any]])
    """Objects by address, kept alive for this look, and what the key says of them."""
    abroad: bool = False
    """Whether this is within an object of an installed package."""
    facts: list[Facts] = field(default_factory=list[Facts])
    """What the key knows of the code of classes and functions."""

    @property
    def key(self) -> tuple[Any, ...]:
        return tuple(self.parts)

    def visit(self, module: nn.Module) -> None:
        """Write down a module and those in it."""
        known = self.seen.get(id(module))
        if known is not None:
            self.parts.append(known)
            return
        self.seen[id(module)] = len(self.seen)
        self.modules.append(module)
        state, parts = module.__dict__, self.parts
        facts = self.facts_of(type(module))
        parts += (type(module), facts.values)
        for mention in facts.mentions:
            self.mention(mention.container, mention.key)
        for name, value in state.items():
            if name not in OWN:
                parts += (name, self.frozen(value, state, name))
        for kind in ("_parameters", "_buffers"):
            for name, value in state[kind].items():
                parts += (name, self.frozen(value, state[kind], name))
        for name, child in state["_modules"].items():
            parts.append(name)
            if child is not None:
                self.visit(child)
        parts.append(len(state["_modules"]))
        if self.hooked is None and hooked(module):
            self.hooked = module

    def facts_of(self, subject: type | types.FunctionType) -> Facts:
        """The facts of some code, noted."""
        found = facts_of(subject)
        self.facts.append(found)
        return found

    def mention(self, container: Any, key: Any) -> None:
        """Write down what a name in some code stands for just now."""
        try:
            value = container[key]
        except (KeyError, ValueError, AttributeError):
            value = None  # not there yet, or no more
        self.named.append((container, key, value))
        self.parts += (key, self.frozen(value, container, key))

    def frozen(self, value: Any, container: Any = None, place: Any = None) -> Any:
        """A value as the key knows it: its content, the form of a tensor, or its address."""
        kind = type(value)
        if kind in TEXT:
            return value
        if kind in NUMBERS:
            # the sign of a zero is lost in a comparison
            return (kind, value) if value else (kind, str(value))
        if isinstance(value, Tensor):
            return self.tensor(value, container, place)
        known = self.looked_at.get(id(value))
        if known is None:
            self.where = place if isinstance(place, str) else self.where
            # within itself it is what it is
            self.looked_at[id(value)] = (value, ("again", len(self.looked_at)))
            known = self.looked_at[id(value)] = (value, self.content(kind, value))
        return known[1]

    def tensor(self, value: Tensor, container: Any, place: Any) -> Any:
        """The form of a tensor, and which one it is."""
        first = self.seen.get(id(value))
        if first is None:
            first = self.seen[id(value)] = len(self.seen)
            self.tensors.append(value)
            self.places.append((container, place))
            if type(value) not in PLAIN_TENSORS and self.odd is None:
                self.odd = f"takes plain tensors, and {place} is a {type(value).__name__}"
        return first, value.shape, value.dtype

    def content(self, kind: type, value: Any) -> Any:
        """What is in an object, as far as a step may read it."""
        if kind is Memo:
            return kind
        for kinds, read in READERS:
            if isinstance(value, kinds):
                return kind, tuple(read(self, value))
        if isinstance(value, (*FIXED, Enum)):
            self.held.append(value)
            return id(value)
        abroad = is_trusted(kind.__module__)
        if is_settings(kind) and not (abroad and self.abroad):
            self.abroad, outer = abroad, self.abroad
            found = kind, None if abroad else facts_of(kind).values, tuple(self.attributes(value))
            self.abroad = outer
            return found
        self.held.append(value)
        return id(value)

    def attributes(self, value: Any) -> Iterator[Any]:
        """The attributes of an object."""
        if hasattr(value, "__dict__"):
            yield from self.entries(vars(value))
        for kind in type(value).__mro__:
            for name in getattr(kind, "__slots__", ()):
                yield self.frozen(getattr(value, name, None), Attributes(value), name)

    def entries(self, value: dict[Any, Any]) -> Iterator[Any]:
        """The entries of a dict or of an object's attributes."""
        self.containers[id(value)] = value, self.where
        for name, one in value.items():
            yield self.frozen(name)
            yield self.frozen(one, value, name)

    def items(self, value: Any) -> Iterator[Any]:
        """The items of a list, tuple or deque."""
        if not isinstance(value, tuple):
            self.containers[id(value)] = value, self.where
        for i, one in enumerate(value):
            yield self.frozen(one, value, i)

    def members(self, value: Any) -> Iterator[Any]:
        """The members of a set, whose order means nothing."""
        if isinstance(value, set):
            self.containers[id(value)] = value, self.where
        yield frozenset(self.frozen(one) for one in value)

    def module(self, value: nn.Module) -> Iterator[Any]:
        """A module that is held as no child: its parts stand among the others."""
        yield self.seen.get(id(value), len(self.seen))
        self.visit(value)

    def array(self, value: np.ndarray) -> Iterator[Any]:
        """The numbers of an array, which are no tensor's."""
        self.containers[id(value)] = value, self.where
        yield from (value.shape, value.dtype.str)
        if value.dtype.hasobject:
            yield from self.items(tuple(value.reshape(-1).tolist()))
        else:
            yield value.tobytes()

    def function(self, value: types.FunctionType) -> Iterator[Any]:
        """The code of a function, and what it reads from elsewhere."""
        facts = self.facts_of(value)
        # of a library's own function nothing is known but which one it is
        yield facts.values or id(value)
        self.held.append(value)
        for mention in facts.mentions:
            self.mention(mention.container, mention.key)

    def method(self, value: types.MethodType) -> Iterator[Any]:
        yield self.frozen(value.__func__)
        yield self.frozen(value.__self__)

    def partial(self, value: Any) -> Iterator[Any]:
        yield self.frozen(value.func)
        yield self.frozen(value.args)
        yield self.frozen(value.keywords)

    def generator(self, value: Any) -> Iterator[Any]:
        """Where a source of random numbers stands: a step that draws from it moves it."""
        self.containers[id(value)] = value, self.where
        yield repr(generator_state(value))


def is_settings(kind: type) -> bool:
    """Whether the attributes of an object of a class are looked at, and not only its address."""
    if kind.__module__.split(".")[0] == "torch":
        return issubclass(kind, TORCH_SETTINGS)
    return issubclass(kind, SETTINGS) or kind.__module__.split(".")[0] not in PLUMBING


READERS: tuple[tuple[Any, Callable[[Identity, Any], Iterator[Any]]], ...] = (
    ((tuple, list, collections.deque), Identity.items),
    (dict, Identity.entries),
    (types.MappingProxyType, Identity.entries),
    ((set, frozenset), Identity.members),
    (nn.Module, Identity.module),
    (np.ndarray, Identity.array),
    (np.generic, lambda self, value: iter((value.tobytes(),))),
    (types.FunctionType, Identity.function),
    (types.MethodType, Identity.method),
    (functools.partial, Identity.partial),
    ((random.Random, np.random.Generator, np.random.RandomState), Identity.generator),
)  # fmt: skip
"""How the content of an object is read, by its class."""


def generator_state(value: Any) -> Any:
    """The state of a generator of Python's or NumPy's."""
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, np.random.RandomState):
        return value.get_state()
    return value.bit_generator.state


def identify(call: Call) -> Identity:
    """The identity of a call's cell, for rows of these sizes."""
    made = Identity()
    made.parts += circumstances(call)
    made.visit(call.cell)
    return made


def circumstances(call: Call) -> tuple[Any, ...]:
    """What a recording depends on beside the cell."""
    return (
        torch.is_grad_enabled(), call.batch_size == 1, torch.get_default_dtype(),
        form(call.xs, 2), form(call.state, 1),
    )  # fmt: skip


def form(tree: Tree, leading: int) -> Any:
    """The structure of a tree, with the features and dtypes of its leaves."""
    if isinstance(tree, Tensor):
        return tree.shape[leading:], tree.dtype
    if isinstance(tree, dict):
        return tuple((name, form(tree[name], leading)) for name in sorted(tree))
    return type(tree), tuple(form(node, leading) for node in tree)
