"""Dates as people write them, and as a standard does."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import numpy as np

from ostinato.errors import ArgumentError

FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
"""A hundred years, so that two digits tell the year."""

_DAYS = (LAST - FIRST).days + 1
_WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def _ordinal(day: int) -> str:
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _month(date: datetime.date) -> str:
    return _MONTHS[date.month - 1]


def _weekday(date: datetime.date) -> str:
    return _WEEKDAYS[date.weekday()]


# A day before a point, a month before a stroke, as in Europe and in America.
FORMS: tuple[Callable[[datetime.date], str], ...] = (
    lambda d: f"{d.day} {_month(d)} {d.year}",
    lambda d: f"{_month(d)} {d.day}, {d.year}",
    lambda d: f"{_month(d)[:3]} {d.day} {d.year}",
    lambda d: f"{_month(d)} {_ordinal(d.day)}, {d.year}",
    lambda d: f"the {_ordinal(d.day)} of {_month(d)} {d.year}",
    lambda d: f"{_weekday(d)}, {d.day} {_month(d)} {d.year}",
    lambda d: f"{_weekday(d)[:3]} {_month(d)[:3]} {d.day} {d.year}",
    lambda d: f"{d.day}-{_month(d)[:3]}-{d.year % 100:02d}",
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: f"{d.day:02d}.{d.month:02d}.{d.year % 100:02d}",
    lambda d: f"{d.month}/{d.day}/{d.year}",
    lambda d: f"{d.month:02d}/{d.day:02d}/{d.year % 100:02d}",
    lambda d: f"{d.year}/{d.month:02d}/{d.day:02d}",
)
"""The ways in which a date is written."""


def dates(num_pairs: int = 10_000, *, seed: int = 0) -> list[tuple[str, str]]:
    """Pairs such as ("Sunday, 3 May 1998", "1998-05-03"): different days from 1950 to 2049.

    Each is written in one of thirteen `FORMS`, drawn by the seed, in lower case for every second
    one on average; wanted is ISO 8601. As no day comes twice, none that is held out is among those
    that are learned. Raises ArgumentError for more than the 36525 days that there are.
    """
    if num_pairs > _DAYS:
        raise ArgumentError(
            "num_pairs", wanted=f"at most the {_DAYS} days of a hundred years", got=str(num_pairs)
        )
    generator = np.random.default_rng(seed)
    days = generator.permutation(_DAYS)[:num_pairs]
    forms = generator.integers(len(FORMS), size=num_pairs)
    lower = generator.integers(2, size=num_pairs)
    pairs: list[tuple[str, str]] = []
    for day, form, small in zip(days.tolist(), forms.tolist(), lower.tolist(), strict=True):
        date = FIRST + datetime.timedelta(day)
        written = FORMS[form](date)
        pairs.append((written.lower() if small else written, date.isoformat()))
    return pairs
