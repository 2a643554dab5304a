"""Every entry of the catalogue on every backend that takes it, against the eager loop."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from catalogue import ENTRIES, Entry
from conformance.scenario import (
    SCENARIOS,
    TOLERANCE,
    Prepared,
    Scenario,
    assert_same,
    prepare,
    results,
    rounding,
)
from ostinato import _tree, explain, unroll
from ostinato.backends import BACKENDS
from ostinato.errors import BackendError

DTYPES = (torch.float64, torch.float32)
NAMES = ["auto", *(backend.name for backend in BACKENDS)]


def plan(entry: Entry, scenario: Scenario, backend: str) -> tuple[str, ...]:
    """The backends of the segments of a call, () where a backend refuses a part of it."""
    ready = prepare(entry, scenario, torch.float32)
    try:
        said = explain(ready.cell, ready.xs, ready.state, backend=backend, **ready.options)
    except BackendError:
        return ()
    return tuple(segment.backend for segment in said.segments)


def taken(entry: Entry, scenario: Scenario, backend: str) -> bool:
    return backend in ("auto", "eager") or bool(plan(entry, scenario, backend))


def grid() -> list[tuple[Entry, Scenario, str]]:
    """Every way of running every cell that differs from the eager loop, once each."""
    found: list[tuple[Entry, Scenario, str]] = []
    for entry in ENTRIES:
        plans: dict[tuple[str, ...], str] = {(): "", ("eager",): ""}
        for name in NAMES:
            plans.setdefault(plan(entry, SCENARIOS[0], name), name)
        found += [(entry, s, name) for name in plans.values() if name for s in SCENARIOS]
    return found


@pytest.mark.parametrize(("entry", "scenario", "backend"), grid(), ids=str)
def test_equals_eager(entry: Entry, scenario: Scenario, backend: str) -> None:
    for dtype in DTYPES:
        ready = prepare(entry, scenario, dtype)
        want = results(lambda ready=ready: ready.run("eager"), ready)
        if not taken(entry, scenario, backend):
            with pytest.raises(BackendError, match=backend):
                ready.run(backend)
            return
        got = results(lambda ready=ready: ready.run(backend), ready)
        # layer norm over a few features lets rounding grow: eager in float32 is itself up to 4e-5
        # off, and nobody can tell more than that
        grows = "layer_norm" in str(entry) and dtype == torch.float32
        assert_same(got, want, TOLERANCE[dtype], rounding(ready, want) if grows else None)


def test_the_grid_has_every_backend() -> None:
    plans = [plan(entry, SCENARIOS[0], name) for entry in ENTRIES for name in NAMES]
    used = {name for segments in plans for name in segments}
    assert used >= {backend.name for backend in BACKENDS}


POISONS = (float("nan"), float("inf"), -float("inf"))
FLOAT_ENTRIES = [entry for entry in ENTRIES if entry.takes != "index"]


@pytest.mark.parametrize("entry", FLOAT_ENTRIES, ids=str)
def test_nan_and_inf_go_where_they_go_in_eager(entry: Entry) -> None:
    for scenario in (Scenario("plain"), Scenario("masked", gaps=True, reverse=True)):
        backends = [name for name in NAMES if name != "eager" and taken(entry, scenario, name)]
        for poison, dtype in product(POISONS, DTYPES):
            ready = prepare(entry, scenario, dtype)
            with torch.no_grad():
                _tree.leaves(ready.xs)[0][2, 0, 1] = poison
                want = named(ready.run("eager"))
                for backend in backends:
                    assert_same(named(ready.run(backend)), want, TOLERANCE[dtype])


def named(made: object) -> dict[str, torch.Tensor]:
    return dict(_tree.paths(made))


@pytest.mark.parametrize("entry", FLOAT_ENTRIES, ids=str)
def test_masked_steps_have_no_influence(entry: Entry) -> None:
    for scenario in (SCENARIOS[1], SCENARIOS[6], SCENARIOS[7]):
        for backend in NAMES:
            if not taken(entry, scenario, backend):
                continue
            ready = prepare(entry, scenario, torch.float64)
            clean = results(lambda r=ready, b=backend: r.run(b), ready)
            there = ready.options["mask"]
            if there is None:
                there = torch.arange(scenario.num_steps)[:, None] < ready.options["lengths"]
            with torch.no_grad():
                _tree.leaves(ready.xs)[0][~there] = float("nan")
            assert_same(results(lambda r=ready, b=backend: r.run(b), ready), clean, 0.0)
            dxs = next(leaf for name, leaf in clean.items() if name.startswith("dxs"))
            assert not dxs[~there].any()
            ys = [leaf for name, leaf in clean.items() if name.startswith("ys")]
            assert all(not leaf[~there].any() for leaf in ys)


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_no_steps_and_no_rows(entry: Entry) -> None:
    for backend in NAMES:
        if not taken(entry, SCENARIOS[0], backend):
            continue
        sizes = ((0, 3), (4, 0), (0, 0)) if backend in ("auto", "eager") else ((0, 3),)
        for num_steps, batch_size in sizes:
            scenario = Scenario("", num_steps=num_steps, batch_size=batch_size, given=True)
            ready = prepare(entry, scenario, torch.float64)
            ys, state = ready.run(backend)
            alike, _ = unroll(ready.cell, entry.inputs(1, 2, torch.float64), backend="eager")
            for got, one in zip(_tree.leaves(ys), _tree.leaves(alike), strict=True):
                assert got.shape[:2] == (num_steps, batch_size)
                assert got.shape[2:] == one.shape[2:]
                assert got.dtype == one.dtype
            assert _tree.mismatch(ready.state, state, "state") is None
            if num_steps == 0:
                assert_same(named(state), named(ready.state), 0.0)


def test_no_rows_with_masks() -> None:
    for entry in ENTRIES:
        ready = prepare(entry, Scenario("", batch_size=0, given=True), torch.float64)
        for options in ({"mask": torch.ones(5, 0, dtype=torch.bool)}, {"lengths": []}):
            ready.options = {
                "reverse": True,
                "resets": torch.ones(5, 0, dtype=torch.bool),
                **options,
            }
            assert _tree.leaves(ready.run("auto")[0])[0].shape[:2] == (5, 0)


def test_padding_cannot_overflow_into_gradients() -> None:
    """A relu network that grows tenfold a step is finite on its steps, so it must be after them."""
    entry = Entry("growing", ENTRIES[1].make)
    for backend in NAMES:
        cell = entry.build(torch.float32)
        with torch.no_grad():
            cell.weight_hh.copy_(10 * torch.eye(5))
        xs = entry.inputs(80, 2, torch.float32).requires_grad_()
        ready = Prepared(cell, xs, None, {"lengths": torch.tensor([3, 5])})
        made = results(lambda r=ready, b=backend: r.run(b), ready)
        assert all(leaf.isfinite().all() for leaf in made.values())
