"""The steps of a series: equal spans, months of the calendar, or hours of some weekdays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

_DAY = np.timedelta64(1, "D")
# Microseconds in each unit that a distance is told in, largest first.
_UNITS = {"day": 86_400_000_000, "hour": 3_600_000_000, "minute": 60_000_000, "second": 1_000_000}
# How far from the grid a time may be, in steps: a date, and a number that is rounded.
_NEAR, ROUNDED = 1e-3, 2e-2
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Timeline(ABC):
    """The times of the steps of a series, from step 0 on without an end."""

    @abstractmethod
    def times(self, first: int, count: int) -> np.ndarray:
        """The times [count] of the steps from number ``first`` on."""

    @abstractmethod
    def numbers(self, times: np.ndarray) -> np.ndarray:
        """The numbers of the steps at times [N], as floats; NaN for a time that is none's."""

    @abstractmethod
    def __str__(self) -> str:
        """The step in words, such as "1 month"."""

    @property
    @abstractmethod
    def season(self) -> int:
        """The steps of a year, a week or a day, as the distance of the times suggests; or 1."""


@final
@dataclass(frozen=True)
class Steps(Timeline):
    """Times start + n * step: numbers, or dates (M8[us]) and a span of time."""

    start: Any
    step: Any

    def times(self, first: int, count: int) -> np.ndarray:
        return self.start + np.arange(first, first + count) * self.step

    def numbers(self, times: np.ndarray) -> np.ndarray:
        exact = (times - self.start) / self.step
        near = np.rint(exact)
        most = _NEAR if isinstance(self.step, np.timedelta64) else ROUNDED
        return np.where(np.abs(exact - near) > most, np.nan, near)

    def __str__(self) -> str:
        if not isinstance(self.step, np.timedelta64):
            return f"{self.step:.6g}"
        return _span(int(self.step / np.timedelta64(1, "us")))

    @property
    def season(self) -> int:
        if not isinstance(self.step, np.timedelta64):
            return 1
        hours = self.step / np.timedelta64(1, "h")
        if hours == 24 * 7:
            return 52
        return _whole(24 * 7, hours) if hours == 24 else _whole(24, hours)


def _weekday(days: np.ndarray, offset: int) -> np.ndarray:
    return np.busday_offset(days, offset, roll="forward")


# Days of a month from which times in it are counted, by their name.
ANCHORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "": lambda months: months.astype("M8[D]"),
    "last day": lambda months: (months + 1).astype("M8[D]") - _DAY,
    "first weekday": lambda months: _weekday(months.astype("M8[D]"), 0),
    "last weekday": lambda months: _weekday((months + 1).astype("M8[D]"), -1),
}


@final
@dataclass(frozen=True)
class Months(Timeline):
    """Every month, or every so many: ``within`` after the day that ``anchor`` names."""

    start: np.datetime64
    step: int
    within: np.timedelta64
    anchor: str = ""

    def times(self, first: int, count: int) -> np.ndarray:
        months = self.start + np.arange(first, first + count) * self.step
        return ANCHORS[self.anchor](months).astype("M8[us]") + self.within

    def numbers(self, times: np.ndarray) -> np.ndarray:
        months = times.astype("M8[M]")
        exact = (months - self.start).astype(np.int64) / self.step
        fits = place_in_month(times, self.anchor) == self.within
        return np.where(fits & (exact == np.rint(exact)), exact, np.nan)

    def __str__(self) -> str:
        at = f" at the {self.anchor}" if "weekday" in self.anchor else ""
        return _counted(self.step, "month") + at

    @property
    def season(self) -> int:
        return _whole(12, self.step)


@final
@dataclass(frozen=True)
class Timetable(Timeline):
    """The same hours, of some days of the week: business days, the hours of an exchange.

    Step 0 is at the hour number ``first`` of the day ``start``; ``days`` are seven truths, Monday
    first, and ``hours`` times of day, rising.
    """

    start: np.datetime64
    first: int
    days: tuple[bool, ...]
    hours: tuple[np.timedelta64, ...]

    def times(self, first: int, count: int) -> np.ndarray:
        day, hour = np.divmod(np.arange(first, first + count) + self.first, len(self.hours))
        days = np.busday_offset(self.start, day, roll="forward", weekmask=list(self.days))
        return days.astype("M8[us]") + np.array(self.hours)[hour]

    def numbers(self, times: np.ndarray) -> np.ndarray:
        days, hours = times.astype("M8[D]"), np.array(self.hours)
        within = times - days
        hour = np.minimum(np.searchsorted(hours, within), len(hours) - 1)
        number = np.busday_count(self.start, days, weekmask=list(self.days)) * len(hours) + hour
        fits = (hours[hour] == within) & np.array(self.days)[day_of_week(days)]
        return np.where(fits, number - self.first, np.nan)

    def __str__(self) -> str:
        days = self._days()
        if len(self.hours) == 1:
            return f"1 {days}" if days == "business day" else f"1 day of {days}"
        distance = np.diff(np.array(self.hours))
        step = _span(int(np.median(distance).astype("m8[us]").astype(int)))
        first, last = (_clock(self.hours[place]) for place in (0, -1))
        of = "" if all(self.days) else f" of {days}s" if days == "business day" else f" of {days}"
        return f"{step}{of}, {first} to {last}"

    def _days(self) -> str:
        if self.days == (True,) * 5 + (False,) * 2:
            return "business day"
        return ", ".join(name for name, there in zip(_WEEKDAYS, self.days, strict=True) if there)

    @property
    def season(self) -> int:
        return len(self.hours) if len(self.hours) > 1 else sum(self.days)


def place_in_month(times: np.ndarray, anchor: str) -> np.ndarray:
    """How long [N] times are after the day of their month that an anchor names."""
    return times - ANCHORS[anchor](times.astype("M8[M]")).astype("M8[us]")


def day_of_week(days: np.ndarray) -> np.ndarray:
    """0 for Monday to 6 for Sunday [N]."""
    return (days.astype("M8[D]").astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday


def _span(micro: int) -> str:
    for name, size in _UNITS.items():
        if micro % size == 0:
            return _counted(micro // size, name)
    return _counted(micro, "microsecond")


def _clock(time: np.timedelta64) -> str:
    return str(np.datetime64(0, "us") + time)[11:16]


def _whole(period: float, step: float) -> int:
    steps = period / step
    return int(steps) if steps == int(steps) else 1


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
