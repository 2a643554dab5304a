"""What the code of a class or function names outside of itself: globals, closures, its own class.

A step may read any of these, so a recording depends on them. What is fixed (functions, other
libraries) is compared here, by identity; what may hold settings is a `Mention`, whose content
`identity` looks at in every call. Code of torch, of this library and of installed packages is
trusted not to read settings from its globals; that its functions are the same is checked.
"""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from operator import attrgetter, itemgetter
from typing import Any

from torch import nn

TRUSTED = frozenset((*sys.stdlib_module_names, "torch", "numpy", "ostinato")) - {"__main__"}
"""Packages whose code reads no settings of a user's from its globals."""
FIXED = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)
"""Kinds of things that are what they are as long as they are the same object."""
KNOWN = 512
"""Classes and functions that are remembered."""


@dataclass(frozen=True)
class Mention:
    """A name whose content a step may read: ``container[key]``."""

    container: Any
    key: Any


@dataclass(frozen=True, eq=False)
class Contents:
    """A cell of a closure, read and written as other containers are: ``Contents(cell)[0]``."""

    cell: types.CellType

    def __getitem__(self, _: object) -> Any:
        return self.cell.cell_contents

    def __setitem__(self, _: object, value: Any) -> None:
        self.cell.cell_contents = value


@dataclass(frozen=True, eq=False)
class Attributes:
    """The attributes of a class or function, read and written as other containers are."""

    owner: Any

    def __getitem__(self, name: str) -> Any:
        return vars(self.owner)[name] if isinstance(self.owner, type) else getattr(self.owner, name)

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self.owner, name, value)


@dataclass(frozen=True)
class Facts:
    """A class or function as its code was when it was looked at."""

    mentions: tuple[Mention, ...]
    fixed: tuple[tuple[Callable[[Any], Any], Any, Any], ...]
    """``read(source)`` that must still be what it was."""

    @cached_property
    def values(self) -> tuple[Any, ...]:
        """What is fixed: code of equal values, whose mentions hold the same, does the same."""
        return tuple(known for _, _, known in self.fixed)

    def hold(self) -> bool:
        """Whether the code and what is fixed for it are as they were."""
        try:
            return all(read(source) == known for read, source, known in self.fixed)
        except (AttributeError, KeyError, TypeError, ValueError):
            return False


known: dict[Any, Facts] = {}


def facts_of(subject: type | types.FunctionType) -> Facts:
    """The facts of a class or function, looked at again where they have changed."""
    found = known.get(subject)
    if found is None or not found.hold():
        for old in list(known)[: len(known) - KNOWN]:
            known.pop(old, None)
        found = known[subject] = look_at(subject)
    return found


def look_at(subject: type | types.FunctionType) -> Facts:
    """Read the code of a class, up to `nn.Module`, or of a function."""
    made = Look()
    if isinstance(subject, type):
        for one in subject.__mro__:
            if one in (nn.Module, object):
                break
            made.visit_class(one)
    else:
        made.visit_function(subject)
    mentions = {(name_of(m.container), m.key): m for m in made.mentions}
    return Facts(tuple(mentions.values()), tuple(made.fixed))


def name_of(container: Any) -> int:
    """One number for all that read the same container."""
    inner = getattr(container, "cell", None) or getattr(container, "owner", None)
    return id(container if inner is None else inner)


