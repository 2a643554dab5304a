"""How far a run is from the eager loop, and how far it may be.

That is read off the loop itself: as far as it is from the loop in the other precision, and what
the rounding of large terms leaves of a sum where they cancel, so that an ill-conditioned cell
passes and a wrong one does not.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ostinato import _tree
from ostinato.backends.call import Call
from ostinato.backends.eager import Loop
from ostinato.backends.fused.trace.identity import identify
from ostinato.backends.noise import Fed
from ostinato.typing import State, Tree

FACTOR = 20
"""How many times as far from the loop as the loop is from itself in the other precision."""
LEAST = {torch.float32: 2e-5, torch.float64: 1e-11}
"""What may always be between them, of the largest entry: sums are made in another order."""
CANCELLED = 16
"""How many such roundings may come together."""
SUMS = ("add", "add_", "sub", "sub_", "rsub", "sum", "mean", "lerp")
SMALL = 1e-3
"""The least size that counts as the largest entry."""
OTHER = {torch.float32: torch.float64, torch.float64: torch.float32}
FINER = 2.0**-29
"""The precision of float64 in that of float32."""


@dataclass(frozen=True)
class Deviation:
    """One result, and how far it is from the loop's."""

    name: str
    off: float
    """The largest difference; infinite where one is finite and the other is not."""
    scale: float
    """The largest entry."""
    allowed: float
    finite: bool = True
    """Whether the loop's result has neither NaN nor infinity."""

    @property
    def wrong(self) -> bool:
        return not self.off <= self.allowed

    def __str__(self) -> str:
        return f"{self.name} off by {self.off:.1e}, of {self.scale:.1e}"


def fresh(call: Call) -> Call:
    """The call with leaves of its own, to be differentiated to."""

    def leaf(t: Tensor) -> Tensor:
        return t.detach().clone().requires_grad_(t.requires_grad)

    made = replace(call, xs=_tree.map(leaf, call.xs), state=_tree.map(leaf, call.state))
    return made if call.initial is None else replace(made, initial=_tree.map(leaf, call.initial))


def results(call: Call, made: tuple[Tree, State]) -> dict[str, Tensor]:
    """ys, the last state, and where gradients are on those of all that learns, by name.

    They are of the sum of all results, each entry with a weight of its own.
    """
    ys, last = made
    found = {f"y{path}": t for path, t in _tree.paths(ys)}
    found |= {f"last state{path}": t for path, t in _tree.paths(last)}
    outs = [t for t in found.values() if t.requires_grad]
    leaves = learners(call)
    if torch.is_grad_enabled() and outs and leaves:
        weights = [weights_like(t) for t in outs]
        grads = torch.autograd.grad(outs, list(leaves.values()), weights, materialize_grads=True)
        found |= dict(zip(leaves, grads, strict=True))
    return {name: t.detach() for name, t in found.items()}


def weights_like(t: Tensor) -> Tensor:
    """Numbers of both signs in the form of a tensor."""
    return torch.cos(torch.arange(t.numel(), device=t.device)).to(t.dtype).view(t.shape)


def learners(call: Call) -> dict[str, Tensor]:
    """Whatever a call can be differentiated to, by name."""
    names = {id(t): n for n, t in call.cell.named_parameters()}
    found = {f"gradient of x{path}": t for path, t in _tree.paths(call.xs)}
    found |= {f"gradient of state{path}": t for path, t in _tree.paths(call.state)}
    for i, t in enumerate(identify(call).tensors):
        found[f"gradient of {names.get(id(t), f'tensor {i}')}"] = t
    return {name: t for name, t in found.items() if t.requires_grad and t.is_leaf}


def compared(call: Call, got: dict[str, Tensor], draws: Sequence[Tensor] = ()) -> list[Deviation]:
    """Results of a call beside those of the loop, which is given the same random numbers."""
    want = results(call, run_loop(call, draws))
    found = deviations(got, want, {})
    if any(one.wrong for one in found):
        other = in_other_precision(call, draws)
        found = deviations(got, want, other, CANCELLED * cancellation(call, draws))
    return found


