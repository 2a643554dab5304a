"""Two pieces of work in turn, so that a machine whose speed drifts treats both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Comparison:
    """Median seconds of ours and of the peer, and how many times faster ours is, run by run."""

    ours: float
    peer: float
    ratios: tuple[float, ...]

    @property
    def speedup(self) -> float:
        """Median over the pairs of runs of peer / ours; above 1, ours is faster."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> str:
        """The middle half of the ratios: the noise of the machine."""
        low, _, high = statistics.quantiles(self.ratios, n=4)
        return f"{low:.2f} to {high:.2f}"


def compare(ours: Work, peer: Work, *, pairs: int = 15, seconds: float = 0.05) -> Comparison:
    """Run the two in turn, each often enough at a time to take about so many seconds."""
    ours_times, peer_times = [], []
    repeats = _repeats(ours, seconds), _repeats(peer, seconds)
    for number in range(pairs):
        # who goes first alternates: the second finds warmer caches
        if number % 2:
            peer_times.append(_timed(peer, repeats[1]))
            ours_times.append(_timed(ours, repeats[0]))
        else:
            ours_times.append(_timed(ours, repeats[0]))
            peer_times.append(_timed(peer, repeats[1]))
    ratios = tuple(p / o for o, p in zip(ours_times, peer_times, strict=True))
    return Comparison(statistics.median(ours_times), statistics.median(peer_times), ratios)


def _repeats(work: Work, seconds: float) -> int:
    work()
    return max(1, round(seconds / _timed(work, 1)))


def _timed(work: Work, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats
