"""Random cells, as the source of a `Cell`: what the compiler is tried with beside cells of people.

A cell is a list of lines ``v7 = torch.tanh(v3)`` over x, the leaves of the state, parameters and
modules, and says which lines are y and the state after. Nothing in it is tame: y may be the state
before the step or x itself, leaves of the state may pass through, swap or be the same tensor,
modules stand several times in one sum, values are sliced, turned, rolled and put together again.

`random_lines.draw_cell(seed)` makes one, `shrink` makes a failing one small. A cell prints as the
source that a person would write, to be put into a test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato import Cell

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Line:
    """One value: an expression over earlier ones, which are ``{0}``, ``{1}`` ... in it."""

    expression: str
    args: tuple[int, ...]
    shape: Shape
    """Features of a row."""


@dataclass(frozen=True)
class Source:
    """A cell as text. Values are numbered: x, the leaves of the state, then the lines."""

    x: Shape
    states: tuple[Shape, ...]
    made: tuple[tuple[str, str], ...]
    """Names of parameters and modules, and the expressions that make them."""
    lines: tuple[Line, ...]
    ys: tuple[int, ...]
    after: tuple[int, ...]
    seed: int = 0

    def shape(self, value: int) -> Shape:
        given = (self.x, *self.states)
        return given[value] if value < len(given) else self.lines[value - len(given)].shape

    def name(self, value: int) -> str:
        given = ["x", *(f"h{i}" for i in range(len(self.states)))]
        return given[value] if value < len(given) else f"v{value - len(given)}"

    def __str__(self) -> str:
        first = 1 + len(self.states)
        lines = [
            f"v{i} = {line.expression.format(*map(self.name, line.args))}"
            for i, line in enumerate(self.lines)
        ]
        given = "".join(f"h{i}, " for i in range(len(self.states)))
        ys = ", ".join(map(self.name, self.ys))
        ys = ys if len(self.ys) == 1 else f"({ys})"
        after = "".join(f"{self.name(i)}, " for i in self.after)
        made = [f"self.{name} = {text}" for name, text in self.made]
        assert first == 1 + len(self.states)
        return "\n".join([
            f"# seed {self.seed}: x {list(self.x)}, states {[list(s) for s in self.states]}",
            *made,
            "def forward(self, x, state):",
            f"    ({given}) = state",
            *("    " + line for line in lines),
            f"    return {ys}, ({after})",
        ])  # fmt: skip


class RandomCell(Cell):
    """A cell that runs a source."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.sizes = source.states
        for name, text in source.made:
            setattr(self, name, eval(text, NAMES))
        made: dict[str, Any] = {}
        text = str(source)
        exec(compile(text[text.index("def forward") :], "<random cell>", "exec"), NAMES, made)
        self.step = made["forward"]

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Any:
        return tuple(torch.zeros(batch_size, *s, dtype=dtype, device=device) for s in self.sizes)

    def forward(self, x: Tensor, state: Any) -> Any:
        return self.step(self, x, state)


def fresh(*shape: int) -> nn.Parameter:
    """A parameter of small random numbers."""
    return nn.Parameter(torch.randn(*shape) * 0.5)


def passed(x: Tensor) -> Tensor:
    """x, limited behind the back of autograd, whose gradient passes as it comes."""
    y = x * 1
    with torch.no_grad():
        y.clamp_(-0.5, 0.5)
    return y


NAMES: dict[str, Any] = {"torch": torch, "F": F, "nn": nn, "fresh": fresh, "passed": passed}


def without_dead(source: Source) -> Source:
    """The source without lines that nothing needs, but for one in ten, as people leave some."""
    needed = {*source.ys, *source.after}
    first = 1 + len(source.states)
    for i in reversed(range(len(source.lines))):
        if first + i in needed:
            needed |= set(source.lines[i].args)
    kept = [i for i in range(len(source.lines)) if first + i in needed]
    place = {i: i for i in range(first)} | {first + i: first + n for n, i in enumerate(kept)}
    lines = [
        replace(source.lines[i], args=tuple(place.get(a, 0) for a in source.lines[i].args))
        for i in kept
    ]
    used = "".join(line.expression for line in lines)
    return replace(
        source,
        lines=tuple(lines),
        made=tuple((n, t) for n, t in source.made if f"self.{n}" in used),
        ys=tuple(place[y] for y in source.ys),
        after=tuple(place[a] for a in source.after),
    )


def shrink(source: Source, fails: Callable[[Source], bool]) -> Source:
    """A cell with fewer lines that still fails."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in candidates(source):
            if fails(candidate):
                source, smaller = candidate, True
                break
    return source


def candidates(source: Source) -> Iterator[Source]:
    """Cells that do a little less."""
    first = 1 + len(source.states)
    for i in reversed(range(len(source.lines))):
        for value in range(first + i):
            if source.shape(value) == source.lines[i].shape:
                yield without_dead(replaced(source, first + i, value))
    if len(source.ys) > 1:
        for i in range(len(source.ys)):
            yield without_dead(replace(source, ys=(source.ys[i],)))
    for i in range(len(source.states)):
        if source.after[i] != 1 + i:
            after = (*source.after[:i], 1 + i, *source.after[i + 1 :])
            yield without_dead(replace(source, after=after))


def replaced(source: Source, old: int, new: int) -> Source:
    """One value in place of another, wherever it is used."""

    def one(value: int) -> int:
        return new if value == old else value

    lines = [replace(line, args=tuple(map(one, line.args))) for line in source.lines]
    return replace(
        source,
        lines=tuple(lines),
        ys=tuple(map(one, source.ys)),
        after=tuple(map(one, source.after)),
    )
