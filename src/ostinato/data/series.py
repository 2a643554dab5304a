"""Series: numbers at the steps of a timeline, with gaps, one or many side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np

from ostinato.data.clock import Clock, in_words
from ostinato.data.grids import Timeline
from ostinato.data.known import CALENDAR_WIDTH, NOTHING_KNOWN, KnownInputs, calendar_of
from ostinato.data.timeline import place_on_timeline
from ostinato.errors import ArgumentError, ShapeError


@final
@dataclass(frozen=True, eq=False)
class Series:
    """Values [N, C] at N steps of time, C columns; NaN where a value is missing.

    ``times`` [N] are dates (datetime64) or numbers; ``clock`` tells those that have a zone. Of S
    series in one, ``names`` names them, and their columns stand side by side: all of the first,
    then all of the second, C = S times what each has. ``known`` [N + F, S, K] is what is known of
    these steps and of F more, and ``inputs`` says how it was made. Raises ShapeError where the
    sizes disagree, and ArgumentError for fewer than two steps and for infinite values.
    """

    values: np.ndarray
    columns: tuple[str, ...]
    times: np.ndarray
    clock: Clock | None = None
    names: tuple[str, ...] = ()
    known: np.ndarray | None = None
    inputs: KnownInputs = NOTHING_KNOWN
    key: str = "series"

    def __post_init__(self) -> None:
        wanted = (len(self.times), len(self.columns))
        if self.values.shape != wanted:
            raise ShapeError(
                "values",
                wanted=f"{list(wanted)}, times by columns",
                got=str(list(self.values.shape)),
                remedy="A single column is [N, 1].",
            )
        if len(self) < 2:
            raise ArgumentError("times", wanted="at least two steps", got=str(len(self)))
        if np.isinf(self.values).any():
            row, column = np.argwhere(np.isinf(self.values))[0]
            raise ArgumentError(
                f"column {self.columns[column]}",
                wanted="finite numbers",
                got=f"{self.values[row, column]} at {self.tell(self.times[row])}",
                remedy="Leave out what is missing.",
            )

    def __len__(self) -> int:
        """Steps N."""
        return len(self.times)

    @property
    def num_series(self) -> int:
        """Series S that stand side by side."""
        return max(1, len(self.names))

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the columns that each of the series has."""
        count = len(self.columns) // self.num_series
        own = self.columns[:count]
        if not self.names:
            return own
        return tuple(label.removeprefix(f"{self.names[0]}: ") for label in own)

    @property
    def seen(self) -> np.ndarray:
        """bool [N, C]: which values are there."""
        return ~np.isnan(self.values)

    @cached_property
    def timeline(self) -> Timeline:
        """The grid of the times."""
        return place_on_timeline(self.times, "times")[0]

    def future(self, count: int) -> np.ndarray:
        """The ``count`` times after the last one."""
        return self.timeline.times(len(self), count)

    def tell(self, time: object) -> str:
        """A time in words, with its zone where it has one."""
        return in_words(time, self.clock)

    @property
    def num_known(self) -> int:
        """Numbers K that are known of each step to come."""
        return self.inputs.width + CALENDAR_WIDTH * self.inputs.calendar

    @property
    def num_ahead(self) -> int | None:
        """Steps after the last one of which everything is known that a model reads; None for any
        number, where the calendar alone tells."""
        if not self.inputs.columns:
            return None
        assert self.known is not None
        return len(self.known) - len(self)

    def known_at(self, first: int, count: int) -> np.ndarray:
        """What is known [count, S, K] of the steps from number ``first`` on.

        Raises ArgumentError where the columns end before.
        """
        parts = [np.zeros((count, self.num_series, 0))]
        if self.inputs.columns:
            assert self.known is not None
            there = len(self.known)
            if first + count > there:
                names, last = ", ".join(self.inputs.names), self._told(first + count - 1)
                raise ArgumentError(
                    "steps",
                    wanted=f"{names} known up to {last}",
                    got=f"an end at {self._told(there - 1)}",
                    remedy="Forecast fewer steps, or name a file that has them for times to come.",
                )
            parts.append(self.known[first : first + count])
        if self.inputs.calendar:
            times = self.timeline.times(first, count)
            shown = times if self.clock is None else self.clock.shown(times)
            calendar = calendar_of(shown)[:, None]
            parts.append(np.broadcast_to(calendar, (count, self.num_series, CALENDAR_WIDTH)))
        return np.concatenate(parts, axis=-1)

    def _told(self, number: int) -> str:
        return self.tell(self.timeline.times(number, 1)[0])

    def only(self, numbers: Sequence[int]) -> Series:
        """Some of the series, by their numbers."""
        count = len(self.columns) // self.num_series
        places = [number * count + each for number in numbers for each in range(count)]
        return replace(
            self,
            values=self.values[:, places],
            columns=tuple(self.columns[place] for place in places),
            names=tuple(self.names[number] for number in numbers) if self.names else (),
            known=None if self.known is None else self.known[:, list(numbers)],
        )

    def summary(self) -> str:
        """The size in words."""
        lacking = int((~self.seen).sum())
        gaps = f"; {lacking:,} of {self.values.size:,} values are missing" if lacking else ""
        first, last = self.tell(self.times[0]), self.tell(self.times[-1])
        many = f" of {len(self.names):,} series" if self.names else ""
        return (
            f"{len(self):,} steps of {self.timeline} from {first} to {last}, "
            f"{', '.join(self.targets)}{many}{gaps}"
        )


def label(name: str, target: str) -> str:
    """What a column of one of many series is called."""
    return f"{name}: {target}"
