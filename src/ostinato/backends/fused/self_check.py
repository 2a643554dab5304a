"""A compiled cell proves itself: on first use it must give the numbers of the eager loop.

A small call with random numbers is run by the recipe and by the loop, with the same draws, and
their outputs, last states and all gradients are compared. Parameters are shifted a little first,
in a copy of the cell, since zeros hide mistakes. What has passed is noted in the cache, so that it
is done once on a machine.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ostinato import _tree
from ostinato.backends.call import Call
from ostinato.backends.compare import Deviation, compared, fresh, results
from ostinato.backends.fused import compile
from ostinato.backends.fused.calls import run_call
from ostinato.backends.fused.identity import identify
from ostinato.backends.fused.outside import Outside
from ostinato.backends.fused.recipe import Recipe
from ostinato.backends.fused.reverse import Wanted
from ostinato.cell import Cell
from ostinato.typing import Tree

STEPS, ROWS = 3, 2
TILE = 4099
"""Random numbers that are drawn for a parameter, and then repeated."""
LARGE = 2**15
"""A tensor with so many entries is costly to copy."""
SHIFT = 0.1
"""By how much parameters are shifted, of their own size."""


@dataclass(frozen=True)
class Trial:
    """A recipe that is to be tried, and where its params come from."""

    call: Call
    recipe: Recipe
    outside: Outside
    wanted: Wanted | None
    digest: str
    """A hash of the recording."""

    @property
    def key(self) -> str:
        """What the outcome depends on, as text."""
        wanted = self.wanted and (sorted(self.wanted.xs), sorted(self.wanted.params))
        return f"{self.digest} {self.recipe.dtype} {wanted} {self.call.batch_size == 1}"


def self_check(trial: Trial) -> str | None:
    """Why a recipe must not be used; None where it gives what the loop gives."""
    if compile.noted(trial.key):
        return None
    for shift in (SHIFT, 0.0):
        found = differences(trial, shift)
        wrong = next((one for one in found if one.wrong), None)
        if wrong is not None:
            return (
                f"compiled, it gave other numbers than the loop on a trial ({wrong}); this is a "
                "fault of ours, please report it with the step's code"
            )
        if all(one.finite for one in found):
            break
        # so far off its parameters mean nothing: once more with those that it has
    compile.note(trial.key)
    return None


def differences(trial: Trial, shift: float) -> list[Deviation]:
    """How far the recipe is from the loop on one small call."""
    random = torch.Generator().manual_seed(0)
    with torch.set_grad_enabled(trial.wanted is not None):
        call = fresh(small(trial, shift, random))
        steps = (call.num_steps, call.batch_size)
        dtype = trial.recipe.dtype
        draws = [draw(dtype, (*steps, *d.shape), d.kind, random) for d in trial.recipe.step.draws]
        params = trial.outside.values(identify(call).tensors)
        got = results(call, run_call(call, trial.recipe, params, draws))
        return compared(call, got, draws)


def small(trial: Trial, shift: float, random: torch.Generator) -> Call:
    """A call of a few rows and steps with random numbers, learning what the recipe is for."""
    call, wanted = trial.call, trial.wanted
    # one row where the call has one: its recording is another one
    rows = min(ROWS, call.batch_size)
    number = iter(range(len(call.x_leaves)))

    def x_leaf(t: Tensor) -> Tensor:
        made = draw(t.dtype, (STEPS, rows, *t.shape[2:]), "randn", random)
        return made.requires_grad_(next(number) in (wanted.xs if wanted else ()))

    def state_leaf(t: Tensor) -> Tensor:
        made = draw(t.dtype, (rows, *t.shape[1:]), "randn", random)
        return made.requires_grad_(wanted is not None and t.is_floating_point())

    xs: Tree = _tree.map(x_leaf, call.xs)
    return replace(
        call, cell=shifted(call, shift, random), xs=xs, state=_tree.map(state_leaf, call.state),
        mask=None, lengths=None, resets=None, initial=None, reverse=False,
    )  # fmt: skip


def draw(dtype: torch.dtype, shape: Sequence[int], kind: str, random: torch.Generator) -> Tensor:
    """Random numbers of a form; conditions where it is one of conditions."""
    make = torch.rand if kind == "rand" else torch.randn
    made = make(*shape, generator=random, dtype=torch.float64, device="cpu")
    return made.to(dtype) if dtype.is_floating_point else made > 0


def shifted(call: Call, shift: float, random: torch.Generator) -> Cell:
    """A copy of the cell with parameters a little off; the cell itself where that is no copy."""
    original = identify(call)
    try:
        cell = copy.deepcopy(call.cell, {id(t): t for t in original.tensors if hides_nothing(t)})
    except Exception:
        return call.cell
    copied = identify(replace(call, cell=cell))
    if copied.key != original.key:
        # what the step reads besides the cell, perhaps the cell itself, was not copied
        return call.cell
    shared = {id(t) for t in original.tensors}
    with torch.no_grad():
        for t in copied.tensors:
            if t.is_floating_point() and id(t) not in shared:
                size = t.abs().mean().clamp(min=0.1) * shift
                noise = torch.randn(min(t.numel(), TILE), generator=random, device="cpu")
                whole = noise.repeat(-(-t.numel() // TILE))[: t.numel()]
                t.add_(whole.view(t.shape).to(t.dtype), alpha=float(size))
    return cell


def hides_nothing(t: Tensor) -> bool:
    """Whether a tensor is large, and not of zeros: it is tried with the numbers that it has."""
    return t.numel() >= LARGE and 2 * int(t.count_nonzero()) > t.numel()
