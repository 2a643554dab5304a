"""What a step computes from its parameters alone: once a call, by torch, under its autograd.

A recording was made with the tensors of one cell. Here they are replaced by slots, which say where
a cell of the same kind has its own; so the recording keeps no weights alive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from ostinato.backends.fused.lower.step import Step
from ostinato.backends.fused.recording import Refusal


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

    sources: tuple[int | Tensor, ...]
    """Of the first slots: the number among the tensors of a cell's identity; or a constant."""
    work: tuple[Work, ...]
    params: tuple[int, ...]
    """The slots of the params."""
    slots: int

    def values(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The params of a call, from the tensors of its cell."""
        now: list[Any] = [None] * self.slots
        for i, source in enumerate(self.sources):
            now[i] = tensors[source] if isinstance(source, int) else source
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


def outside(step: Step, known: Sequence[Tensor]) -> Outside:
    """The work of a recorded step, for any cell of the same identity. Raises Refusal.

    ``known`` are the tensors of the recorded cell's identity.
    """
    work = step.needed_outside
    captured = [one.tensor for one in step.captured]
    tensors = [*captured, *(t for op in work for t in op.results if t is not None)]
    slots = {id(t): i for i, t in reversed(list(enumerate(tensors)))}

    def slot(a: Any) -> Any:
        if not isinstance(a, Tensor):
            return a
        # rows.new_full(...) reads nothing of the rows that it is given but their dtype
        return Slot(slots[id(a)]) if id(a) in slots else a.detach()

    return Outside(
        tuple(sources(step, known)),
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


def sources(step: Step, known: Sequence[Tensor]) -> Iterator[int | Tensor]:
    """Where to find the captured tensors at each call, so that swapped weights are seen."""
    numbers = {id(t): i for i, t in enumerate(known)}
    for one in step.captured:
        t = one.tensor
        if id(t) in numbers:
            yield numbers[id(t)]
        elif one.fresh and not t.requires_grad:
            # it may lie in the memory of an array of NumPy's, which its owner may change
            yield t.detach().clone()
        else:
            raise Refusal(
                f"the step reads a tensor {list(t.shape)} that is no attribute of the cell or of "
                f"a module in it, nor in a container of such, at {one.where}"
            )
