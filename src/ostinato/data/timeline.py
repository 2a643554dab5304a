"""The grid that the times of rows are on, and what is not on it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ostinato.data.clock import in_words
from ostinato.data.grids import (
    ANCHORS,
    ROUNDED,
    Months,
    Steps,
    Timeline,
    Timetable,
    day_of_week,
    place_in_month,
)
from ostinato.errors import ArgumentError

_DAY = np.timedelta64(1, "D")
# Share of the rows that must have one place in their month for months to be the steps.
_NEARLY_ALL = 0.9
# Share of the steps with a row, from which on a grid has no gaps to speak of.
_FULL = 0.95
# Share of the steps with a row, from which on weekdays and hours are taken as a timetable; and the
# days that they are seen over, so that a day of the week is missing twice or it is there.
_KEPT, _FORTNIGHT = 0.75, np.timedelta64(14, "D")
# Share of the days on which an hour, or of the weeks in which a day, is there to belong to it.
_OFTEN = 0.25
# Hours of a day of which a timetable is made at most: its minutes.
_HOURS = 1440
# Steps for each row from which on a grid is taken for a mistake; short series may have more.
_SPARSE, _SHORT = 10, 100
# Share of rows beyond a gap as long as all rows, up to which they are taken for a mistake.
_FEW = 0.03

Where = Callable[[int], str]
"""Names the row of the n-th time for an error."""


def place_on_timeline(
    times: np.ndarray, source: str, where: Where | None = None
) -> tuple[Timeline, np.ndarray]:
    """(timeline, numbers [N]) of rising times, dates (M8[us]) or numbers; gaps leave out numbers.

    - Dates of which nearly all are at the same place of their month (the same day, the last one,
      the first or the last weekday) at the same hour go by months.
    - Else the step is the median distance of successive times.
    - Where that leaves gaps and dates keep to some hours, or to some days of the week over more
      than two weeks, those hours of those days are the steps.

    Raises ArgumentError, which names the first time that is not on the grid, or the row that makes
    a grid far larger than the rows; ``source`` names the column, ``where`` the row of a time.
    """
    timeline = find_timeline(times)
    numbers = timeline.numbers(times)
    named = where or (lambda place: "")
    off = np.flatnonzero(np.isnan(numbers))
    if len(off):
        raise _off_grid(times, off, timeline, source, named)
    check_size(times, numbers, timeline, source, named)
    return timeline, numbers.astype(np.int64)


def find_timeline(times: np.ndarray) -> Timeline:
    """The timeline that most of the rising times [N] are on."""
    if times.dtype.kind != "M":
        return _steps(times)
    by_month = _months(times)
    if by_month is not None:
        return by_month
    steps = _steps(times)
    table = None if _fill(steps, times) >= _FULL else _timetable(times)
    return steps if table is None or _fill(table, times) <= _fill(steps, times) else table


def regularity(times: np.ndarray) -> float:
    """The share of steps with a row, of times [N] in any order; 0 where they are on no grid."""
    times = np.unique(times)
    if len(times) < 3:
        return 0.0
    timeline = find_timeline(times)
    return 0.0 if np.isnan(timeline.numbers(times)).any() else _fill(timeline, times)


def _fill(timeline: Timeline, times: np.ndarray) -> float:
    """The share of the steps that have one of the times; 0 where not nearly all are on them."""
    numbers = timeline.numbers(times)
    there = numbers[~np.isnan(numbers)]
    if len(there) < _NEARLY_ALL * len(times):
        return 0.0
    return len(there) / (there[-1] - there[0] + 1)


def _steps(times: np.ndarray) -> Steps:
    """Equal steps, at the place that most times are at."""
    distances = np.sort(np.diff(times))
    step = distances[(len(distances) - 1) // 2]
    if times.dtype.kind == "f":
        step = _refined(times, float(step))
    grid = Steps(times[0], step)
    if np.isnan(grid.numbers(times)).mean() <= 1 - _NEARLY_ALL:
        return grid
    # the first time may itself be off: the commonest place between two steps counts
    rest = (times - times[0]) / step
    places, counts = np.unique(np.round(rest - np.floor(rest), 6), return_counts=True)
    start = int(np.argmax(np.round(rest - np.floor(rest), 6) == places[counts.argmax()]))
    return Steps(times[start] - np.floor(rest[start]) * step, step)


def _refined(times: np.ndarray, step: float) -> float:
    """A step of numbers that are rounded, by all of them where that puts all on a grid."""
    count = np.rint(np.diff(times) / step).sum()
    fine = float(times[-1] - times[0]) / count if count else step
    exact = (times - times[0]) / fine
    return fine if np.abs(exact - np.rint(exact)).max() < ROUNDED else step


def _months(times: np.ndarray) -> Months | None:
    """Months, where nearly all dates have one place in theirs and no month has two."""
    months = times.astype("M8[M]")
    for anchor in ANCHORS:
        within = place_in_month(times, anchor)
        values, counts = np.unique(within, return_counts=True)
        common = values[counts.argmax()]
        if "weekday" in anchor and not np.timedelta64(0, "us") <= common < _DAY:
            continue
        there = months[within == common]
        if counts.max() < _NEARLY_ALL * len(times) or len(np.unique(there)) < max(2, len(there)):
            continue
        if "weekday" in anchor and len(there) < 6:
            continue  # a few dates may all be weekdays by chance
        distances = np.sort(np.diff(there).astype(np.int64))
        return Months(there[0], int(distances[(len(distances) - 1) // 2]), common, anchor)
    return None


def _timetable(times: np.ndarray) -> Timetable | None:
    """Hours and days of the week, where the times keep to them for long enough."""
    days = times.astype("M8[D]")
    hours, hour_counts = np.unique(times - days, return_counts=True)
    day_counts = np.bincount(day_of_week(np.unique(days)), minlength=7)
    hours = hours[hour_counts >= _OFTEN * hour_counts.max()]
    there = day_counts >= _OFTEN * day_counts.max()
    if len(hours) > _HOURS or days[-1] - days[0] < _FORTNIGHT or there.sum() * len(hours) < 2:
        return None
    table = Timetable(np.busday_offset(days[0], 0, roll="forward", weekmask=there.tolist()), 0,
                      tuple(map(bool, there)), tuple(hours))  # fmt: skip
    numbers = table.numbers(times)
    if not _fill(table, times) >= _KEPT:
        return None
    first = int(numbers[~np.isnan(numbers)][0])
    return Timetable(table.start, first, table.days, table.hours)


def _off_grid(
    times: np.ndarray, off: np.ndarray, timeline: Timeline, source: str, where: Where
) -> ArgumentError:
    """The error for times that are on no grid, or of which a few are not on that of the others."""
    remedy = 'Bring the rows to equal steps first, or take them as they come: --time "".'
    if len(off) > (1 - _NEARLY_ALL) * len(times) and len(times) > 10:
        distances = np.diff(times)
        least, most = (Steps(times[0], each) for each in (distances.min(), distances.max()))
        wanted, got = "equally spaced times", f"steps of {least} to {most}"
    else:
        more = f" and {len(off) - 1:,} more" if len(off) > 1 else ""
        wanted = f"equally spaced times, {timeline} apart as most are"
        got = f"{in_words(times[off[0]])}{_at(where(int(off[0])))}{more}"
    return ArgumentError(source, wanted=wanted, got=got, remedy=remedy)


def check_size(
    times: np.ndarray, numbers: np.ndarray, timeline: Timeline, source: str, where: Where
) -> None:
    """Raise ArgumentError for far more steps than rows, which one wrong date makes."""
    rows, steps = len(times), int(numbers[-1] - numbers[0]) + 1
    gaps = np.diff(numbers)
    place = int(gaps.argmax())
    before, after = place + 1, rows - place - 1
    few = min(before, after)
    alone = gaps[place] > max(rows, _SHORT) and few <= max(1, _FEW * rows)
    if not alone and steps <= _SPARSE * rows + _SHORT:
        return
    wrong = place if before < after else place + 1
    others = f" (and {few - 1:,} more)" if few > 1 else ""
    got = f"{rows:,} rows of {steps:,} steps of {timeline}"
    if few <= max(1, _FEW * rows):
        got += f": far from all others is {in_words(times[wrong])}{_at(where(wrong))}{others}"
    raise ArgumentError(
        source,
        wanted="rows at most of the times between the first and the last",
        got=got,
        remedy='Correct the date, or take the rows as they come: --time "".',
    )


def _at(row: str) -> str:
    return f" in {row}" if row else ""