@dataclass
class Look:
    """The facts of some code in the making."""

    mentions: list[Mention] = field(default_factory=list[Mention])
    fixed: list[Any] = field(default_factory=list[Any])
    seen: set[int] = field(default_factory=set[int])

    def visit_class(self, one: type) -> None:
        """Its functions are fixed; its other attributes may be settings."""
        inside = [name for name in vars(one) if name != "__init__" and not is_noise(name)]
        functions = [n for n in inside if any(True for _ in functions_in(vars(one)[n]))]
        if functions:
            read = itemgetter(*functions)
            self.fixed.append((read, vars(one), read(vars(one))))
        if is_trusted(one.__module__):
            return
        self.mentions += [
            Mention(Attributes(one), name)
            for name in inside
            if name not in functions and not isinstance(vars(one)[name], types.MemberDescriptorType)
        ]
        for name in functions:
            for function in functions_in(vars(one)[name]):
                self.visit_function(function)

    def visit_function(self, function: types.FunctionType) -> None:
        """The globals that its code names, its closure and its defaults."""
        if id(function) in self.seen or is_trusted(function.__module__ or ""):
            return
        self.seen.add(id(function))
        self.fixed.append((attrgetter("__code__"), function, function.__code__))
        names = Names()
        names.read(function.__code__)
        space = function.__globals__
        here = sorted(n for n in names.variables if n in space)
        fixed = [n for n in here if isinstance(space[n], FIXED)]
        if fixed:
            read = itemgetter(*fixed)
            self.fixed.append((read, space, read(space)))
        for value in (*(space[n] for n in fixed), *names.modules):
            self.visit_fixed(value, names.attributes)
        self.mentions += [Mention(space, n) for n in here if n not in fixed]
        self.mentions += [Mention(Contents(cell), 0) for cell in function.__closure__ or ()]
        if function.__defaults__:
            self.mentions.append(Mention(Attributes(function), "__defaults__"))
        if function.__kwdefaults__:
            self.mentions.append(Mention(Attributes(function), "__kwdefaults__"))

    def visit_fixed(self, value: Any, names: set[str]) -> None:
        """Functions of the user's that are called, and settings in modules and classes."""
        if isinstance(value, types.FunctionType):
            self.visit_function(value)
        elif isinstance(value, types.ModuleType) and not is_trusted(value.__name__):
            inside = sorted(n for n in names if n in vars(value))
            for name in inside:
                if isinstance(vars(value)[name], types.FunctionType):
                    self.visit_function(vars(value)[name])
                elif not isinstance(vars(value)[name], FIXED):
                    self.mentions.append(Mention(vars(value), name))
        elif isinstance(value, type) and not is_trusted(value.__module__):
            inside = [n for n in names if n in vars(value)]
            for name in sorted(inside):
                for function in functions_in(vars(value)[name]):
                    self.visit_function(function)
                if not any(True for _ in functions_in(vars(value)[name])):
                    self.mentions.append(Mention(Attributes(value), name))


def is_noise(name: str) -> bool:
    """Attributes of every class, which no step reads."""
    return name in (
        "__module__", "__dict__", "__weakref__", "__doc__", "__annotations__", "__qualname__",
        "__abstractmethods__", "_abc_impl", "__parameters__", "__orig_bases__", "__final__",
        "__slots__", "__static_attributes__", "__firstlineno__", "__hash__", "__match_args__",
        "__dataclass_fields__", "__dataclass_params__",
    )  # fmt: skip


def functions_in(attribute: Any) -> Iterator[types.FunctionType]:
    """The functions that an attribute of a class is made of."""
    if isinstance(attribute, types.FunctionType):
        yield attribute
    elif isinstance(attribute, (staticmethod, classmethod)):
        yield from functions_in(attribute.__func__)
    elif isinstance(attribute, property):
        for one in (attribute.fget, attribute.fset):
            yield from functions_in(one)
    elif hasattr(attribute, "func") and isinstance(attribute.func, types.FunctionType):
        yield attribute.func  # a cached property, a partial


@dataclass
class Names:
    """The names that some code and the functions within it read."""

    variables: set[str] = field(default_factory=set[str])
    """Of globals, perhaps."""
    attributes: set[str] = field(default_factory=set[str])
    """Of anything."""
    modules: list[types.ModuleType] = field(default_factory=list[types.ModuleType])
    """Those that are imported where they are used."""

    def read(self, code: types.CodeType) -> None:
        """Add the names of a piece of code."""
        for one in dis.get_instructions(code):
            if one.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
                self.variables.add(one.argval)
            elif one.opname == "IMPORT_NAME" and one.argval in sys.modules:
                self.modules.append(sys.modules[one.argval])
            elif one.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"):
                self.attributes.add(one.argval)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self.read(constant)
            elif isinstance(constant, str) and constant.isidentifier():
                # getattr(settings, "scale"), globals()["SCALE"]
                self.variables.add(constant)
                self.attributes.add(constant)


@lru_cache(maxsize=4096)
def is_trusted(module: str) -> bool:
    """Whether code of this module is of a library, and not of the user."""
    if module.split(".")[0] in TRUSTED:
        return True
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file
