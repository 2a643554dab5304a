"""What is compared of a random cell: its forms after every pass, and the compiled loops."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from random_cells import RandomCell, Source
from torch import Tensor

import ostinato
from ostinato import _tree
from ostinato.backends.fused.lower.program import forward
from ostinato.backends.fused.lower.step import lower
from ostinato.backends.fused.passes.draft import Draft
from ostinato.backends.fused.passes.interpret_draft import Given, run_draft
from ostinato.backends.fused.passes.reverse import Wanted
from ostinato.backends.fused.pipeline import PASSES, verify
from ostinato.backends.fused.trace.record import record
from ostinato.backends.fused.trace.recording import Refusal
from ostinato.errors import BackendError

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""Of the largest entry. Cells are not made to be well-conditioned."""
STEPS, ROWS = 3, 2


class Wrong(AssertionError):
    """A form of a step that means something else than the step."""


def build(source: Source) -> RandomCell:
    """The cell of a source, with random numbers for its parameters."""
    torch.manual_seed(source.seed)
    return RandomCell(source).double()


def check_passes(source: Source) -> str | None:
    """Compare a step with its forms after every pass; the refusal, if there is one."""
    try:
        return compare_passes(source)
    except Wrong:
        if not steady(source):
            return "nobody can tell: the loop itself leaps where its input moves by 1e-13"
        raise


def steady(source: Source) -> bool:
    """Whether the plain loop gives nearly the same where its input is nearly the same."""
    found: list[dict[str, Tensor]] = []
    for shift in (0.0, 1e-13):
        cell = build(source)
        xs = torch.randn(STEPS, ROWS, *source.x, dtype=torch.float64)
        starts = [torch.randn(ROWS, *s, dtype=torch.float64) for s in source.states]
        moved = [
            t + shift * torch.cos(torch.arange(t.numel())).view(t.shape) for t in (xs, *starts)
        ]
        torch.manual_seed(0)
        found.append(run_loop(cell, moved[0], moved[1:])[1])
    try:
        compare(*found, when="moved")
    except Wrong:
        return False
    return True


def compare_passes(source: Source) -> str | None:
    """As `check_passes`; raises Wrong where a form differs."""
    cell = build(source)
    xs = torch.randn(STEPS, ROWS, *source.x, dtype=torch.float64)
    starts = [torch.randn(ROWS, *s, dtype=torch.float64) for s in source.states]
    try:
        recording = record(cell, xs, tuple(starts))
        step = lower(recording, torch.float64, {id(p): n for n, p in cell.named_parameters()})
    except Refusal as refusal:
        return str(refusal)
    given, want = run_loop(cell, xs, starts)
    given.params.extend(p.detach() for p in step.params)
    wanted = Wanted(
        frozenset({0}), frozenset(i for i, p in enumerate(step.params) if p.requires_grad)
    )
    draft = Draft(step, wanted, forward(step))
    compare(results(cell, draft, given, step.params), want, "after lower")
    for rewrite in PASSES:
        done = rewrite(draft)
        verify(draft, done, rewrite.__name__)
        if done is not draft and rewrite.__name__ not in ("choose_saved", "assign_memory"):
            found = results(cell, done, given, step.params)
            compare(found, want, f"after {rewrite.__name__}")
        draft = done
    return None


def run_loop(
    cell: RandomCell, xs: Tensor, starts: Sequence[Tensor]
) -> tuple[Given, dict[str, Tensor]]:
    """What a call brings, with random gradients of its results, and what the plain loop gives."""
    xs = xs.clone().requires_grad_()
    begun = [s.clone().requires_grad_() for s in starts]
    state, steps = tuple(begun), []
    for x in xs:
        y, state = cell(x, state)
        steps.append(y if isinstance(y, tuple) else (y,))
    ys = [torch.stack(y) for y in zip(*steps, strict=True)]
    dys, dlasts = ([torch.randn_like(t) for t in ts] for ts in (ys, state))
    leaves = [xs, *begun, *cell.parameters()]
    outs = [(t, d) for t, d in zip([*ys, *state], [*dys, *dlasts], strict=True) if t.requires_grad]
    grads: Sequence[Tensor] = [torch.zeros_like(leaf) for leaf in leaves]
    if outs:
        grads = torch.autograd.grad(
            [t for t, _ in outs], leaves, [d for _, d in outs], materialize_grads=True
        )
    given = Given([xs.detach()], list(starts), [], [], dys, dlasts)
    return given, named([t.detach() for t in (*ys, *state)], grads, cell)


def named(outs: Sequence[Tensor], grads: Sequence[Tensor], cell: RandomCell) -> dict[str, Tensor]:
    """Results by name."""
    states = len(cell.sizes)
    ys = len(outs) - states
    found = {f"y{i}" if i < ys else f"last{i - ys}": t for i, t in enumerate(outs)}
    names = ["dx", *(f"dstart{i}" for i in range(states)), *(n for n, _ in cell.named_parameters())]
    return found | dict(zip(names, grads, strict=True))


