"""The abstract cell, lifting, and what a step must keep to."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ostinato
from catalogue import ENTRIES, DictCell, Entry, MinimalGated
from ostinato import Cell, Lift, Stack, _tree, as_cell, cells, unroll
from ostinato.cell import zeros
from ostinato.errors import DtypeError, ShapeError, StateError


def test_a_cell_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Cell()


def test_a_module_lifts_to_a_cell_with_an_empty_state() -> None:
    module = nn.Linear(3, 5)
    cell = as_cell(module)
    assert isinstance(cell, Lift)
    x = torch.randn(2, 3)
    y, state = cell(x, cell.initial_state(2))
    assert torch.equal(y, module(x))
    assert state == ()
    assert as_cell(cell) is cell


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_the_state_follows_the_parameters_and_what_is_asked(entry: Entry) -> None:
    cell = entry.build(torch.float64)
    for options, dtype in (({}, torch.float64), ({"dtype": torch.float32}, torch.float32)):
        if not options and not list(cell.parameters()):
            dtype = torch.float32
        for leaf in _floats(cell.initial_state(4, **options)):
            assert leaf.dtype == dtype
            assert leaf.shape[0] == 4
    for leaf in _floats(cell.initial_state(4, device="meta")):
        assert leaf.device.type == "meta"


def _floats(state: object) -> list[Tensor]:

    return [leaf for leaf in _tree.leaves(state) if leaf.is_floating_point()]


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_cells_are_saved_copied_and_told(entry: Entry) -> None:
    cell, twin = entry.build(torch.float64), entry.build(torch.float64, seed=2)
    twin.load_state_dict(cell.state_dict())
    xs = entry.inputs(3, 2, torch.float64)
    torch.manual_seed(5)
    want = unroll(cell, xs)
    torch.manual_seed(5)
    got = unroll(twin, xs)

    for (path, a), (_, b) in zip(_tree.paths(got), _tree.paths(want), strict=True):
        assert torch.equal(a, b), path
    shown = cell.module if isinstance(cell, Lift) else cell  # a lift shows what it lifts
    assert type(shown).__name__ in repr(cell)


def test_a_step_leaves_its_arguments_alone() -> None:
    for entry in ENTRIES:
        cell = entry.build(torch.float64)

        x = _tree.map(lambda leaf: leaf[0], entry.inputs(1, 2, torch.float64))
        before = cell.initial_state(2, dtype=torch.float64)
        copies = [leaf.clone() for leaf in _tree.leaves((x, before))]
        cell(x, before)
        for leaf, copy in zip(_tree.leaves((x, before)), copies, strict=True):
            assert torch.equal(leaf, copy), entry.name


class Wrong(Cell):
    """A cell that does what it is told after the step."""

    def __init__(self, give: Any) -> None:
        super().__init__()
        self.give = give

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Any:
        one = zeros(self, batch_size, 2, dtype=dtype, device=device)
        return {"memory": (one, one.clone()), "h": one}

    def forward(self, x: Tensor, state: Any) -> Any:
        return self.give(x, state)


@pytest.mark.parametrize(
    ("give", "argument", "wanted", "got"),
    [
        (lambda x, s: (x, {**s, "h": x}), "state['h']", "shape [2, 2]", "[2, 3]"),
        (lambda x, s: (x, {**s, "memory": x}), "state['memory']", "([2, 2], [2, 2])", "[2, 3]"),
        (
            lambda x, s: (x, {**s, "memory": (s["h"], s["h"].double())}),
            "state['memory'][1]", "dtype torch.float32", "torch.float64",
        ),
        (lambda x, s: (x, {"h": s["h"]}), "state", "memory", "{'h': [2, 2]}"),
        (lambda x, s: (x, {**s, "h": None}), "state['h']", "[2, 2]", "NoneType"),
    ],
    ids=["shape", "tree", "dtype", "keys", "none"],
)  # fmt: skip
def test_an_error_of_the_carry_names_the_path(
    give: Any, argument: str, wanted: str, got: str
) -> None:
    with pytest.raises(StateError) as caught:
        unroll(Wrong(give), torch.zeros(3, 2, 3))
    assert caught.value.argument == f"{argument} after a step of Wrong"
    assert wanted in caught.value.wanted
    assert "as before the step" in caught.value.wanted
    assert got in caught.value.got


def test_a_step_that_gives_no_pair_is_refused() -> None:
    for give in (lambda x, s: x, lambda x, s: (x, s, s)):
        with pytest.raises(DtypeError, match=r"forward of Wrong: wanted a pair \(y, state\)"):
            unroll(Wrong(give), torch.zeros(3, 2, 3))


def test_a_step_must_keep_the_rows() -> None:
    with pytest.raises(ShapeError, match=r"y of Wrong: wanted \[2, ...\], one row for each"):
        unroll(Wrong(lambda x, s: (x.sum(0), s)), torch.zeros(3, 2, 3))


def test_a_new_state_may_have_its_keys_in_any_order() -> None:
    cell = DictCell(3, 5)
    _, state = unroll(cell, torch.randn(2, 4, 3))
    ys, after = unroll(Stack(cell), torch.randn(2, 4, 3), (state,), lengths=[1, 0, 2, 2])
    assert ys.shape == (2, 4, 5)
    assert after[0]["h"].shape == (4, 5)


def test_input_size_is_checked_at_each_step() -> None:
    with pytest.raises(ShapeError, match="MinimalGated"):
        MinimalGated(3, 5)(torch.zeros(2, 4), torch.zeros(2, 5))
    y, _ = cells.Elman(0, 4)(torch.zeros(2, 0), torch.zeros(2, 4))
    assert y.shape == (2, 4)


@pytest.mark.parametrize(
    "module",
    [
        ostinato.nn.LSTM(3, 5),
        ostinato.Sequencer(cells.GRU(3, 5)),
        ostinato.Recursor(cells.GRU(3, 5)),
        ostinato.BiSequencer(cells.GRU(3, 5)),
        torch.nn.Sequential(torch.nn.Linear(3, 3), cells.GRU(3, 5)),
    ],
    ids=lambda module: type(module).__name__,
)
def test_modules_that_keep_a_state_are_not_lifted(module: torch.nn.Module) -> None:
    with pytest.raises(DtypeError, match=r"module: wanted a Cell or a stateless module"):
        ostinato.as_cell(module)
