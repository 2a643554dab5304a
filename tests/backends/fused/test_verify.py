"""The verifier finds what it is there for: mistakes are planted, and it must name them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from catalogue import ENTRIES, Entry
from ostinato import _tree, cells
from ostinato.backends.call import initial_state
from ostinato.backends.fused.ir.values import Apply, Graph, Over, Reading, Strided, Value
from ostinato.backends.fused.lower.program import forward
from ostinato.backends.fused.lower.step import Step, lower
from ostinato.backends.fused.passes.draft import Draft
from ostinato.backends.fused.passes.interpret_draft import Found, Given, run_draft
from ostinato.backends.fused.passes.plan import Kernel, Load, Nest, Plan, Store
from ostinato.backends.fused.passes.reverse import Wanted
from ostinato.backends.fused.passes.verify import verify_plans
from ostinato.backends.fused.passes.verify_values import Broken, check_values, same_sums
from ostinato.backends.fused.pipeline import PASSES, make_draft, verify
from ostinato.backends.fused.trace.record import record
from ostinato.backends.fused.trace.recording import Refusal


def step_of(cell: nn.Module, size: int) -> Step:
    recording = record(cell, torch.zeros(2, 3, size), cell.initial_state(3))
    return lower(recording, torch.float32, {id(p): n for n, p in cell.named_parameters()})


def draft_of(cell: nn.Module, size: int) -> Draft:
    step = step_of(cell, size)
    return make_draft(step, Wanted(frozenset({0}), frozenset(range(len(step.params)))))


def body_changed(kernel: Kernel, change: Callable[[Nest], Nest]) -> None:
    """Change the first nest of a kernel that the change has something to do for."""
    assert kernel.body is not None
    nests = list(kernel.body.nests)
    for i, nest in enumerate(nests):
        changed = change(nest)
        if changed != nest:
            nests[i] = changed
            kernel.body = replace(kernel.body, nests=tuple(nests))
            return
    raise AssertionError("nothing to change")


def without(kind: type) -> Callable[[Nest], Nest]:
    """A nest without its last statement of a kind."""

    def change(nest: Nest) -> Nest:
        at = [i for i, s in enumerate(nest.statements) if isinstance(s, kind)]
        if not at:
            return nest
        rest = (*nest.statements[: at[-1]], *nest.statements[at[-1] + 1 :])
        return replace(nest, statements=rest)

    return change


def moved(kind: type, by: int) -> Callable[[Nest], Nest]:
    """A nest whose first load or store reaches some entries further."""

    def change(nest: Nest) -> Nest:
        for i, s in enumerate(nest.statements):
            if isinstance(s, kind):
                reading = replace(s.reading, offset=s.reading.offset + by)
                statements = list(nest.statements)
                statements[i] = replace(s, reading=reading)
                return replace(nest, statements=tuple(statements))
        return nest

    return change


def stores_first(nest: Nest) -> Nest:
    """A nest that writes before it has read all that it reads."""
    stores = [s for s in nest.statements if isinstance(s, Store)]
    if len(stores) < 2:
        return nest
    others = [s for s in nest.statements if not isinstance(s, Store)]
    return replace(nest, statements=(*stores, *others))


PLANTED: dict[str, Callable[[Nest], Nest]] = {
    "a store left out": without(Store),
    "a load left out": without(Load),
    "a load of the neighbour": moved(Load, 1),
    "a store beyond the row": moved(Store, 1000),
    "a store of the neighbour": moved(Store, 1),
    "a value used before it is there": stores_first,
}


@pytest.mark.parametrize("name", list(PLANTED))
@pytest.mark.parametrize("which", ["plan", "back"])
def test_planted_in_a_kernel(name: str, which: str) -> None:
    draft = draft_of(cells.LSTM(5, 7), 5)
    plan: Plan = getattr(draft, which)
    loop = [k for stage in plan.stages if stage.loop for k in stage.work if isinstance(k, Kernel)]
    body_changed(loop[0], PLANTED[name])
    with pytest.raises(Broken):
        verify_plans(draft.plan, draft.back, draft.saved)


def test_a_product_left_out() -> None:
    draft = draft_of(cells.GRU(5, 7), 5)
    stage = next(s for s in draft.plan.stages if s.loop)
    stage.work = [w for w in stage.work if isinstance(w, Kernel)]
    with pytest.raises(Broken, match="does not hold"):
        verify_plans(draft.plan, draft.back, draft.saved)


def test_memory_of_one_step_in_a_stage_of_all() -> None:
    draft = draft_of(cells.GRU(5, 7), 5)
    flat, loop = draft.plan.stages[0], draft.plan.stages[1]
    flat.work.append(loop.work.pop())
    with pytest.raises(Broken):
        verify_plans(draft.plan, draft.back, draft.saved)


def values(graph: Graph) -> tuple[Value, Value, Value, Value]:
    x, h = graph.input("x", 0, (4,)), graph.input("state", 0, (4,))
    return x, h, graph.param(0, (4,), "f", "b"), graph.param(1, (4, 4), "f", "w")


def test_a_term_is_there_as_often_as_before() -> None:
    graph = Graph()
    x, h, b, w = values(graph)
    products = [graph.product(v, w, 4) for v in (x, h)]
    twice = graph.pointwise("add", graph.pointwise("add", products[0], b),
                            graph.pointwise("add", products[1], b))  # fmt: skip
    chain = graph.make("product", (x, w, b), products[0].attrs, (4,))
    chain = graph.make("product", (h, w, chain), products[0].attrs, (4,))
    with pytest.raises(Broken, match="changed the terms"):
        same_sums([twice], [chain], "a pass")
    same_sums([twice], [graph.pointwise("add", chain, b)], "a pass")
    part = Reading(1, (2,), (1,))
    cut = [graph.read(p, part) for p in products]
    both = graph.pointwise("add", cut[0], cut[1])
    joined = graph.make("product", (h, w, products[0]), products[0].attrs, (4,))
    same_sums([both], [graph.read(joined, part)], "a pass")


WRONG: dict[str, Callable[[Graph], Value]] = {
    "shapes": lambda g: g.make(
        "pointwise", (g.input("x", 0, (4,)), g.input("x", 1, (3,))), Apply("add"), (4,)),
    "a view beyond": lambda g: g.make("view", values(g)[:1], Strided(2, (1,)), (3,)),
    "a view of work": lambda g: g.make(
        "view", (g.pointwise("tanh", values(g)[0]),), Strided(0, (1,)), (2,)),
    "parts on each other": lambda g: g.make(
        "assemble", values(g)[:2], (Strided(0, (1,)), Strided(2, (1,))), (8,)),
    "a product beyond": lambda g: g.product(values(g)[0], values(g)[3], 4, n_start=1),
    "no function": lambda g: g.make("pointwise", values(g)[:1], Apply("nothing"), (4,)),
    "a reduction": lambda g: g.make("reduce", values(g)[:1], Over("sum", (0,)), (2,)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(WRONG))
def test_values_that_break_the_rules(name: str) -> None:
    with pytest.raises(Broken):
        check_values([WRONG[name](Graph())])


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_every_form_of_every_entry_means_the_same(entry: Entry) -> None:
    """Values and gradients by the interpreter, before the first pass and after each."""
    dtype = torch.float64
    cell, xs = entry.build(dtype), entry.inputs(3, 2, dtype)
    state = initial_state(cell, _tree.leaves(xs)[0], 2)
    try:
        recording = record(cell, xs, state)
        step = lower(recording, dtype, {})
    except (Refusal, Exception) as refusal:
        pytest.skip(f"not compiled: {refusal}")
    params = [p.detach().to(dtype) for p in step.params]
    wanted = Wanted(
        frozenset(i for i, t in enumerate(_tree.leaves(xs)) if t.is_floating_point()),
        frozenset(i for i, p in enumerate(step.params) if p.requires_grad),
    )
    draft = Draft(step, wanted, forward(step))
    pairs = zip(step.states, _tree.leaves(state), strict=True)
    starts = [t.detach().to(dtype) + 0.1 for v, t in pairs if v.op == "input"]
    given = Given(
        [t.to(dtype) for t in _tree.leaves(xs)], starts, params,
        [torch.rand(3, 2, *d.shape, dtype=dtype) for d in step.draws],
        [torch.randn(3, 2, *y.shape, dtype=dtype) for y in step.ys],
        [torch.randn_like(s) for s in starts],
    )  # fmt: skip
    before = run_draft(draft, given)
    for rewrite in PASSES:
        after = rewrite(draft)
        verify(draft, after, rewrite.__name__)
        if rewrite.__name__ not in ("choose_saved", "assign_memory"):
            found = run_draft(after, given)
            compare(found, before, rewrite.__name__)
        draft = after


def compare(found: Found, want: Found, by: str) -> None:
    """Fail where a pass has changed a result."""
    pairs = [(found.ys, want.ys), (found.lasts, want.lasts), (found.dstarts, want.dstarts)]
    pairs += [(list(a.values()), list(b.values())) for a, b in
              ((found.dxs, want.dxs), (found.dparams, want.dparams))]  # fmt: skip
    for got, right in pairs:
        assert len(got) == len(right), by
        for a, b in zip(got, right, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-10, msg=lambda m: f"{by}: {m}")