def results(
    cell: RandomCell, draft: Draft, given: Given, params: Sequence[Tensor]
) -> dict[str, Tensor]:
    """What a draft gives, with the gradients of the cell's own parameters."""
    found = run_draft(draft, given)
    own = list(cell.parameters())
    pairs = [(params[i], d) for i, d in found.dparams.items()]
    grads = [torch.zeros_like(p) for p in own]
    if pairs:
        grads = torch.autograd.grad(
            [p for p, _ in pairs], own, [d for _, d in pairs],
            retain_graph=True, materialize_grads=True,
        )  # fmt: skip
    return named([*found.ys, *found.lasts], [found.dxs[0], *found.dstarts, *grads], cell)


def compare(got: dict[str, Tensor], want: dict[str, Tensor], when: str) -> None:
    """Raise Wrong where two runs differ."""
    assert got.keys() == want.keys()
    for name, right in want.items():
        if got[name].shape != right.shape:
            raise Wrong(f"{when}: {name} is {got[name].shape}, not {right.shape}")
        finite = right.detach().abs().nan_to_num(0, 0, 0)
        scale = max(1.0, float(finite.max())) if right.numel() else 1.0
        allowed = TOLERANCE[right.dtype] * scale
        found = got[name]
        if name.startswith("second"):
            # at a point where torch has no second derivative, as that of a norm of zeros
            found = torch.where(right.isnan(), right, found)
        if not torch.allclose(found, right, rtol=0, atol=allowed, equal_nan=True):
            off = float((found - right).abs().max())
            raise Wrong(f"{when}: {name} is off by {off:.3g} of {scale:.3g}")


@dataclass(frozen=True)
class Way:
    """A way of calling `unroll`, drawn at random."""

    steps: int
    rows: int
    options: dict[str, Any]
    given: bool
    frozen: frozenset[int]
    """The leaves, of x, the state and the parameters in order, that learn nothing."""
    dtype: torch.dtype
    twice: bool


def draw_way(seed: int) -> Way:
    """Sizes, masks, resets, direction, and who learns."""
    rng = random.Random(f"way {seed}")
    steps, rows = rng.choice([1, 2, 3, 5, 8]), rng.choice([1, 1, 2, 3, 5])
    drawn = torch.Generator().manual_seed(seed)
    options: dict[str, Any] = {"reverse": rng.random() < 0.3}
    kind = rng.choice(["", "", "lengths", "mask"])
    if kind == "lengths":
        options["lengths"] = [rng.randint(0, steps) for _ in range(rows)]
    elif kind == "mask":
        options["mask"] = torch.rand(steps, rows, generator=drawn) < 0.7
    if rng.random() < 0.3:
        options["resets"] = torch.rand(steps, rows, generator=drawn) < 0.3
    frozen = frozenset(i for i in range(12) if rng.random() < rng.choice([0, 0, 0.5]))
    dtype = rng.choice([torch.float64, torch.float64, torch.float32])
    # not with masks: at masked steps the loop has slopes too, and their slopes may be infinite
    twice = dtype == torch.float64 and not kind and rng.random() < 0.3
    return Way(steps, rows, options, rng.random() < 0.5, frozen, dtype, twice)


def check_compiled(source: Source, way: Way) -> str | None:
    """Compare the compiled loops of a cell with the plain loop; the refusal, if there is one."""
    cell = build(source).to(way.dtype)
    torch.manual_seed(way.steps)
    xs = torch.randn(way.steps, way.rows, *source.x, dtype=way.dtype)
    state = tuple(torch.randn(way.rows, *s, dtype=way.dtype) for s in source.states)
    leaves = [xs, *(state if way.given else ()), *cell.parameters()]
    for i, leaf in enumerate(leaves):
        leaf.requires_grad_(i not in way.frozen)
    found: list[dict[str, Tensor]] = []
    for backend in ("fused", "eager"):
        try:
            ys, last = ostinato.unroll(
                cell, xs, state if way.given else None, backend=backend, **way.options
            )
        except BackendError as refusal:
            return refusal.got
        found.append(differentiated([*_tree.leaves(ys), *_tree.leaves(last)], leaves, way.twice))
    compare(*found, when="compiled")
    return None


def differentiated(
    outs: Sequence[Tensor], leaves: Sequence[Tensor], twice: bool
) -> dict[str, Tensor]:
    """Results and gradients, by number; with the gradients of these where that is asked for."""
    found = {f"out{i}": t for i, t in enumerate(outs)}
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    pairs = [(t, torch.cos(torch.arange(t.numel())).to(t).view(t.shape)) for t in outs]
    pairs = [(t, w) for t, w in pairs if t.requires_grad]
    grads: Sequence[Tensor] = [torch.zeros_like(leaf) for leaf in wanted]
    if pairs and wanted:
        tensors, weights = zip(*pairs, strict=True)
        grads = torch.autograd.grad(
            tensors, wanted, weights, create_graph=twice, materialize_grads=True
        )
    found |= {f"grad{i}": g for i, g in enumerate(grads)}
    if twice:
        squares = [g.square().sum() for g in grads if g.requires_grad]
        again: Sequence[Tensor] = [torch.zeros_like(leaf) for leaf in wanted]
        if squares:
            again = torch.autograd.grad(sum(squares), wanted, materialize_grads=True)
        found |= {f"second{i}": g for i, g in enumerate(again)}
    return {name: t.detach() for name, t in found.items()}
