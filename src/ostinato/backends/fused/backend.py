"""The fused backend: takes a call of any cell that can be compiled, and runs it."""

from __future__ import annotations

import os
from typing import ClassVar, final

import torch
from torch import Tensor

from ostinato.backends.base import Backend, Run
from ostinato.backends.call import Call, in_trace, in_transform
from ostinato.backends.compare import Deviation, compared, fresh, results
from ostinato.backends.fused.explain import account, summary
from ostinato.backends.fused.native.dense import KINDS
from ostinato.backends.fused.recordings import Recordings, Seen
from ostinato.backends.fused.run.frame_calls import run_call
from ostinato.backends.fused.run.recipe import Recipe
from ostinato.backends.fused.trace.identity import PLAIN_TENSORS, identify
from ostinato.backends.fused.trace.same import Remembered
from ostinato.cell import Lift
from ostinato.errors import BackendError
from ostinato.typing import State, Tree


@final
class Fused(Backend):
    """The compiler of this library, for CPUs."""

    name: ClassVar[str] = "fused"

    def __init__(self) -> None:
        self.recordings = Recordings()
        self.remembered = Remembered()

    def look(self, call: Call) -> Seen | str:
        """What a call's cell has been recorded as, or why it cannot be compiled."""
        reason = refuse_context(call) or refuse_leaves(call)
        if reason is not None:
            return reason
        known = self.remembered.find(call)
        if known is not None:
            return Seen(call, *known)
        found = identify(call)
        if found.hooked is not None:
            return f"{type(found.hooked).__name__} has hooks, which a compiled loop would not call"
        if found.odd is not None:
            return found.odd
        lowered = self.recordings.of(call, found)
        if lowered.refusal is not None:
            return lowered.refusal
        self.remembered.note(call, found, lowered)
        return Seen(call, lowered, found.tensors)

    def accept(self, call: Call) -> FusedRun | str:
        seen = self.look(call)
        if isinstance(seen, str):
            return seen
        lowered = seen.lowered
        assert lowered.step is not None
        assert lowered.outside is not None
        params = lowered.outside.values(seen.tensors)
        recipe = lowered.recipe(call, params)
        return recipe if isinstance(recipe, str) else FusedRun(self, call, recipe, params)

    def recipe(self, call: Call) -> Recipe:
        """The plans by which a call is trained."""
        with torch.enable_grad():
            # a step may ask whether gradients are recorded: this may be another recording
            taken = self.accept(call)
        assert isinstance(taken, FusedRun), taken
        return taken.plans


@final
class FusedRun(Run):
    """A call of a compiled cell."""

    def __init__(self, backend: Fused, call: Call, plans: Recipe, params: list[Tensor]) -> None:
        self.backend, self.call, self.plans, self.params = backend, call, plans, params

    def describe(self) -> str:
        return summary(self.backend.recipe(self.call))

    def account(self) -> str:
        return account(self.backend.recipe(self.call))

    def run(self) -> tuple[Tree, State]:
        if os.environ.get("OSTINATO_CHECK") == "always":
            self.prove()
        return run_call(self.call, self.plans, self.params)

    def prove(self) -> None:
        """Raise BackendError where this very call gives other numbers than the eager loop."""
        wrong = [one for one in deviations_of(self.call, self.backend) if one.wrong]
        if wrong:
            raise BackendError(
                "OSTINATO_CHECK",
                wanted=f"{type(self.call.cell).__name__} as the eager loop has it",
                got="; ".join(map(str, wrong)),
                remedy='This is a fault of ours, please report it; backend="eager" is right.',
            )


def deviations_of(call: Call, backend: Fused) -> list[Deviation]:
    """How far the compiled loops of a call are from the eager loop, with the same draws."""
    call = fresh(call)
    taken = backend.accept(call)
    if isinstance(taken, str):
        return []
    shapes = [(call.num_steps, call.batch_size, *d.shape) for d in taken.plans.step.draws]
    kinds = [torch.rand if d.kind == "rand" else torch.randn for d in taken.plans.step.draws]
    dtype = taken.plans.dtype
    pairs = zip(kinds, shapes, strict=True)
    draws = [make(*size, dtype=dtype, device="cpu") for make, size in pairs]
    got = results(call, run_call(call, taken.plans, taken.params, draws))
    return compared(call, got, draws)


def refuse_context(call: Call) -> str | None:
    """Why the compiler cannot run here and now."""
    if in_transform():
        return "compiled loops cannot run under functorch transforms or forward-mode AD"
    if in_trace():
        return "torch.jit.trace records torch's operations, and compiled loops are none"
    if torch.is_autocast_enabled("cpu"):
        return "compiled loops have one dtype, and autocast is on"
    if isinstance(call.cell, Lift):
        return "a stateless module has no recurrence to compile"
    return None


def refuse_leaves(call: Call) -> str | None:
    """Why tensors of this kind cannot be compiled for."""
    batch = call.batch_size
    for leaf in (*call.x_leaves, *call.state_leaves):
        if type(leaf) is Tensor and leaf.dtype is torch.float32 and leaf.is_cpu:
            continue
        if leaf.device.type != "cpu":
            return f"needs CPU tensors, got {leaf.device}"
        if leaf.dtype not in KINDS and leaf.dtype != torch.bool:
            whole = not (leaf.is_floating_point() or leaf.is_complex())
            hint = " (embed first: Stack(torch.nn.Embedding(...), ...))" if whole else ""
            return f"computes in float32 and float64, got {leaf.dtype}{hint}"
        if type(leaf) not in PLAIN_TENSORS:
            return f"takes plain tensors, got {type(leaf).__name__}"
    if batch == 0:
        return "a batch without rows"
    if any(leaf.shape[0] != batch for leaf in call.state_leaves):
        return "a leaf of the state that rows share"
    return None