class Cancellation(TorchDispatchMode):
    """Looks for sums that are much smaller than their terms, whose rounding is all that is left."""

    def __init__(self) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.rounding = 0.0
        """The largest error that rounding such terms makes."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if str(func).split(".")[1] in SUMS and isinstance(made, Tensor) and made.numel():
            terms = [a for a in args if isinstance(a, Tensor) and a.is_floating_point()]
            for term in terms if made.is_floating_point() else ():
                self.look(term, made)
        return made

    def look(self, term: Tensor, total: Tensor) -> None:
        """Take in what is lost of one term."""
        size, left = term.detach().abs(), total.detach().abs()
        if size.shape != left.shape:
            # summed up or spread: the largest term against the smallest total
            size, left = size.max(), left.min()
        lost = size[(left < size / 4) & size.isfinite()]
        if lost.numel():
            error = float(lost.max()) * torch.finfo(total.dtype).eps
            self.rounding = max(self.rounding, error)


def cancellation(call: Call, draws: Sequence[Tensor]) -> float:
    """The largest rounding of terms that cancel in the loop, forward and backward."""
    with Cancellation() as seen:
        results(call, run_loop(call, draws))
    return seen.rounding


def run_loop(call: Call, draws: Sequence[Tensor] = ()) -> tuple[Any, Any]:
    """The loop, with random numbers [T, B, ...] for the draws of each step."""
    steps = range(call.num_steps)
    order = reversed(steps) if call.reverse else steps
    numbers: Iterator[Tensor] = (draw[t] for t in order for draw in draws)
    with Fed(numbers) if draws else nullcontext():
        return Loop(call).run()


def in_other_precision(call: Call, draws: Sequence[Tensor]) -> dict[str, Tensor]:
    """The loop's results in float64 where they are float32, and the other way round."""
    dtype = next((t.dtype for t in call.x_leaves if t.is_floating_point()), torch.float32)
    other = OTHER.get(dtype)
    try:
        assert other is not None
        cell = copy.deepcopy(call.cell)
        own = {id(t) for t in identify(call).tensors}
        for t in identify(replace(call, cell=cell)).tensors:
            if t.is_floating_point() and id(t) not in own:
                t.data = t.data.to(other)

        def leaf(t: Tensor) -> Tensor:
            t = t.detach().to(other) if t.is_floating_point() else t
            return t.clone()

        moved = replace(call, cell=cell, xs=_tree.map(leaf, call.xs))
        moved = replace(moved, state=_tree.map(leaf, call.state))
        if call.initial is not None:
            moved = replace(moved, initial=_tree.map(leaf, call.initial))
        for a, b in zip(moved.x_leaves, call.x_leaves, strict=True):
            a.requires_grad_(b.requires_grad)
        for a, b in zip(moved.state_leaves, call.state_leaves, strict=True):
            a.requires_grad_(b.requires_grad)
        return results(moved, run_loop(moved, [d.to(other) for d in draws]))
    except Exception:
        # a cell that has no copy, or is of one precision through and through
        return {}


def deviations(
    got: dict[str, Tensor],
    want: dict[str, Tensor],
    other: dict[str, Tensor],
    cancelled: float = 0.0,
) -> list[Deviation]:
    """How far each result is from the loop's.

    ``other`` is the loop in the other precision, ``cancelled`` what may be off by cancellation.
    """
    found: list[Deviation] = []
    for name, right in want.items():
        if name not in got or not right.numel():
            continue
        if right.dtype not in LEAST:
            same = torch.equal(got[name], right)
            found.append(Deviation(name, 0.0 if same else 1.0, 1.0, 0.0))
            continue
        largest = torch.stack(right.aminmax()).abs().max()
        scale = float(largest.nan_to_num(0, 0, 0))
        allowed = LEAST[right.dtype] * max(scale, SMALL) + cancelled
        if name in other:
            apart = (other[name].to(right) - right).abs_().nan_to_num_(0, 0, 0)
            rounding = float(apart.max())
            allowed += FACTOR * rounding * (FINER if right.dtype == torch.float64 else 1.0)
        off = float((got[name] - right).abs_().max())
        if not off <= allowed:
            # not finite, and yet the same?
            same = torch.isclose(got[name], right, rtol=0, atol=allowed, equal_nan=True).all()
            off = allowed if same else off if off == off else torch.inf
        found.append(Deviation(name, off, scale, allowed, bool(largest.isfinite())))
    return found
