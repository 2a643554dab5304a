"""A compiled cell proves itself: on first use it must give the numbers of the eager loop.

A small call with random numbers is run by the recipe and by the loop, with the same draws, and
their outputs, last states and all gradients are compared. How far they may be apart is read off the
loop itself: as far as it is from the loop in the other precision, so that an ill-conditioned cell
passes and a wrong one does not. Parameters are shifted a little first, in a copy of the cell, since
zeros hide mistakes. What has passed is noted in the cache, so that it is done once on a machine.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ostinato import _tree
from ostinato.backends.call import Call
from ostinato.backends.eager import Loop
from ostinato.backends.fused import compile
from ostinato.backends.fused.execute import Job, Unrolled, run_forward
from ostinato.backends.fused.identity import identify
from ostinato.backends.fused.noise import Fed
from ostinato.backends.fused.outside import Outside
from ostinato.backends.fused.recipe import Recipe
from ostinato.backends.fused.reverse import Wanted
from ostinato.backends.fused.rows import dense_rows
from ostinato.cell import Cell

STEPS, ROWS = 3, 2
FACTOR = 20
"""How many times as far from the loop as the loop is from itself in the other precision."""
LEAST = {torch.float32: 2e-5, torch.float64: 1e-11}
"""What may always be between them, of the largest entry: sums are made in another order."""
OTHER = {torch.float32: torch.float64, torch.float64: torch.float32}
FINER = 2.0**-29
"""The precision of float64 in that of float32."""
TILE = 4099
"""Random numbers that are drawn for a parameter, and then repeated."""
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
        return f"{self.digest} {self.recipe.dtype} {self.wanted}"


def self_check(trial: Trial) -> str | None:
    """Why a recipe must not be used; None where it gives what the loop gives."""
    if compile.noted(trial.key):
        return None
    for shift in (SHIFT, 0.0):
        found = compare(trial, shift)
        if found is None:
            compile.note(trial.key)
            return None
    return found


def compare(trial: Trial, shift: float) -> str | None:
    """The difference on one small call, in words; raises where the loop itself fails."""
    small = Small(trial, shift)
    got, want = small.compiled(), small.loop(trial.recipe.dtype)
    found = difference(got, want, {}, trial.recipe.dtype)
    if found is None:
        return None
    try:
        other = small.loop(OTHER[trial.recipe.dtype])
    except Exception:
        # a cell that is of one precision through and through
        return found
    return difference(got, want, other, trial.recipe.dtype)


def difference(
    got: dict[str, Tensor], want: dict[str, Tensor], other: dict[str, Tensor], dtype: torch.dtype
) -> str | None:
    """The first result that is further from the loop's than rounding explains.

    How much rounding there is in the loop is read off ``other``: it in the other precision.
    """
    for name, right in want.items():
        if not right.is_floating_point() or not right.numel():
            continue
        off = (got[name] - right).abs_()
        scale = float(right.abs().max().nan_to_num(0, 0, 0))
        allowed = LEAST[dtype] * max(scale, 1e-3)
        if name in other:
            rounding = float((other[name].to(right) - right).abs_().nan_to_num_(0, 0, 0).max())
            allowed += FACTOR * rounding * (FINER if dtype == torch.float64 else 1.0)
        worst = float(off.max())
        if worst <= allowed:
            continue
        # not finite, and yet the same?
        same = torch.isclose(got[name], right, rtol=0, atol=allowed, equal_nan=True)
        if not same.all():
            return (
                f"compiled, it gave other numbers than the loop on a trial ({name} off by "
                f"{worst:.1e}, of {scale:.1e}); this is a fault of ours, please report it with the "
                "step's code"
            )
    return None


class Small:
    """A call of a few rows and steps with random numbers, for any precision."""

    def __init__(self, trial: Trial, shift: float) -> None:
        self.trial, self.dtype = trial, trial.recipe.dtype
        self.random = torch.Generator().manual_seed(0)
        self.cell = shifted(trial.call, shift, self.random)
        call = trial.call
        # one row where the call has one: its recording is another one
        self.rows = min(ROWS, call.batch_size)
        self.xs = _tree.map(lambda t: self.draw(t, (STEPS, self.rows, *t.shape[2:])), call.xs)
        self.state = _tree.map(lambda t: self.draw(t, (self.rows, *t.shape[1:])), call.state)
        self.draws = [
            self.draw(
                torch.empty(0, dtype=self.dtype, device="cpu"), (STEPS, self.rows, *d.shape), d.kind
            )
            for d in trial.recipe.step.draws
        ]

    def draw(self, like: Tensor, shape: Sequence[int], kind: str = "randn") -> Tensor:
        """Random numbers of this form."""
        make = torch.rand if kind == "rand" else torch.randn
        made = make(*shape, generator=self.random, dtype=torch.float64, device="cpu")
        return made.to(like.dtype) if like.is_floating_point() else made > 0

    def given(self, call: Call) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """The leaves of xs, those of the state that are carried, and the params."""
        tensors = identify(call).tensors
        step = self.trial.recipe.step
        pairs = zip(step.states, call.state_leaves, strict=True)
        starts = [leaf for v, leaf in pairs if v.op == "input"]
        return call.x_leaves, starts, self.trial.outside.values(tensors)

    def compiled(self) -> dict[str, Tensor]:
        """What the recipe gives."""
        recipe, wanted = self.trial.recipe, self.trial.wanted
        with torch.set_grad_enabled(wanted is not None):
            call = self.call(self.cell, self.dtype)
            xs, starts, params = self.given(call)
            rows = dense_rows(STEPS, self.rows, False, 1)
            draws = [d.flatten(0, 1) for d in self.draws]
            job = Job(recipe, rows, len(xs), len(starts), STEPS, self.rows, draws)
            run = run_forward if wanted is None else Unrolled.apply
            results = run(job, *xs, *starts, *params)
            return self.named(call, results, job)

    def named(self, call: Call, results: Sequence[Tensor], job: Job) -> dict[str, Tensor]:
        """Results of the recipe, by the names that the loop's have."""
        count = len(job.recipe.step.ys)
        found = {f"y {i}": t for i, t in enumerate(results[:count])}
        moving = [c.index for c in job.recipe.moving]
        found |= {f"last state {i}": t for i, t in zip(moving, results[count:], strict=True)}
        return detached(found | self.gradients(call, found))

    def loop(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """What the eager loop gives."""
        cell = self.cell if dtype is self.dtype else converted(self.trial.call, self.cell, dtype)
        with torch.set_grad_enabled(self.trial.wanted is not None):
            call = self.call(cell, dtype)
            numbers = (d[t].to(dtype) for t in range(STEPS) for d in self.draws)
            ys, state = run_fed(call, numbers)
            found = {f"y {i}": t for i, t in enumerate(_tree.leaves(ys))}
            moving = {c.index for c in self.trial.recipe.moving}
            ends = enumerate(_tree.leaves(state))
            found |= {f"last state {i}": t for i, t in ends if i in moving}
            return detached(found | self.gradients(call, found))

    def call(self, cell: Cell, dtype: torch.dtype) -> Call:
        """The call in a precision, with leaves that have gradients."""
        wanted = self.trial.wanted

        def leaf(t: Tensor, learns: bool) -> Tensor:
            t = t.detach().to(dtype).clone() if t.is_floating_point() else t.clone()
            return t.requires_grad_(learns and t.is_floating_point())

        number = iter(range(len(_tree.leaves(self.xs))))
        xs = _tree.map(lambda t: leaf(t, wanted is not None and next(number) in wanted.xs), self.xs)
        state = _tree.map(lambda t: leaf(t, wanted is not None), self.state)
        return replace(
            self.trial.call, cell=cell, xs=xs, state=state, mask=None, lengths=None, resets=None,
            initial=None, reverse=False,
        )  # fmt: skip

    def gradients(self, call: Call, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """The gradients of all that learns, of a sum of all results with fixed weights."""
        if self.trial.wanted is None:
            return {}
        leaves = {f"gradient of x {i}": t for i, t in enumerate(call.x_leaves)}
        leaves |= {f"gradient of state {i}": t for i, t in enumerate(call.state_leaves)}
        tensors = identify(call).tensors
        names = {id(t): n for n, t in call.cell.named_parameters()}
        leaves |= {
            f"gradient of {names.get(id(t), f'tensor {i}')}": t for i, t in enumerate(tensors)
        }
        leaves = {n: t for n, t in leaves.items() if t.requires_grad and t.is_leaf}
        outs = [t for t in found.values() if t.requires_grad]
        if not outs or not leaves:
            return {}
        weights = [
            torch.cos(torch.arange(t.numel(), device="cpu")).to(t).view(t.shape) for t in outs
        ]
        grads = torch.autograd.grad(outs, list(leaves.values()), weights, materialize_grads=True)
        return dict(zip(leaves, grads, strict=True))


def detached(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The numbers alone."""
    return {name: t.detach() for name, t in tensors.items()}


def run_fed(call: Call, numbers: Iterator[Tensor]) -> tuple[Any, Any]:
    """The loop, with draws that are given."""
    with Fed(numbers):
        return Loop(call).run()


def own_tensors(call: Call, cell: Cell) -> list[Tensor]:
    """The tensors of a copy of a call's cell that are its own."""
    shared = {id(t) for t in identify(call).tensors}
    return [t for t in identify(replace(call, cell=cell)).tensors if id(t) not in shared]


def shifted(call: Call, shift: float, random: torch.Generator) -> Cell:
    """A copy of the cell with parameters a little off; the cell itself where it has no copy."""
    try:
        cell = copy.deepcopy(call.cell)
    except Exception:
        return call.cell
    with torch.no_grad():
        for t in own_tensors(call, cell):
            if t.is_floating_point():
                size = t.abs().mean().clamp(min=0.1) * shift
                noise = torch.randn(min(t.numel(), TILE), generator=random, device="cpu")
                whole = noise.repeat(-(-t.numel() // TILE))[: t.numel()]
                t.add_(whole.view(t.shape).to(t.dtype), alpha=float(size))
    return cell


def converted(call: Call, cell: Cell, dtype: torch.dtype) -> Cell:
    """A copy of a copy of the cell in another precision."""
    made = copy.deepcopy(cell)
    for t in own_tensors(call, made):
        if t.is_floating_point():
            t.data = t.data.to(dtype)
    return made
