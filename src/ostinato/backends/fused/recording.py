"""A recording of one step of a cell: its torch operations, their tensors, and the user's lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from ostinato.typing import State, Tree

WITH_SIZES = ("slice", "select", "split", "narrow", "native_group_norm")
"""Ops that take a size, which may be that of the batch, as a bare number."""


class Refusal(Exception):
    """Why the compiler cannot take a cell, as the end of a sentence."""


@dataclass(frozen=True)
class Where:
    """A line of the user's code."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


@dataclass(frozen=True, eq=False)
class Op:
    """One torch operation of the step."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[Tensor | None, ...]
    where: Where
    differentiable: bool
    passes: bool = False
    """Whether it changes numbers in place behind the back of autograd, which goes on as before."""

    @property
    def name(self) -> str:
        """As in ``aten.add.Tensor``."""
        return str(self.function)

    @property
    def draws(self) -> bool:
        """Whether it takes random numbers; not all such ops have torch's tag."""
        schema = self.function._schema
        tagged = torch.Tag.nondeterministic_seeded in self.function.tags
        return tagged or any(argument.name == "generator" for argument in schema.arguments)

    def tensors(self) -> list[Tensor]:
        """The tensors that it reads."""
        return [a for a in tree_leaves((self.args, self.kwargs)) if isinstance(a, Tensor)]


@dataclass(eq=False)
class Captured:
    """A tensor that the step reads and nobody gave it: a parameter, a buffer, a constant."""

    tensor: Tensor
    where: Where
    fresh: bool = False
    """Whether the step makes it anew each time, with the same numbers."""


@dataclass(eq=False)
class Recording:
    """A step on a small batch: its inputs, its ops in order, and what came out."""

    batch_size: int
    xs: list[Tensor]
    states: list[Tensor]
    ops: list[Op] = field(default_factory=list[Op])
    y: Tree = None
    after: State = None
    captured: dict[int, Captured] = field(default_factory=dict[int, Captured])
    """By the id of the tensor."""


def names(recording: Recording) -> list[Any]:
    """The functions of all ops."""
    return [op.function for op in recording.ops]


def compare_numbers(first: Recording, second: Recording) -> None:
    """Refuse a step that computes with other numbers for another batch size."""
    for a, b in zip(first.ops, second.ops, strict=True):
        for n, m in zip(loose_numbers(a), loose_numbers(b), strict=True):
            if n != m and n == n:
                raise Refusal(
                    f"{a.name} computes with the batch size, or with numbers that differ from "
                    f"step to step, at {a.where}"
                )


def loose_numbers(op: Op) -> list[Any]:
    """The numbers that an op computes with, sizes left out."""
    if "lift_fresh" in op.name:
        return op.args[0].tolist() if op.args[0].dim() else [op.args[0].item()]
    given = (*op.args, *op.kwargs.values())
    kinds = (int, float) if op.name.split(".")[1] not in WITH_SIZES else (float,)
    return [n for n in given if isinstance(n, kinds)]


def compare_captured(first: Recording, second: Recording) -> None:
    """Refuse tensors from elsewhere that are neither the same nor equal at another time."""
    for one, other in zip(first.captured.values(), second.captured.values(), strict=True):
        a, b = one.tensor, other.tensor
        one.fresh = a is not b
        if one.fresh and not (a.shape == b.shape and torch.equal(a, b)):
            raise Refusal(
                "the step reads a tensor that comes from outside torch and differs from step to "
                f"step (from NumPy?), at {one.where}"
            )


def compare_one_row(many: Recording, one: Recording) -> None:
    """Refuse a step that treats a batch of one row otherwise than as one of several."""
    same = names(many) == names(one)
    for a, b in zip(many.ops, one.ops, strict=same) if same else ():
        same = same and all(map(scaled(many.batch_size), a.results, b.results))
    if not same:
        raise Refusal("it takes other operations for a batch of one row")


def scaled(batch_size: int) -> Callable[[Tensor | None, Tensor | None], bool]:
    """Whether a tensor of one row has the shape of one of many, but for the rows."""

    def check(many: Tensor | None, one: Tensor | None) -> bool:
        if many is None or one is None:
            return many is one
        pairs = zip(many.shape, one.shape, strict=False)
        return many.dim() == one.dim() and all(n in (m, m * batch_size) for n, m in pairs)

    return check


def spelled(recording: Recording) -> str:
    """All that a recording says, as text: two of one text are the same step."""
    numbers: dict[int, int] = {}

    def word(value: Any) -> str:
        if isinstance(value, Tensor):
            first = id(value) not in numbers
            number = numbers.setdefault(id(value), len(numbers))
            return f"t{number}" + (f" {list(value.shape)} {value.dtype}" if first else "")
        return repr(value)

    def words(tree: Any) -> str:
        return ", ".join(map(word, tree_leaves(tree)))

    lines = [words((recording.xs, recording.states))]
    for op in recording.ops:
        about = (op.differentiable, op.passes, op.args, sorted(op.kwargs.items(), key=str))
        lines.append(f"{words(op.results)} = {op.name} {words(about)}")
    for one in recording.captured.values():
        constant = one.tensor.tolist() if one.fresh else ""
        lines.append(f"{word(one.tensor)} {one.tensor.requires_grad} {constant}")
    lines.append(words((recording.y, recording.after)))
    return "\n".join(lines)
