"""Memory that is asked for, refused in words before it is taken.

Sizes come from settings, and those of a run may be anyone's: without a bound, a large number there
ends in a killed process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ostinato.errors import ArgumentError

# Where Linux says how much memory the processes of this container may take: cgroups 2 and 1.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

# The gates of the cells that have names.
_GATES = {"elman": 1, "gru": 3, "lstm": 4}

Given = ParamSpec("Given")
Made = TypeVar("Made")


@cache
def memory() -> int:
    """Bytes of memory that this machine or container has; very many where it does not say."""
    found = [2**62]
    with suppress(AttributeError, ValueError, OSError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _LIMITS:
        with suppress(OSError, ValueError):
            found.append(int(Path(path).read_text()))
    return min(found)


def check_memory(argument: str, size: int, what: str) -> None:
    """Raise ArgumentError where ``size`` bytes of what is asked for are more than there are."""
    if size > memory():
        raise ArgumentError(
            argument,
            wanted=f"{what} that fits into the memory of this machine, {in_words(memory())}",
            got=f"one of {in_words(size)}",
        )


def check_layers(cell: str, layers: int, size: int) -> None:
    """Raise ArgumentError where recurrent layers would not fit, before the first one is made.

    They are counted as float32 by the least that cells have: a map of what a layer reads and one
    of its own h, both [H, H], once for each gate of a cell that is known by its name.
    """
    maps = _GATES.get(cell, 0) * (2 * layers - 1) or layers - 1
    check_memory("size", 4 * maps * size**2, "a model")


def in_words(size: int) -> str:
    """Bytes as people say them."""
    return f"{size / 1e9:,.1f} GB" if size >= 10**9 else f"{size / 1e6:,.1f} MB"


def within_memory(
    argument: str, what: str
) -> Callable[[Callable[Given, Made]], Callable[Given, Made]]:
    """Decorate what makes tensors: ArgumentError before they take more memory than there is."""

    def decorate(make: Callable[Given, Made]) -> Callable[Given, Made]:
        @wraps(make)
        def bounded(*args: Given.args, **kwargs: Given.kwargs) -> Made:
            with _Bounded(argument, what):
                return make(*args, **kwargs)

        return bounded

    return decorate


@final
class _Bounded(TorchDispatchMode):
    """Within the block, tensors that are made of sizes alone may not exceed the memory in all."""

    def __init__(self, argument: str, what: str) -> None:
        super().__init__()
        self._argument, self._what, self._taken = argument, what, 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if "device" in kwargs and not any(isinstance(each, Tensor) for each in args):
            made = func(*args, **{**kwargs, "device": torch.device("meta")})
            self._taken += cast("Tensor", made).nbytes
            check_memory(self._argument, self._taken, self._what)
        return func(*args, **kwargs)
