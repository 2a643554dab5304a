"""What is compared of a random cell: after every pass by the interpreter, and compiled."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from random_cells import RandomCell, Source
from torch import Tensor

from ostinato.backends.fused.interpret_draft import Found, Given, run_draft
from ostinato.backends.fused.lower.step import lower
from ostinato.backends.fused.program import forward
from ostinato.backends.fused.recipe import PASSES, Draft, verify
from ostinato.backends.fused.record import Refusal, record
from ostinato.backends.fused.reverse import Wanted

TOLERANCE = 1e-9
"""In float64, of the largest entry."""
STEPS, ROWS = 3, 2


class Wrong(AssertionError):
    """A form of a step that means something else than the step."""


def build(source: Source) -> RandomCell:
    """The cell of a source, with random numbers for its parameters."""
    torch.manual_seed(source.seed)
    return RandomCell(source).double()


def check_passes(source: Source) -> str | None:
    """Compare a step with its forms after every pass; the refusal, if there is one."""
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
    compare(results(cell, draft, given, step.params), want, "lower")
    for rewrite in PASSES:
        done = rewrite(draft)
        verify(draft, done, rewrite.__name__)
        if done is not draft and rewrite.__name__ not in ("choose_saved", "assign_memory"):
            compare(results(cell, done, given, step.params), want, rewrite.__name__)
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
    found: Found = run_draft(draft, given)
    own = list(cell.parameters())
    pairs = [(params[i], d) for i, d in found.dparams.items()]
    grads = [torch.zeros_like(p) for p in own]
    if pairs:
        grads = torch.autograd.grad(
            [p for p, _ in pairs], own, [d for _, d in pairs],
            retain_graph=True, materialize_grads=True,
        )  # fmt: skip
    return named([*found.ys, *found.lasts], [found.dxs[0], *found.dstarts, *grads], cell)


def compare(got: dict[str, Tensor], want: dict[str, Tensor], after: str) -> None:
    """Raise Wrong where two runs differ."""
    assert got.keys() == want.keys()
    for name, right in want.items():
        if got[name].shape != right.shape:
            raise Wrong(f"after {after}: {name} is {got[name].shape}, not {right.shape}")
        scale = (
            max(1.0, float(right.detach().abs().nan_to_num(0, 0, 0).max()))
            if right.numel()
            else 1.0
        )
        if not torch.allclose(got[name], right, rtol=0, atol=TOLERANCE * scale, equal_nan=True):
            off = float((got[name] - right).abs().max())
            raise Wrong(f"after {after}: {name} is off by {off:.3g}")
