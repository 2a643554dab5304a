"""What a step computes from its parameters alone: once a call, by torch, under its autograd.

A recording was made with the tensors of one cell. Here they are replaced by slots, which say where
a cell of the same kind has its own; so the recording keeps no weights alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from ostinato.backends.fused.lower.step import Step
from ostinato.backends.fused.record import Refusal

KINDS = ("_parameters", "_buffers", "")
"""Where a module has tensors; "" is its own attributes."""


@dataclass(frozen=True)
class Slot:
    """A tensor that is known at each call."""

    index: int


@dataclass(frozen=True)
class Work:
    """One torch operation between slots."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[int | None, ...]
    differentiable: bool


@dataclass(frozen=True)
class Outside:
    """How the params of a step come from the tensors of a cell."""

    sources: tuple[tuple[int, str, str] | Tensor, ...]
    """Of the first slots: number of the module, kind and name; or a constant."""
    work: tuple[Work, ...]
    params: tuple[int, ...]
    """The slots of the params."""
    slots: int

    def values(self, modules: list[nn.Module]) -> list[Tensor]:
        """The params of a call."""
        now: list[Any] = [None] * self.slots
        for i, source in enumerate(self.sources):
            now[i] = source if isinstance(source, Tensor) else read(modules, source)
        for one in self.work:
            args, kwargs = tree_map(
                lambda a: now[a.index] if isinstance(a, Slot) else a, (one.args, one.kwargs)
            )
            with torch.set_grad_enabled(torch.is_grad_enabled() and one.differentiable):
                out = one.function(*args, **kwargs)
            for slot, made in zip(one.results, tree_leaves(out), strict=True):
                if slot is not None:
                    now[slot] = made
        return [now[i] for i in self.params]


def read(modules: list[nn.Module], source: tuple[int, str, str]) -> Any:
    """A tensor of a cell."""
    number, kind, name = source
    state = modules[number].__dict__
    return state[kind][name] if kind else state[name]


def outside(step: Step, modules: list[nn.Module]) -> Outside:
    """The work of a recorded step, for any cell with modules of the same kind. Raises Refusal."""
    work = step.needed_outside
    tensors = [*step.captured, *(t for op in work for t in op.results if t is not None)]
    slots = {id(t): i for i, t in reversed(list(enumerate(tensors)))}

    def slot(a: Any) -> Any:
        if not isinstance(a, Tensor):
            return a
        # rows.new_full(...) reads nothing of the rows that it is given but their dtype
        return Slot(slots[id(a)]) if id(a) in slots else a.detach()

    return Outside(
        tuple(sources(step, modules)),
        tuple(
            Work(
                op.function,
                tree_map(slot, op.args),
                tree_map(slot, op.kwargs),
                tuple(None if t is None else slots[id(t)] for t in op.results),
                op.differentiable,
            )
            for op in work
        ),
        tuple(slots[id(t)] for t in step.params),
        len(tensors),
    )


def sources(step: Step, modules: list[nn.Module]) -> list[tuple[int, str, str] | Tensor]:
    """Where to read the captured tensors at each call, so that swapped weights are seen."""
    where: dict[int, tuple[int, str, str]] = {}
    for number, module in enumerate(modules):
        for kind in KINDS:
            held = module.__dict__[kind] if kind else module.__dict__
            for name, value in held.items():
                if isinstance(value, Tensor):
                    where.setdefault(id(value), (number, kind, name))
    made_inside = {id(op.args[0]) for op in step.outside if "lift_fresh" in op.name}
    found: list[tuple[int, str, str] | Tensor] = []
    for t in step.captured:
        if id(t) in where:
            found.append(where[id(t)])
        elif id(t) in made_inside or not t.requires_grad:
            found.append(t)
        else:
            raise Refusal(
                "the step reads a tensor with a gradient that is no attribute of the cell"
            )
    return found
