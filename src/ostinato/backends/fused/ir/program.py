"""A step forward or backward as the passes see it: what it carries, gives and sums up."""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.backends.fused.ir.values import Graph, Reading, Value


@dataclass(frozen=True)
class Carry:
    """A leaf that goes from step to step: the state forward, its gradient backward."""

    index: int
    before: Value
    after: Value

    @property
    def held(self) -> bool:
        """Whether the step leaves it alone."""
        return self.after is self.before


@dataclass(frozen=True)
class Output:
    """A value that is wanted for every row of every step: y, or the gradient of x."""

    kind: str
    index: int
    value: Value


@dataclass(frozen=True)
class Sum:
    """A gradient that a param takes in from every row: ``value`` at the places of a reading."""

    param: int
    reading: Reading
    value: Value


@dataclass(frozen=True)
class Gram:
    """The gradient of a weight: the sum over rows of d outer a, at ``[n:, k:]`` of w or w.T."""

    param: int
    transposed: bool
    k_start: int
    n_start: int
    d: Value
    a: Value


@dataclass(frozen=True)
class Program:
    """One step of a time loop."""

    graph: Graph
    carries: tuple[Carry, ...]
    outputs: tuple[Output, ...]
    sums: tuple[Sum, ...] = ()
    grams: tuple[Gram, ...] = ()
    backward: bool = False
    alike: tuple[tuple[int, int], ...] = ()
    """Params (second) whose gradient is that of another one (first)."""

    def roots(self) -> list[Value]:
        """Every value that the program must work out."""
        found = [c.after for c in self.carries] + [o.value for o in self.outputs]
        found += [s.value for s in self.sums]
        return found + [v for gram in self.grams for v in (gram.d, gram.a)]
