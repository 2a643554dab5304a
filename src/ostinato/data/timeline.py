"""Equally spaced times, by the calendar where they are dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ostinato.errors import ArgumentError

_DAY = np.timedelta64(1, "D")
# Microseconds in each unit that a distance is told in, largest first.
_UNITS = {"day": 86_400_000_000, "hour": 3_600_000_000, "minute": 60_000_000, "second": 1_000_000}
# How far from the grid a time that is a number may be, in steps: rounding, no more.
_NEAR = 1e-3


@final
@dataclass(frozen=True)
class Timeline:
    """Times start + n * step: numbers, fixed spans, or whole months of the calendar.

    Of months, ``start`` and ``step`` count months, and ``within`` is the place in the month.
    """

    start: Any
    step: Any
    within: Any = None

    def times(self, first: int, count: int) -> np.ndarray:
        """The times [count] of the steps from number ``first`` on."""
        numbers = np.arange(first, first + count)
        if self.within is None:
            return self.start + numbers * self.step
        return (self.start + numbers * self.step).astype("M8[us]") + self.within

    def __str__(self) -> str:
        """The step in words, such as "1 month"."""
        if self.within is not None:
            return _counted(int(self.step.astype(int)), "month")
        if not isinstance(self.step, np.timedelta64):
            return f"{self.step:.6g}"
        span = int(self.step / np.timedelta64(1, "us"))
        for name, size in _UNITS.items():
            if span % size == 0:
                return _counted(span // size, name)
        return _counted(span, "microsecond")


def place_on_timeline(times: np.ndarray, source: str) -> tuple[Timeline, np.ndarray]:
    """(timeline, numbers [N]) of rising times, dates (M8[us]) or numbers; gaps leave out numbers.

    The step is the median distance of successive times. Dates of which all are on the same day of
    their month at the same hour, or all on the last day, go by months. Raises ArgumentError, which
    names the first time that is not on the grid; ``source`` names the column.
    """
    by_month = _months(times) if times.dtype.kind == "M" else None
    grid, within = (times, None) if by_month is None else by_month
    distances = np.sort(np.diff(grid))
    step = distances[(len(distances) - 1) // 2]
    exact = (grid - grid[0]) / step
    numbers = np.rint(exact)
    off = np.abs(exact - numbers) > _NEAR
    if off.any():
        timeline = Timeline(grid[0], step, within)
        raise ArgumentError(
            source,
            wanted=f"equally spaced times, {timeline} apart as most are",
            got=in_words(times[int(off.argmax())]),
            remedy="Bring the rows to a grid first (polars: group_by_dynamic), or take the rows "
            'as they come with time="".',
        )
    return Timeline(grid[0], step, within), numbers.astype(np.int64)


def in_words(time: Any) -> str:
    """A time without the hours and seconds that are zero: "1958-03-01", "2.5"."""
    return f"{time}".removesuffix(".000000").removesuffix("T00:00:00")


def _months(times: np.ndarray) -> tuple[np.ndarray, np.timedelta64] | None:
    """The months of dates and the place of all within theirs; None where the places differ."""
    for shift in (0 * _DAY, _DAY):  # the last day of a month is one before the next month
        months = (times + shift).astype("M8[M]")
        within = times - months.astype(times.dtype)
        if (within == within[0]).all():
            return months, within[0]
    return None


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
