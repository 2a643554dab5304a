"""What has been recorded of which cells, and the recipes made of it: each once, and kept.

A cell that cannot be compiled is kept too, with the reason, so that its step is not looked at
again; also where the reason is that the step changes the cell, whose key then is another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from ostinato import _tree
from ostinato.backends.call import Call
from ostinato.backends.fused.lower.hoisted import Outside, outside
from ostinato.backends.fused.lower.step import Step, lower
from ostinato.backends.fused.passes.reverse import Wanted
from ostinato.backends.fused.pipeline import make_recipe
from ostinato.backends.fused.run.recipe import Recipe
from ostinato.backends.fused.self_check import Trial, self_check
from ostinato.backends.fused.trace.identity import Identity, identify
from ostinato.backends.fused.trace.record import record
from ostinato.backends.fused.trace.recording import Recording, Refusal, spelled
from ostinato.backends.fused.trace.surroundings import Snapshot, apart

KNOWN = 256
"""Kinds of cells that are kept, the newest."""


@dataclass
class Lowered:
    """A kind of cell as it was when it was recorded, with the plans made of it so far."""

    held: tuple[Any, ...]
    """Keeps alive what its key knows by address."""
    refusal: str | None
    step: Step | None = None
    outside: Outside | None = None
    digest: str = ""
    """A hash of the recording."""
    changes: frozenset[int] = frozenset()
    """The parts of the key that the step itself changes, where that is why it is refused."""
    recipes: dict[Wanted | None, Recipe | str] = field(default_factory=dict[Any, Any])
    """By whose gradients are wanted; or why there is none."""
    known: dict[tuple[bool, ...], Recipe | str] = field(default_factory=dict[Any, Any])
    """The same, by what wants gradients."""

    def recipe(self, call: Call, params: Sequence[Tensor]) -> Recipe | str:
        """The plans and kernels for the gradients of a call, made and tried on first use."""
        asked = (
            torch.is_grad_enabled(),
            call.initial is not None and any(t.requires_grad for t in _tree.leaves(call.initial)),
            *[t.requires_grad for t in (*call.x_leaves, *call.state_leaves, *params)],
        )  # fmt: skip
        if asked not in self.known:
            wanted = wanted_of(call, params)
            if wanted not in self.recipes:
                self.recipes[wanted] = self.make(call, wanted)
            self.known[asked] = self.recipes[wanted]
        return self.known[asked]

    def make(self, call: Call, wanted: Wanted | None) -> Recipe | str:
        """A recipe that has given the numbers of the eager loop; else why not."""
        assert self.step is not None
        assert self.outside is not None
        try:
            recipe = make_recipe(self.step, dtype_of(call), wanted)
            recipe.kernels  # noqa: B018  (compiled now, as a failure is a refusal)
            trial = Trial(call, recipe, self.outside, wanted, self.digest)
            wrong = apart(lambda: self_check(trial))
        except Exception as error:
            return fault(error)
        return recipe if wrong is None else wrong


@dataclass
class Seen:
    """A call with the recording of its cell, and the cell's tensors."""

    call: Call
    lowered: Lowered
    tensors: list[Tensor]


class Recordings:
    """The kinds of cells that are known."""

    def __init__(self) -> None:
        self.known: dict[tuple[Any, ...], Lowered] = {}
        self.restless: dict[tuple[Any, ...], Lowered] = {}
        """Cells whose steps change them, by their keys without what changes."""

    def of(self, call: Call, found: Identity) -> Lowered:
        """The cell as a step, recorded anew where something about it has changed."""
        key = found.key
        known = self.known.get(key) or self.refused_for_changes(key)
        if known is None:
            known = lower_cell(call, found)
            family = self.restless if known.changes else self.known
            family[without(key, known.changes)] = known
            for old in list(family)[:-KNOWN]:
                family.pop(old, None)
        return known

    def refused_for_changes(self, key: tuple[Any, ...]) -> Lowered | None:
        """A cell that was refused as its step changes it, whatever it has changed to since."""
        for changes in {lowered.changes for lowered in self.restless.values()}:
            found = self.restless.get(without(key, changes))
            if found is not None and found.changes == changes:
                return found
        return None


def lower_cell(call: Call, found: Identity) -> Lowered:
    """Record and lower a cell, or note in words why not. The cell is afterwards as it was."""
    held, before = tuple(found.held), Snapshot(found)
    try:
        made = apart(lambda: record_and_lower(call, found.tensors))
    except Refusal as refusal:
        made = Lowered(held, str(refusal))
    except Exception as error:
        made = Lowered(held, fault(error))
    changed = changes(found, identify(call))
    if changed:
        what = ", ".join(before.changed()) or "what it depends on"
        said = f"the step changes {what}, and would do so once in place of at every step"
        made = Lowered(held, said, changes=changed)
    before.restore()
    return replace(made, held=held)


def record_and_lower(call: Call, tensors: Sequence[Tensor]) -> Lowered:
    """The step of a call's cell; ``tensors`` are those of its identity. Raises Refusal."""
    names = {id(t): n for n, t in (*call.cell.named_parameters(), *call.cell.named_buffers())}
    recording = record(call.cell, call.xs, call.state, call.batch_size)
    step = lower(recording, dtype_of(call), names)
    around = outside(step, tensors)
    return Lowered((), None, step.without_tensors(), around, digest(recording))


def fault(error: Exception) -> str:
    """The refusal of what the compiler should have been able to do, or to refuse in words."""
    return (
        "the compiler fails on it, a fault of ours that we would like to hear of "
        f"({type(error).__name__}: {error})"
    )


def digest(recording: Recording) -> str:
    """A hash of all that a recording says."""
    return hashlib.sha256(spelled(recording).encode()).hexdigest()


def changes(before: Identity, after: Identity) -> frozenset[int]:
    """The parts of the key that a step has changed; -1 where it is tensors that it replaced."""
    pairs = enumerate(zip_longest(before.parts, after.parts))
    found = {i for i, (old, new) in pairs if old != new}
    if list(map(id, before.tensors)) != list(map(id, after.tensors)):
        found.add(-1)
    return frozenset(found)


def without(key: tuple[Any, ...], parts: frozenset[int]) -> tuple[Any, ...]:
    """A key but for some of its parts."""
    return tuple(part for i, part in enumerate(key) if i not in parts) if parts else key


def dtype_of(call: Call) -> torch.dtype:
    """The floating type that the call computes in."""
    leaves = (*call.x_leaves, *call.state_leaves)
    return next((t.dtype for t in leaves if t.is_floating_point()), torch.float32)


def wanted_of(call: Call, params: Sequence[Tensor]) -> Wanted | None:
    """Whose gradients a call may be asked for; None where there is nothing to differentiate."""
    xs, states = call.x_leaves, call.state_leaves
    if not torch.is_grad_enabled():
        return None
    fresh = () if call.initial is None else _tree.leaves(call.initial)
    if not any(t.requires_grad for t in (*xs, *states, *fresh, *params)):
        return None
    return Wanted(
        frozenset(i for i, t in enumerate(xs) if t.requires_grad),
        frozenset(i for i, t in enumerate(params) if t.requires_grad),
    )
