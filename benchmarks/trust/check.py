"""What a check is: cases that are tried, and how each has ended."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

GOOD = ("the same", "noticed", "harmless", "refused", "as eager", "flat")
"""How a case may end: with the same numbers, with words, or without any effect."""

# Cases that went wrong, of which the words are kept.
_KEPT = 20


class Outcome(NamedTuple):
    """How one case ended."""

    case: str
    """What kind of case it was."""
    end: str
    """One of `GOOD`; anything else is a fault."""
    words: str = ""
    """What was seen, of a fault."""


@dataclass(frozen=True)
class Check:
    """A section of the page: what is tried, how often, and how."""

    name: str
    title: str
    about: str
    """What counts as right, for readers: a paragraph of Markdown."""
    times: int
    """How many cases are tried."""
    quick: int
    """How many are enough to see that it works."""
    run: Callable[[int, random.Random], Iterator[Outcome]]
    """About so many cases, in an order that the generator of random numbers says."""


@final
@dataclass
class Tally:
    """The outcomes of a check, counted."""

    counts: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    faults: list[Outcome] = field(default_factory=list[Outcome])

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.counts.setdefault(outcome.case, Counter())[outcome.end] += 1
        if outcome.end not in GOOD and len(self.faults) < _KEPT:
            self.faults.append(outcome)

    @property
    def tried(self) -> int:
        """Cases in all."""
        return sum(sum(each.values()) for each in self.counts.values())

    @property
    def wrong(self) -> int:
        """Cases that ended in another way than in one of `GOOD`."""
        return sum(
            count for each in self.counts.values() for end, count in each.items() if end not in GOOD
        )

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "counts": {case: dict(each) for case, each in self.counts.items()},
            "faults": [list(each) for each in self.faults],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Tally:
        """What `as_dict` gave."""
        counts = {case: Counter(each) for case, each in values["counts"].items()}
        return cls(counts, [Outcome(*each) for each in values["faults"]])
