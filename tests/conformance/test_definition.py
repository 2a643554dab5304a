"""What `unroll` means: each row runs alone over its own steps. The eager loop is held to that."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogue import ENTRIES, Entry
from conformance.scenario import (
    SCENARIOS,
    TOLERANCE,
    Prepared,
    Scenario,
    assert_close,
    assert_same,
    prepare,
    random_state,
    results,
    row_by_row,
)
from ostinato import Recursor, Sequencer, _tree, chunks, detach, unroll

ALONE = [
    Scenario("lengths", lengths=(5, 0, 2), given=True),
    Scenario("gaps", gaps=True, reverse=True),
    Scenario("resets", batch_size=4, resets=True, gaps=True, given=True),
    Scenario("resets_reverse", resets=True, reverse=True, lengths=(4, 5, 1)),
    Scenario("one_row", batch_size=1, resets=True, given=True),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_eager_equals_rows_run_alone(entry: Entry) -> None:
    for scenario in ALONE:
        ready = prepare(entry, scenario, torch.float64)
        want = results(lambda r=ready: row_by_row(r), ready)
        got = results(lambda r=ready: r.run("eager"), ready)
        assert_same(got, want, TOLERANCE[torch.float64])


def test_eager_is_the_six_lines() -> None:
    for entry in ENTRIES:
        ready = prepare(entry, SCENARIOS[0], torch.float64)
        ready.state = random_state(ready.cell, ready.xs, 3)
        ys, state = [], ready.state
        for t in range(5):
            y, state = ready.cell(_tree.map(lambda leaf, t=t: leaf[t], ready.xs), state)
            ys.append(y)
        want = dict(_tree.paths((_tree.map(lambda *rows: torch.stack(rows), *ys), state)))
        assert_same(dict(_tree.paths(ready.run("eager"))), want, 0.0)


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_stepping_equals_the_sequence(entry: Entry) -> None:
    cell = entry.build(torch.float64)
    xs = entry.inputs(6, 3, torch.float64)
    start = random_state(cell, xs, 3)
    shell = Recursor(cell).train(cell.training)
    shell.state = start
    steps = [shell(_tree.map(lambda leaf, t=t: leaf[t], xs)) for t in range(6)]
    ys = _tree.map(lambda *rows: torch.stack(rows), *steps)
    want = unroll(cell, xs, start)
    assert_same(tree(ys, shell.state), tree(*want), TOLERANCE[torch.float64])


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_pieces_with_carried_state_equal_the_whole(entry: Entry) -> None:
    cell = entry.build(torch.float64)
    xs = entry.inputs(7, 3, torch.float64)
    start = state = random_state(cell, xs, 3)
    shell = Sequencer(cell, remember="both").train(cell.training)
    shell.state = start
    pieces, remembered = [], []
    for piece in chunks(xs, 3):
        ys, state = unroll(cell, piece, state)
        state = detach(state)
        pieces.append(ys)
        remembered.append(shell(piece))
    whole = tree(*unroll(cell, xs, start))
    for made, last in ((pieces, state), (remembered, shell.state)):
        joined = _tree.map(lambda *parts: torch.cat(parts), *made)
        assert_same(tree(joined, last), whole, TOLERANCE[torch.float64])


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_what_stands_in_the_padding_is_of_no_account(entry: Entry) -> None:
    """Padding of any length, on any backend, equals none; gradients included."""
    cell = entry.build(torch.float64, training=False)
    short = entry.inputs(4, 3, torch.float64)
    long = _tree.map(
        lambda a, b: torch.cat([a, b]), short, entry.inputs(5, 3, torch.float64, seed=9)
    )
    plain = Prepared(cell, grad_leaf(short), None)
    padded = Prepared(cell, grad_leaf(long), None, {"lengths": torch.full((3,), 4)})
    want = results(lambda: plain.run("auto"), plain)
    got = results(lambda: cut(padded.run("auto")), padded)
    for name, leaf in want.items():
        part = got[name][:4] if name.startswith("dxs") else got[name]
        assert_close(part, leaf, TOLERANCE[torch.float64], name)


def cut(made: tuple[object, object]) -> tuple[object, object]:
    return _tree.map(lambda leaf: leaf[:4], made[0]), made[1]


def grad_leaf(xs: object) -> object:
    return _tree.map(lambda leaf: leaf.requires_grad_() if leaf.is_floating_point() else leaf, xs)


def tree(ys: object, state: object) -> dict[str, torch.Tensor]:
    return dict(_tree.paths((ys, state)))


BY_NAME = {entry.name: entry for entry in ENTRIES}
DRAWN = ("lstm", "gru", "elman_relu", "recurrent", "learned_state_stack", "user_dict_state")


@st.composite
def flags(draw: st.DrawFn, num_steps: int, batch_size: int) -> torch.Tensor:
    size = num_steps * batch_size
    bits = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return torch.tensor(bits, dtype=torch.bool).reshape(num_steps, batch_size)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), name=st.sampled_from(DRAWN), reverse=st.booleans(), carried=st.booleans())
def test_any_mask_and_any_resets(
    data: st.DataObject, name: str, reverse: bool, carried: bool
) -> None:
    num_steps, batch_size = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 4))
    entry = BY_NAME[name]
    options = {
        "mask": data.draw(st.none() | flags(num_steps, batch_size)),
        "resets": data.draw(st.none() | flags(num_steps, batch_size)),
        "reverse": reverse,
    }
    cell = entry.build(torch.float64, training=False)
    xs = entry.inputs(num_steps, batch_size, torch.float64).requires_grad_()
    state = random_state(cell, xs, batch_size) if carried else None
    ready = Prepared(cell, xs, state, options)
    want = results(lambda: row_by_row(ready), ready)
    for backend in ("eager", "auto"):
        assert_same(results(lambda b=backend: ready.run(b), ready), want, 1e-10)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), name=st.sampled_from(DRAWN), reverse=st.booleans())
def test_lengths_are_the_short_form_of_a_mask(
    data: st.DataObject, name: str, reverse: bool
) -> None:
    num_steps, batch_size = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 4))
    lengths = data.draw(
        st.lists(st.integers(0, num_steps), min_size=batch_size, max_size=batch_size)
    )
    entry = BY_NAME[name]
    cell = entry.build(torch.float64)
    xs = entry.inputs(num_steps, batch_size, torch.float64)
    mask = torch.arange(num_steps)[:, None] < torch.tensor(lengths, dtype=torch.long)
    short = unroll(cell, xs, lengths=lengths, reverse=reverse)
    long = unroll(cell, xs, mask=mask, reverse=reverse, backend="eager")
    assert_same(tree(*short), tree(*long), 1e-10)
