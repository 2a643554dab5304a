"""Pieces of work in turn, so that a machine whose speed drifts treats all of them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

Item = TypeVar("Item")
Work = Callable[[], object]
Ratio = list[float]
"""The lower quartile, the median and the upper quartile of ratios: what JSON keeps of them."""

REST = 0.004
"""Seconds between turns: idle threads of OpenMP and XLA spin for some ms before they sleep."""


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    quick: bool = False
    """Once, at the smallest size: to see that it works, not how fast."""
    seconds: float = 0.75
    """For each contestant of a race, about."""
    turns: int = 5
    """At least, for each contestant."""
    turn: float = 0.03
    """Seconds of one turn: short work is repeated so long."""

    def some(self, items: Sequence[Item]) -> Sequence[Item]:
        """All of them, or the first where a try is enough."""
        return items[:1] if self.quick else items

    def but(self, **changes: Any) -> Effort:
        """With other numbers, unless a try is enough."""
        return self if self.quick else replace(self, **changes)


QUICK = Effort(quick=True, seconds=0.0, turns=2, turn=0.0)


@dataclass(frozen=True)
class Race:
    """The seconds that each contestant took for one piece of work, turn by turn."""

    times: Mapping[str, Sequence[float]]

    def seconds(self, name: str) -> float:
        """The median."""
        return statistics.median(self.times[name])

    def longest(self, name: str) -> float:
        """The longest turn."""
        return max(self.times[name])

    def ratio(self, ours: str, peer: str) -> Ratio:
        """How many times faster ours is than the peer, turn by turn."""
        pairs = zip(self.times[ours], self.times[peer], strict=True)
        return statistics.quantiles((p / o for o, p in pairs), n=4, method="inclusive")


def race(contestants: Mapping[str, Work], effort: Effort) -> Race:
    """Let all work in turn, for so long as the effort says.

    Each works once unmeasured, to compile what it compiles, and again before each turn, to have
    its caches, threads and memory back. Who begins changes from round to round.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    with uncollected():
        for work in contestants.values():
            work()
        repeats = {name: _repeats(work, effort.turn) for name, work in contestants.items()}
        until = time.perf_counter() + effort.seconds * len(order)
        while len(times[order[0]]) < effort.turns or time.perf_counter() < until:
            gc.collect()
            for name in order:
                times[name].append(_turn(contestants[name], repeats[name]))
            order = [*order[1:], order[0]]
    return Race(times)


@contextmanager
def uncollected() -> Generator[None]:
    """No garbage collection but the one that is asked for, and that one only of what is new."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _repeats(work: Work, seconds: float) -> int:
    return max(1, round(seconds / _timed(work, 1)))


def _turn(work: Work, repeats: int) -> float:
    time.sleep(REST)
    work()
    return _timed(work, repeats)


def _timed(work: Work, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats
