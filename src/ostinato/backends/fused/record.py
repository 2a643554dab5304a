"""One step of a cell, written down: every torch operation, its tensors, and the user's line.

The step runs on real small tensors under a `TorchDispatchMode`, so that it sees what the user's
Python does and needs no compiler of torch's. It runs twice, with two unusual batch sizes: what
differs otherwise than by the batch size would be computed wrongly for another one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ostinato import _tree
from ostinato.backends.eager import check_step
from ostinato.cell import Cell
from ostinato.typing import State, Tree

NOT_THE_USERS = (str(Path(__file__).parent), str(Path(torch.__file__).parent))
WITH_SIZES = ("slice", "select", "split", "narrow", "native_group_norm")
"""Ops that take a size, which may be that of the batch, as a bare number."""
BATCHES = (17, 19, 23, 29, 31, 37, 41, 43, 47)


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

    @property
    def name(self) -> str:
        """As in ``aten.add.Tensor``."""
        return str(self.function)

    def tensors(self) -> list[Tensor]:
        """The tensors that it reads."""
        return [a for a in tree_leaves((self.args, self.kwargs)) if isinstance(a, Tensor)]


@dataclass(eq=False)
class Recording:
    """A step on a small batch: its inputs, its ops in order, and what came out."""

    batch_size: int
    xs: list[Tensor]
    states: list[Tensor]
    ops: list[Op] = field(default_factory=list[Op])
    y: Tree = None
    after: State = None
    captured: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    """Tensors that the step reads and nobody gave it, by id: parameters, buffers, constants."""


class Recorder(TorchDispatchMode):
    """Writes the ops of a step into a recording."""

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self.recording = recording
        self.known = {id(t) for t in (*recording.xs, *recording.states)}
        self.given = set(self.known)
        self.stale: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would import dynamo and sympy (1.3 s) to keep it from tracing this class
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        where = user_line()
        written = self._written(func, args, where)
        op = Op(func, tuple(args), kwargs, (), where, torch.is_grad_enabled())
        for t in op.tensors():
            if id(t) in self.stale:
                raise Refusal(
                    f"{func} reads what was changed in place through another view, at {where}"
                )
            if id(t) not in self.known:
                self.known.add(id(t))
                self.recording.captured[id(t)] = t
        out = func(*args, **kwargs)
        results = tuple(t if isinstance(t, Tensor) else None for t in tree_leaves(out))
        for t in written:
            self.stale |= {id(other) for other in self._aliases(t) if overlap(t, other)}
        self.known.update(id(t) for t in results if t is not None)
        self.recording.ops.append(replace(op, results=results))
        return out

    def _written(self, func: Any, args: Any, where: Where) -> list[Tensor]:
        """What an op changes in place; refuses where the step did not make it."""
        if "_local_scalar_dense" in func.__name__:
            raise Refusal(f"a Python value is read from a tensor (a branch on data?) at {where}")
        arguments = zip(func._schema.arguments, args, strict=False)
        written = [v for a, v in arguments if a.alias_info and a.alias_info.is_write]
        for t in written:
            if id(t) not in self.known or id(t) in self.given or id(t) in self.recording.captured:
                raise Refusal(
                    f"{func} changes a tensor in place that the step did not make, at {where}"
                )
        return written

    def _aliases(self, target: Tensor) -> list[Tensor]:
        """Other tensors of the step in the same memory."""
        storage = target.untyped_storage()._cdata
        made = (t for op in self.recording.ops for t in op.results if t is not None)
        given = (*self.recording.xs, *self.recording.states)
        return [
            t for t in (*made, *given) if t is not target and t.untyped_storage()._cdata == storage
        ]


def overlap(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors of one storage have an entry in common."""
    size = a.untyped_storage().nbytes() // a.element_size()
    used = torch.zeros(size, dtype=torch.bool)
    used.as_strided(a.shape, a.stride(), a.storage_offset()).fill_(True)
    return bool(used.as_strided(b.shape, b.stride(), b.storage_offset()).any())


