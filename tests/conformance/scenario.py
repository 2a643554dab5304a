"""The ways in which a cell is called, and how the results of two runs are compared."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from catalogue import Entry
from ostinato import Cell, _tree, unroll
from ostinato.backends.call import initial_state
from ostinato.combine.dropout import keep_masks
from ostinato.typing import State, Tree

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
"""Relative to the largest entry; design/README.md, "Semantics that must not drift"."""

FLOOR = 0.01
"""The least size that counts as the largest entry: data are of size 1, below is cancellation."""


@dataclass(frozen=True)
class Scenario:
    """One way of calling `unroll`."""

    name: str
    num_steps: int = 5
    batch_size: int = 3
    lengths: Sequence[int] | None = None
    gaps: bool = False
    resets: bool = False
    reverse: bool = False
    given: bool = False
    transposed: bool = False
    frozen: bool = False
    training: bool = True

    def __str__(self) -> str:
        return self.name

    def mask(self) -> Tensor | None:
        """bool [T, B] with gaps; the last row is wholly masked where there are several."""
        if not self.gaps:
            return None
        drawn = torch.rand(self.num_steps, self.batch_size, generator=seeded(3)) < 0.6
        if self.batch_size > 1:
            drawn[:, -1] = False
        return drawn

    def options(self) -> dict[str, Any]:
        """The options of `unroll`."""
        resets = None
        if self.resets:
            resets = torch.rand(self.num_steps, self.batch_size, generator=seeded(4)) < 0.4
        lengths = None if self.lengths is None else torch.tensor(self.lengths)
        return {"lengths": lengths, "mask": self.mask(), "resets": resets, "reverse": self.reverse}


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("plain"),
    Scenario("lengths", batch_size=4, lengths=(5, 0, 2, 4), given=True),
    Scenario("gaps", batch_size=4, gaps=True, given=True),
    Scenario("resets"),
    Scenario("reverse", reverse=True, given=True),
    Scenario("reverse_lengths", reverse=True, lengths=(2, 5, 0)),
    Scenario("reverse_gaps", batch_size=4, reverse=True, gaps=True),
    Scenario("resets_gaps_given", batch_size=4, resets=True, gaps=True, given=True),
    Scenario("resets_reverse_lengths", resets=True, reverse=True, lengths=(4, 5, 1)),
    Scenario("one_step", num_steps=1, given=True),
    Scenario("one_row", batch_size=1, gaps=True, given=True),
    Scenario("one_row_resets", batch_size=1, resets=True, given=True),
    Scenario("long_transposed", num_steps=17, lengths=(17, 1, 11), transposed=True),
    Scenario("frozen", gaps=True, frozen=True),
    Scenario("evaluation", batch_size=4, gaps=True, resets=True, given=True, training=False),
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass
class Prepared:
    """A cell with its arguments, ready to be run any number of times."""

    cell: Cell
    xs: Tree
    state: State
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def run(self, backend: str) -> tuple[Tree, State]:
        torch.manual_seed(7)  # masks that the initial state draws are the same on every backend
        return unroll(self.cell, self.xs, self.state, backend=backend, **self.options)


def prepare(entry: Entry, scenario: Scenario, dtype: torch.dtype) -> Prepared:
    """The cell of an entry and its arguments, requiring gradients as the scenario says."""
    cell = entry.build(dtype, training=scenario.training)
    xs = entry.inputs(scenario.num_steps, scenario.batch_size, dtype)
    if scenario.transposed:
        xs = _tree.map(lambda leaf: leaf.transpose(0, 1).contiguous().transpose(0, 1), xs)
    xs = _tree.map(lambda leaf: requiring(leaf, not scenario.frozen), xs)
    state = None
    if scenario.given:
        state = random_state(cell, xs, scenario.batch_size)
        state = _tree.map(lambda leaf: requiring(leaf, True), state)
    if scenario.frozen:
        for p in list(cell.parameters())[::2]:
            p.requires_grad_(False)
    return Prepared(cell, xs, state, scenario.options())


def random_state(cell: Cell, xs: Tree, batch_size: int) -> State:
    """A state with random floats; masks and flags are the cell's."""
    drawn = seeded(5)

    def leaf(start: Tensor) -> Tensor:
        if not start.is_floating_point():
            return start
        noise = torch.randn(start.shape, generator=drawn, dtype=torch.float64)
        return (start + noise.to(start)).detach()

    torch.manual_seed(6)
    return _tree.map(leaf, initial_state(cell, _tree.leaves(xs)[0], batch_size))


def requiring(leaf: Tensor, wanted: bool) -> Tensor:
    """The tensor itself as a leaf of the graph where it can have a gradient."""
    return leaf.detach().requires_grad_(wanted) if leaf.is_floating_point() else leaf


def floats(tree: Tree) -> list[tuple[str, Tensor]]:
    return [(path, leaf) for path, leaf in _tree.paths(tree) if leaf.is_floating_point()]


def results(run: Callable[[], tuple[Tree, State]], prepared: Prepared) -> dict[str, Tensor]:
    """ys, the last state, and the gradients of a loss that reads all of both, by name."""
    ys, state = run()
    out = {f"ys{path}": leaf for path, leaf in _tree.paths(ys)}
    out |= {f"state{path}": leaf for path, leaf in _tree.paths(state)}
    drawn = seeded(8)
    loss = torch.zeros((), dtype=torch.float64)
    for leaf in out.values():
        if leaf.is_floating_point():
            weight = torch.randn(leaf.shape, generator=drawn, dtype=torch.float64)
            loss = loss + (leaf.double() * weight).sum()
    wanted = {f"dxs{path}": leaf for path, leaf in floats(prepared.xs)}
    if prepared.state is not None:
        wanted |= {f"dstate{path}": leaf for path, leaf in floats(prepared.state)}
    wanted |= {f"d{name}": p for name, p in prepared.cell.named_parameters()}
    wanted = {name: leaf for name, leaf in wanted.items() if leaf.requires_grad}
    if not loss.requires_grad:  # nothing was run, or nothing learns
        return out | {name: torch.zeros_like(leaf) for name, leaf in wanted.items()}
    grads = torch.autograd.grad(loss, list(wanted.values()), materialize_grads=True)
    return out | dict(zip(wanted, grads, strict=True))


def in_float64(prepared: Prepared) -> Prepared:
    """The same numbers in float64."""

    def leaf(t: Tensor) -> Tensor:
        return requiring(t.double(), t.requires_grad) if t.is_floating_point() else t

    cell = copy.deepcopy(prepared.cell).double()
    state = None if prepared.state is None else _tree.map(leaf, prepared.state)
    return Prepared(cell, _tree.map(leaf, prepared.xs), state, prepared.options)


def rounding(prepared: Prepared, made: dict[str, Tensor]) -> dict[str, float]:
    """How far each result of the eager loop is from float64, twice: as far to the other side."""
    wide = in_float64(prepared)
    exact = results(lambda: wide.run("eager"), wide)
    pairs = ((n, made[n].detach().double(), t.detach()) for n, t in exact.items() if t.numel())
    return {n: 2 * float((a - b).abs().max()) for n, a, b in pairs if b.is_floating_point()}


def assert_same(
    got: dict[str, Tensor],
    want: dict[str, Tensor],
    tolerance: float,
    beyond: dict[str, float] | None = None,
) -> None:
    """All results by name; ``beyond`` the tolerance, each may be so far off."""
    assert list(got) == list(want)
    for name, leaf in want.items():
        assert_close(got[name], leaf, tolerance, name, (beyond or {}).get(name, 0.0))


def assert_close(
    got: Tensor, want: Tensor, tolerance: float, name: str = "", beyond: float = 0.0
) -> None:
    """Same dtype, shape, NaN and Inf; the rest within the tolerance of the largest entry."""
    assert got.dtype == want.dtype, name
    assert got.shape == want.shape, name
    got, want = got.detach(), want.detach()
    if not want.is_floating_point():
        assert torch.equal(got, want), name
        return
    usual = want.isfinite()
    assert torch.equal(got.isfinite(), usual), f"{name}: {got} is not finite where {want} is"
    unusual = [torch.nan_to_num(a[~usual], 0.0, 1.0, -1.0) for a in (got, want)]
    assert torch.equal(*unusual), f"{name}: NaN, Inf or -Inf at other places"
    got, want = got[usual], want[usual]
    if want.numel() == 0:
        return
    error = float((got - want).abs().max())
    allowed = tolerance * max(float(want.abs().max()), FLOOR) + beyond
    assert error <= allowed, f"{name}: off by {error}"


def row_by_row(prepared: Prepared) -> tuple[Tree, State]:
    """The oracle: each row alone, only its own steps, by a plain loop. Starts again at a reset.

    Leaves of one row in a batch of several (masks over weights) are shared by all rows.
    """
    cell, xs, options = prepared.cell, prepared.xs, prepared.options
    num_steps, batch_size = _tree.leaves(xs)[0].shape[:2]
    torch.manual_seed(7)
    fresh = initial_state(cell, _tree.leaves(xs)[0], batch_size)
    state = fresh if prepared.state is None else prepared.state
    fresh = keep_masks(fresh, state)
    mask = torch.ones(num_steps, batch_size, dtype=torch.bool)
    if options.get("lengths") is not None:
        mask = torch.arange(num_steps)[:, None] < options["lengths"][None]
    if options.get("mask") is not None:
        mask = options["mask"]
    resets = options.get("resets")
    ys: dict[tuple[int, int], Tree] = {}
    ends: list[State] = []
    order = list(range(num_steps))[:: -1 if options.get("reverse") else 1]
    for b in range(batch_size):
        now, start = row(state, b), row(fresh, b)
        for t in order:
            if resets is not None and resets[t, b]:
                now = start
            if mask[t, b]:
                ys[t, b], now = cell(_tree.map(lambda leaf, t=t, b=b: leaf[t, b][None], xs), now)
        ends.append(now)
    one, _ = cell(_tree.map(lambda leaf: leaf[0], xs), state)
    blank = _tree.map(lambda leaf: torch.zeros_like(leaf[:1]), one)
    steps = [
        _tree.map(
            lambda *rows: torch.cat(rows), *[ys.get((t, b), blank) for b in range(batch_size)]
        )
        for t in range(num_steps)
    ]

    def joined(like: Tensor, *rows: Tensor) -> Tensor:
        return torch.cat(rows) if like.shape[0] == batch_size else rows[0]

    return _tree.map(lambda *leaves: torch.stack(leaves), *steps), _tree.map(joined, state, *ends)


def row(state: State, b: int) -> State:
    return _tree.map(lambda leaf: leaf if leaf.shape[0] == 1 else leaf[b : b + 1], state)
