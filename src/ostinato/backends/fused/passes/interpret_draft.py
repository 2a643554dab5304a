"""A recipe in the making, run without compiling: by its programs, or by its plans as they stand.

Slow and plain, for tests: what a step means must stay the same through all passes, so its results
after one pass and after the next are compared, and a difference names the pass. Numbers are
float64; rows are those of a call without masks, in running order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.backends.fused.ir.functions import FUNCTIONS
from ostinato.backends.fused.ir.interpret import interpret
from ostinato.backends.fused.ir.program import Gram, Program, Sum
from ostinato.backends.fused.ir.values import Value
from ostinato.backends.fused.ir.views import places
from ostinato.backends.fused.passes.draft import Draft
from ostinato.backends.fused.passes.plan import (
    Compute,
    Fold,
    Kernel,
    Load,
    Multiply,
    Nest,
    Place,
    Plan,
    Same,
    Store,
)
from ostinato.backends.fused.passes.plan_memory import PlanMemory

FLOAT = torch.float64


@dataclass(frozen=True)
class Given:
    """What a call brings, in float64."""

    xs: Sequence[Tensor]
    """[T, B, ...] each."""
    starts: Sequence[Tensor]
    """[B, ...], of the leaves that are carried, in order."""
    params: Sequence[Tensor]
    draws: Sequence[Tensor]
    """[T, B, ...] random numbers."""
    dys: Sequence[Tensor]
    """[T, B, ...] gradients of the outputs."""
    dlasts: Sequence[Tensor]
    """[B, ...] gradients of the last states."""

    @property
    def steps(self) -> int:
        return len(self.dys[0])

    @property
    def rows(self) -> int:
        return self.dys[0].shape[1]


@dataclass(frozen=True)
class Found:
    """The results of a run; gradients are empty without a backward."""

    ys: list[Tensor]
    lasts: list[Tensor]
    dxs: dict[int, Tensor]
    dstarts: list[Tensor]
    dparams: dict[int, Tensor]


def run_draft(draft: Draft, given: Given) -> Found:
    """The results of the most advanced forms that a draft has."""
    if draft.finished:
        return PlanRun(draft, given).results()
    return run_programs(draft, given)


def run_programs(draft: Draft, given: Given) -> Found:
    """By the values of the forward program and, where there is one, of the backward program."""
    tensors = [*given.xs, *given.starts, *given.params]
    differentiate = draft.wanted is not None and draft.backward is None
    if differentiate:
        tensors = [t.detach().clone().requires_grad_() for t in tensors]
    count = len(given.xs), len(given.xs) + len(given.starts)
    xs, starts, params = tensors[: count[0]], tensors[count[0] : count[1]], tensors[count[1] :]
    states = dict(zip((c.index for c in draft.forward.carries), starts, strict=True))
    ys: list[list[Tensor]] = [[] for _ in draft.forward.outputs]
    seen: list[dict[int, Tensor]] = []
    weights = {i: p[None] for i, p in enumerate(params)}
    for t in range(given.steps):
        seen.append(dict(states))
        inputs = inputs_at(draft, given, xs, states, t)
        roots = draft.forward.roots()
        values = interpret(roots, inputs, weights, given.rows)
        for y, output in zip(ys, draft.forward.outputs, strict=True):
            y.append(values[output.value])
        states = {c.index: values[c.after] for c in draft.forward.carries}
    outs = [torch.stack(y) for y in ys]
    lasts = [states[c.index] for c in draft.forward.carries]
    if differentiate:
        pairs = list(zip([*outs, *lasts], [*given.dys, *given.dlasts], strict=True))
        pairs = [(out, d) for out, d in pairs if out.requires_grad]
        grads: Sequence[Tensor] = [torch.zeros_like(t) for t in tensors]
        if pairs:
            given_grads = [d for _, d in pairs]
            grads = torch.autograd.grad(
                [out for out, _ in pairs], tensors, given_grads, materialize_grads=True
            )
        return gathered(draft, outs, lasts, grads, count)
    if draft.backward is None:
        return Found(outs, lasts, {}, [], {})
    return run_backward(draft, draft.backward, given, outs, lasts, seen)


def inputs_at(
    draft: Draft, given: Given, xs: Sequence[Tensor], states: dict[int, Tensor], t: int
) -> dict[Value, Tensor]:
    """The inputs of a step."""
    inputs = {v: x[t] for v, x in zip(draft.step.xs, xs, strict=True)}
    for i, draw in enumerate(given.draws):
        inputs[draft.step.graph.input("draw", i, tuple(draw.shape[2:]))] = draw[t]
    return inputs | {c.before: states[c.index] for c in draft.forward.carries}


def gathered(
    draft: Draft,
    outs: list[Tensor],
    lasts: list[Tensor],
    grads: Sequence[Tensor],
    count: tuple[int, int],
) -> Found:
    """Results by autograd, of what is wanted."""
    assert draft.wanted is not None
    dparams = dict(enumerate(grads[count[1] :]))
    return Found(
        [y.detach() for y in outs],
        [last.detach() for last in lasts],
        {i: grads[i] for i in sorted(draft.wanted.xs)},
        list(grads[count[0] : count[1]]),
        {i: dparams[i] for i in sorted(draft.wanted.params)},
    )


def run_backward(
    draft: Draft,
    backward: Program,
    given: Given,
    outs: list[Tensor],
    lasts: list[Tensor],
    seen: list[dict[int, Tensor]],
) -> Found:
    """The backward program, from the last step to the first."""
    weights = {i: p[None] for i, p in enumerate(given.params)}
    carried = dict(zip((c.index for c in backward.carries), given.dlasts, strict=True))
    dxs: dict[int, list[Tensor]] = {o.index: [] for o in backward.outputs}
    dparams = zero_gradients(draft, given)
    for t in reversed(range(given.steps)):
        inputs = inputs_at(draft, given, given.xs, seen[t], t)
        for i, dy in enumerate(given.dys):
            inputs[draft.step.graph.input("dy", i, tuple(dy.shape[2:]))] = dy[t]
        inputs |= {c.before: carried[c.index] for c in backward.carries}
        values = interpret(backward.roots(), inputs, weights, given.rows)
        for s in backward.sums:
            add_sum(dparams, s, values[s.value].sum(0))
        for gram in backward.grams:
            add_gram(dparams, gram, values[gram.d], values[gram.a])
        for o in backward.outputs:
            dxs[o.index].insert(0, values[o.value])
        carried = {c.index: values[c.after] for c in backward.carries}
    return Found(
        outs,
        lasts,
        {i: torch.stack(dx) for i, dx in dxs.items()},
        [carried[c.index] for c in backward.carries],
        finished_gradients(draft, backward, dparams),
    )


def zero_gradients(draft: Draft, given: Given) -> dict[int, Tensor]:
    """Zeros for the gradients of all params."""
    return {i: torch.zeros(p.shape, dtype=FLOAT, device="cpu") for i, p in enumerate(given.params)}


def add_sum(dparams: dict[int, Tensor], s: Sum, value: Tensor) -> None:
    """Add a sum over rows to where it belongs in the gradient of a param."""
    at = places(s.reading)
    dparams[s.param].view(-1).index_add_(0, torch.from_numpy(at), value.reshape(-1))


def add_gram(dparams: dict[int, Tensor], gram: Gram, d: Tensor, a: Tensor) -> None:
    """Add d outer a, over all rows, to its part of the gradient of a weight."""
    n, k = d.shape[-1], a.shape[-1]
    outer = d.reshape(-1, n).T @ a.reshape(-1, k)
    whole = dparams[gram.param]
    whole = whole.T if gram.transposed else whole
    whole[gram.n_start : gram.n_start + n, gram.k_start : gram.k_start + k] += outer


def finished_gradients(
    draft: Draft, backward: Program, dparams: dict[int, Tensor]
) -> dict[int, Tensor]:
    """The gradients of the params that are wanted, those that are alike included."""
    assert draft.wanted is not None
    for first, twin in backward.alike:
        dparams[twin] = dparams[first].reshape(dparams[twin].shape)
    return {i: dparams[i] for i in sorted(draft.wanted.params)}


class PlanRun:
    """The plans of a draft, kernel by kernel, in memory that holds NaN where nobody wrote."""

    def __init__(self, draft: Draft, given: Given) -> None:
        self.draft, self.given = draft, given
        self.memory = PlanMemory(given.steps, given.rows, lambda *shape: np.full(shape, np.nan))
        self.known: dict[Value, Tensor] = {}

    def results(self) -> Found:
        draft, given = self.draft, self.given
        assert draft.plan is not None
        self.run(draft.plan)
        ys = [self.everywhere(place, o.value) for o, place in draft.plan.outputs]
        lasts = self.carried(draft.plan, list(given.starts))
        if draft.back is None or draft.backward is None:
            return Found(ys, lasts, {}, [], {})
        dparams = zero_gradients(draft, given)
        self.run(draft.back)
        for gram, d, a in draft.back.grams:
            add_gram(dparams, gram, self.everywhere(d, gram.d), self.everywhere(a, gram.a))
        for buffer in draft.back.buffers:
            kind, index = buffer.role
            if kind == "sum":
                total = torch.from_numpy(self.memory.all(buffer)[0].sum(0))
                dparams[index] += total.view(dparams[index].shape)
        dxs = {o.index: self.everywhere(place, o.value) for o, place in draft.back.outputs}
        return Found(
            ys,
            lasts,
            dxs,
            self.carried(draft.back, list(given.dlasts)),
            finished_gradients(draft, draft.backward, dparams),
        )

    def run(self, plan: Plan) -> None:
        """All stages."""
        self.memory.begin()
        self.prepare(plan)
        steps = range(self.given.steps)
        for stage in plan.stages:
            back = stage.loop and plan.program.backward
            for self.done, self.t in enumerate(reversed(steps) if back else steps):
                self.memory.spoil(plan)
                for work in stage.work:
                    if isinstance(work, Kernel):
                        self.memory.spoil(plan, ("line",))
                        self.kernel(work)
                    else:
                        self.multiply(work)

    def prepare(self, plan: Plan) -> None:
        """What lies in memory before a run."""
        given, program = self.given, plan.program
        for buffer in plan.buffers:
            kind, index = buffer.role
            whole = self.memory.all(buffer)
            if kind in ("x", "draw", "dy"):
                source = {"x": given.xs, "draw": given.draws, "dy": given.dys}[kind][index]
                whole[...] = source.reshape(given.steps, given.rows, -1).numpy()
            elif kind == "param":
                whole[...] = given.params[index].reshape(-1).numpy()
            elif kind == "sum":
                whole[...] = 0
        sources = given.dlasts if program.backward else given.starts
        for carry, source in zip(program.carries, sources, strict=True):
            kinds = ("carry",) if program.backward else ("before", "held")
            flat = source.reshape(given.rows, -1).numpy()
            for buffer in plan.buffers:
                if buffer.role[0] in kinds and buffer.role[1] == carry.index:
                    slots = slice(None) if buffer.clock == "carry" else slice(1)
                    self.memory.all(buffer)[slots, :, : flat.shape[1]] = flat

    def carried(self, plan: Plan, starts: list[Tensor]) -> list[Tensor]:
        """What the last step has left of each state or gradient."""
        found: list[Tensor] = []
        kind = "carry_after" if plan.program.backward else "after"
        for carry, start in zip(plan.program.carries, starts, strict=True):
            buffer = next((b for b in plan.buffers if b.role == (kind, carry.index)), None)
            if buffer is None or (carry.held and not plan.program.backward):
                found.append(start)
                continue
            t = 0 if plan.program.backward else self.given.steps - 1
            rows = self.memory.at(buffer, t, self.given.steps - 1)[:, : carry.after.size]
            found.append(torch.from_numpy(rows.copy()).view(-1, *carry.after.shape))
        return found

    def everywhere(self, place: Place, v: Value) -> Tensor:
        """A value of all steps, [T, B, ...]."""
        rows = [self.memory.at(place.buffer, t, 0) for t in range(self.given.steps)]
        part = np.stack(rows)[:, :, place.offset : place.offset + v.size]
        return torch.from_numpy(part.copy()).view(*part.shape[:2], *v.shape)

    def rows(self, place: Place) -> np.ndarray:
        """The rows of a buffer now."""
        return self.memory.at(place.buffer, self.t, self.done)

    def multiply(self, work: Multiply) -> None:
        a = self.rows(work.a)[:, work.a.offset : work.a.offset + work.k * work.repeat]
        w = self.given.params[work.weight].numpy()
        w = w.T if work.transposed else w
        w = w[work.n_start : work.n_start + work.n, work.k_start : work.k_start + work.k]
        made = (a.reshape(-1, work.k) @ w.T).reshape(len(a), -1)
        at = slice(work.c.offset, work.c.offset + work.n * work.repeat)
        if work.start is not None:
            made = made + self.given.params[work.start].numpy().reshape(-1)
        elif work.accumulate:
            made = made + self.rows(work.c)[:, at]
        self.rows(work.c)[:, at] = made

    def kernel(self, work: Kernel) -> None:
        assert work.body is not None
        self.known = {}
        for fill in work.body.fills:
            at = slice(fill.place.offset, fill.place.offset + fill.size)
            self.rows(fill.place)[:, at] = float(fill.number)
        for nest in work.body.nests:
            self.nest(nest)

    def nest(self, nest: Nest) -> None:
        """All turns of the loops at once, which `verify` has shown to be the same."""
        for statement in nest.statements:
            if isinstance(statement, Load):
                r = statement.reading
                part = self.rows(statement.place)[:, places(r)]
                numbers = torch.from_numpy(part).view(-1, *nest.shape)
                v = statement.value
                # conditions lie in memory as numbers
                self.known[v] = numbers != 0 if v.dtype == "b" else numbers
            elif isinstance(statement, Compute):
                v = statement.value
                args = [self.value(a, nest) for a in v.args]
                made = FUNCTIONS[v.function].torch(*args)
                self.known[v] = made.to(FLOAT) if v.dtype == "f" else made
            elif isinstance(statement, Same):
                self.known[statement.value] = self.value(statement.of, nest)
            elif isinstance(statement, Fold):
                term = self.value(statement.term, nest).expand(self.given.rows, *nest.shape)
                dims = list(range(1 + nest.kept, 1 + len(nest.shape)))
                summed = statement.result.function == "sum"
                self.known[statement.result] = term.sum(dims) if summed else term.amax(dims)
            else:
                self.store(statement, nest)
        for end in nest.ends:
            self.store(end, nest)

    def value(self, v: Value, nest: Nest) -> Tensor:
        """A value over the loops of a nest; what was computed once a row is spread over them."""
        if v.op == "const":
            if v.dtype == "b":
                return torch.tensor(bool(v.number), device="cpu")
            return torch.tensor(v.number, dtype=FLOAT, device="cpu")
        found = self.known[v]
        if found.dim() == 1 and nest.shape:
            return found.view(-1, *(1 for _ in nest.shape))
        return found

    def store(self, store: Store, nest: Nest) -> None:
        r = store.reading
        at = places(r)
        value = self.value(store.value, nest).to(FLOAT).expand(self.given.rows, *r.shape)
        flat, rows = value.reshape(self.given.rows, -1).numpy(), self.rows(store.place)
        if store.combine == "sum":
            np.add.at(rows, every_row(at), flat)
        elif store.combine == "amax":
            np.maximum.at(rows, every_row(at), flat)
        else:
            rows[:, at] = flat


def every_row(at: np.ndarray) -> Any:
    """The index of these entries in every row."""
    return slice(None), at