def user_line() -> Where:
    """The innermost line that is neither torch's nor of the compiler."""
    frame = sys._getframe(2)
    found = frame
    while frame is not None:
        if not frame.f_code.co_filename.startswith(NOT_THE_USERS):
            found = frame
            break
        frame = frame.f_back
    return Where(found.f_code.co_filename, found.f_lineno, found.f_code.co_name)


def record(cell: Cell, xs: list[Tensor], x: Tree, state: State) -> Recording:
    """The recording of one step of the cell.

    ``xs`` and ``state`` say sizes: leaves of x as [T, B, ...] and of the state as [B, ...].
    Raises Refusal.
    """
    sizes = {n for t in (*xs, *_tree.leaves(state)) for n in t.shape}
    sizes |= {n for p in (*cell.parameters(), *cell.buffers()) for n in p.shape}
    rare = [b for b in BATCHES if all(n % b for n in sizes)]
    if len(rare) < 2:
        raise Refusal("its sizes leave no batch size to record it with")
    rng = torch.get_rng_state()
    try:
        first, second = (run(cell, x, state, b) for b in rare[:2])
    finally:
        torch.set_rng_state(rng)
    compare(first, second)
    return first


def run(cell: Cell, x: Tree, state: State, batch_size: int) -> Recording:
    """One step on a batch of this size."""

    def small(t: Tensor, rows: int, features: tuple[int, ...]) -> Tensor:
        if t.is_floating_point():
            return torch.rand(rows, *features, dtype=t.dtype) + 0.5
        return torch.ones(rows, *features, dtype=t.dtype)

    full = max((t.shape[0] for t in _tree.leaves(state)), default=1)

    def state_leaf(t: Tensor) -> Tensor:
        shared = t.shape[0] == 1 and full != 1
        return small(t, 1 if shared else batch_size, tuple(t.shape[1:]))

    one = _tree.map(lambda t: small(t, batch_size, tuple(t.shape[2:])), x)
    before = _tree.map(state_leaf, state)
    recording = Recording(batch_size, _tree.leaves(one), _tree.leaves(before))
    recorder = Recorder(recording)
    with torch.enable_grad(), recorder:
        recording.y, recording.after = step(cell, one, before, batch_size)
    if any(id(t) in recorder.stale for t in tree_leaves((recording.y, recording.after))):
        raise Refusal("the step gives what was changed in place through another view")
    return recording


def step(cell: Cell, x: Tree, state: State, batch_size: int) -> tuple[Tree, State]:
    """One step that keeps the rules. One that does not is left to the eager loop, to say so."""
    try:
        made: Any = cell(x, state)
        check_step(cell, state, made, batch_size)
    except Refusal:
        raise
    except Exception as error:
        raise Refusal(
            f"its step fails on a small batch: {type(error).__name__}: {error}"
        ) from error
    return made


def compare(first: Recording, second: Recording) -> None:
    """Refuse a step that does something else for another batch size."""
    if [op.function for op in first.ops] != [op.function for op in second.ops]:
        raise Refusal("it takes other operations for another batch size")
    for a, b in zip(first.ops, second.ops, strict=True):
        for n, m in zip(loose_numbers(a), loose_numbers(b), strict=True):
            if n != m:
                raise Refusal(f"{a.name} computes with the batch size, at {a.where}")


def loose_numbers(op: Op) -> list[Any]:
    """The numbers that an op computes with, sizes left out."""
    if "lift_fresh" in op.name:
        return op.args[0].tolist() if op.args[0].dim() else [op.args[0].item()]
    given = (*op.args, *op.kwargs.values())
    kinds = (int, float) if op.name.split(".")[1] not in WITH_SIZES else (float,)
    return [n for n in given if isinstance(n, kinds)]
