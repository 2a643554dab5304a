"""One line into a model that exists: its recurrent layers, run by ostinato."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ostinato.errors import DtypeError
from ostinato.nn.swapped import STANDARD, swapped_class

CALLED = (
    "forward",
    "check_input",
    "check_forward_args",
    "check_hidden_size",
    "get_expected_hidden_size",
    "permute_hidden",
)
"""What torch.nn's forward is made of."""


@dataclass(frozen=True, repr=False)
class Swap:
    """What `swap` did to a model: print it to read it."""

    model: nn.Module
    replaced: dict[str, str]
    """The layers that ostinato runs now: each layer's name in the model, and what it is."""
    left: dict[str, str]
    """The recurrent modules that run as before, and why."""

    def undo(self) -> None:
        """Let torch.nn run all layers of the model again; nothing else about them changes."""
        for module in self.model.modules():
            if is_swapped(module):
                module.__class__ = reclassed(type(module), lambda kind: kind.stands_for)

    def __str__(self) -> str:
        return "\n".join([*listed("swapped", self.replaced), *listed("left", self.left)])

    __repr__ = __str__


def listed(title: str, modules: dict[str, str]) -> Iterator[str]:
    """The lines of a part of the report."""
    yield f"{title}: {len(modules) or 'nothing'}"
    width = max(map(len, modules), default=0)
    for name, said in modules.items():
        yield f"  {name:<{width}}  {said}"


def swap(model: nn.Module) -> Swap:
    """Let ostinato run every ``torch.nn.RNN``, ``LSTM`` and ``GRU`` of a model, in place.

    The modules stay the objects that they are, with their parameters, names, hooks, settings and
    state dict, and stay instances of their torch.nn class: only how they run changes, on a CPU.
    On other devices, and where torch traces or exports, they run as before.

    Returns the `Swap`: what was swapped, what was left and why, and ``undo()``. Raises DtypeError
    where ``model`` is no module.
    """
    if not isinstance(model, nn.Module):
        raise DtypeError(
            "model",
            wanted="a torch.nn.Module",
            got=type(model).__name__,
            remedy="Swap the module that holds the layers.",
        )
    replaced: dict[str, str] = {}
    left: dict[str, str] = {}
    for path, module in model.named_modules():
        name = path or "(the model itself)"
        reason = refuse(module)
        if reason is not None:
            left[name] = f"{said(module)}: {reason}"
        elif isinstance(module, STANDARD):
            module.__class__ = reclassed(type(module), swapped_class)
            replaced[name] = said(module)
    return Swap(model, replaced, left)


def is_swapped(module: nn.Module) -> bool:
    """Whether ostinato runs this module of torch.nn."""
    return hasattr(type(module), "stands_for")


def reclassed(kind: Any, change: Callable[[Any], type]) -> type:
    """The class after ``change``, under whatever torch has put over it at run time.

    Parametrizations and FSDP2 give a module a class of its own, whose last base is the module's.
    """
    *others, base = kind.__bases__
    if kind.__name__ not in (f"Parametrized{base.__name__}", f"FSDP{base.__name__}"):
        return change(kind)
    body = {k: v for k, v in vars(kind).items() if k not in ("__dict__", "__weakref__")}
    return type(kind.__name__, (*others, reclassed(base, change)), body)


def said(module: nn.Module) -> str:
    """The module with its sizes."""
    name = getattr(module, "original_name", type(module).__name__)  # of a scripted one
    sizes = module.extra_repr()
    return f"{name}({sizes})" if sizes else name


def refuse(module: nn.Module) -> str | None:
    """Why a recurrent module is left as it is; None for those to swap, and for all others."""
    if isinstance(module, nn.RNNCellBase):
        return (
            "takes one step, where torch's cell is as fast; a loop over steps is faster as "
            "unroll(Recurrence(cell, ...), xs)"
        )
    if not isinstance(module, STANDARD):
        return refuse_kind(module)
    if "forward" in vars(module):
        return "its forward was replaced on the object; swap before whatever did that"
    if is_swapped(module):
        return "is swapped already"
    kind = next(kind for kind in STANDARD if isinstance(module, kind))
    own = next((n for n in CALLED if getattr(type(module), n) is not getattr(kind, n)), None)
    return None if own is None else f"has a {own} of its own"


def refuse_kind(module: nn.Module) -> str | None:
    """Why a recurrent module that is none of torch.nn's is left; None for modules of no time."""
    kinds = [kind.__name__ for kind in STANDARD]
    if isinstance(module, torch.jit.ScriptModule):
        scripted = getattr(module, "original_name", "")
        return "was compiled by torch.jit, so swap before that" if scripted in kinds else None
    if isinstance(module, nn.RNNBase):
        return "is none of torch.nn.RNN, LSTM and GRU"
    quantised = ".ao.nn." in type(module).__module__ and type(module).__name__ in kinds
    return "is quantised" if quantised else None
