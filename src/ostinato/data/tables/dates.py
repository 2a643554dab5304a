"""Columns of texts as dates: which form they are written in, and which cells are not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ostinato.data.tables.forms import EPOCHS, EXCEL, Form, Read
from ostinato.data.tables.table import Table
from ostinato.data.timeline import regularity
from ostinato.errors import ArgumentError


def _around(format: str) -> list[str]:
    return [format.replace("-", mark) for mark in "-/."]


FORMATS: tuple[str, ...] = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m", "%Y/%m", "%Y.%m"),
    *(each for form in ("%d-%m-%Y", "%m-%d-%Y", "%m-%Y") for each in _around(form)),
    *(each for form in ("%d-%m-%y", "%m-%d-%y", "%y-%m-%d") for each in _around(form)),
    *("%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%d. %b %Y", "%d%b%Y", "%d %b, %Y", "%b-%d-%Y"),
    *("%d %b %y", "%d-%b-%y", "%d%b%y", "%b %d, %Y", "%b %d %Y", "%Y %b %d", "%Y-%b-%d", "%Y%b%d"),
    *("%b %Y", "%b-%Y", "%b/%Y", "%b, %Y", "%b%Y", "%Y %b", "%Y-%b", "%Y%b", "%b-%y", "%b %y"),
    *("%Y-Q%q", "%YQ%q", "%Y Q%q", "%Y/Q%q", "%Y:Q%q", "%Y-%qQ", "Q%q %Y", "Q%q-%Y", "Q%q/%Y"),
    *("%qQ%Y", "%qQ %Y", "%YH%h", "%Y-H%h", "%Y H%h", "H%h %Y", "%Y-S%h"),
    *("%G-W%V", "%GW%V", "%G W%V", "%G-W%V-%u", "%GW%V%u", "%G/W%V", "W%V %G", "W%V-%G"),
    *("%Y-%j", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M", "%Y%m%dT%H%M%S%z", "%Y%m%d %H%M%S", "%Y%m%d %H%M"),
    *("%YM%m", "%Y-M%m", "%Y:%m", "%d/%b/%Y:%H:%M:%S %z", "%d%b%Y:%H:%M:%S"),
    *("%b %d %H:%M:%S %Y", "%Y年%m月%d日", "%Y年%m月"),
)
"""Forms of dates that are no mere numbers, tried in this order."""

DIGITS: tuple[str, ...] = (
    *("%Y%m%d", "%Y%m", "%Y", "%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d%H", "%Y%j"),
    *("%d%m%Y", "%m%d%Y", "%y%m%d", "%d%m%y", "%m%d%y", *EPOCHS),
)
"""Forms of dates that are numbers too."""

# Forms whose year may as well be a day of an unnamed year.
_MAY_BE_DAYS = ("%b-%y", "%b %y")
# Texts that are looked at before all are read.
_SAMPLE = 200
# Texts of these of which one must fit a form for it to be tried at all.
_FEW = 10
# Share of the texts that a form must read for the column to be one of dates.
_MOST = 0.5
# Share of the steps that have a row, from which on times are regular.
REGULAR = 0.5
# Share of cells that are wrong, up to which another form may still be the right one.
_WRONG = 0.1


@final
@dataclass(frozen=True, eq=False)
class Dates:
    """A column read in a form; ``bad`` [N] are texts that are no date in it, ``empty`` none at all.

    ``reason`` says why this form and not another one that reads the column as well.
    """

    form: Form
    read: Read
    bad: np.ndarray
    empty: np.ndarray
    reason: str = ""

    @property
    def whole(self) -> bool:
        """Whether every text is a date."""
        return not self.bad.any()


def find_dates(texts: Any, formats: Sequence[str]) -> list[Dates]:
    """The forms that read most of the texts, those with the fewest bad ones first."""
    plain = texts.str.strip_chars()
    empty = (plain.is_null() | (plain == "")).fill_null(True).to_numpy()
    sample = plain.filter(~plain.is_null() & (plain != ""))
    if len(sample) > _SAMPLE:
        sample = sample.gather(np.linspace(0, len(sample) - 1, _SAMPLE).astype(int))
    few = sample.head(_FEW).to_list()
    forms = [Form(format) for format in formats if any(map(Form(format).fits, few))]
    found = [
        Dates(form, *_whole(form, plain, empty), empty)
        for form in forms
        if np.isnat(form.read(sample).times).mean() <= 1 - _MOST
    ]
    found = [dates for dates in found if dates.bad.sum() <= (1 - _MOST) * (~empty).sum()]
    return sorted(found, key=lambda dates: int(dates.bad.sum()))


def _whole(form: Form, texts: Any, empty: np.ndarray) -> tuple[Read, np.ndarray]:
    read = form.read(texts)
    return read, np.isnat(read.times) & ~empty


def choose_dates(table: Table, name: str, found: Sequence[Dates]) -> Dates:
    """The form in which a column is read, of those that read most of it.

    Where several read all of it and differ, the one that makes regular steps if no other does.
    Raises ArgumentError where that does not decide, and where the one that fits makes no regular
    steps while another would but for a few cells; both name --date-format.
    """
    whole = list(_different([dates for dates in found if dates.whole]))
    if not whole:
        return found[0]
    if len(whole) == 1:
        _refuse_near(table, name, whole[0], found)
        _refuse_doubtful(table, name, whole[0])
        return whole[0]
    regular = [dates for dates in whole if _regular(dates)]
    if len(regular) == 1:
        others = " or ".join(dates.form.format for dates in whole if dates is not regular[0])
        reason = f"as {others} they would have no regular steps"
        return Dates(regular[0].form, regular[0].read, regular[0].bad, regular[0].empty, reason)
    shown = [f"{in_days(dates.read.times)} as {dates.form.format}" for dates in whole]
    raise ArgumentError(
        table.column(name),
        wanted="dates that can be read in one way",
        got=f"{table[name][0]!r} in {table.row(0)} and on: {', or '.join(shown)}",
        remedy="Say which: "
        + " or ".join(f"--date-format {dates.form.format}" for dates in whole)
        + ".",
    )


def in_days(times: np.ndarray) -> str:
    """The first and the last time as days."""
    there = times[~np.isnat(times)]
    return f"{str(there.min())[:10]} to {str(there.max())[:10]}"


def _different(found: Sequence[Dates]) -> Iterator[Dates]:
    seen: list[np.ndarray] = []
    for dates in found:
        times = dates.read.times
        if not any(np.array_equal(times, other, equal_nan=True) for other in seen):
            seen.append(times)
            yield dates


def _regular(dates: Dates) -> bool:
    times = dates.read.times
    return regularity(times[~np.isnat(times)]) >= REGULAR


def _refuse_doubtful(table: Table, name: str, chosen: Dates) -> None:
    """Raise ArgumentError where a number of dates without regular steps may be something else."""
    format = chosen.form.format
    months = np.unique(chosen.read.times[~np.isnat(chosen.read.times)].astype("M8[M]"))
    if format in _MAY_BE_DAYS and (_days_in_a_row(chosen.read.times) or not _regular(chosen)):
        raise _doubtful(table, name, chosen, f"If it is a year: --date-format '{format}'.")
    quarters = "%m" in format and "%d" not in format and (months.astype(int) % 12 < 4).all()
    if quarters and len(months) > 4 and not _regular(chosen):
        other = f"--date-format {format.replace('%m', '%q')}; else --date-format {format}."
        raise _doubtful(table, name, chosen, f"If it is a quarter: {other}")


def _days_in_a_row(times: np.ndarray) -> bool:
    """Whether the years of dates, taken for days of their months, are days one after another."""
    months = times.astype("M8[M]")
    numbers = months.astype("M8[Y]").astype(int) % 100
    days = (months.astype(int) % 12).astype("M8[M]").astype("M8[D]") + (numbers - 1)
    steps = np.abs(np.diff(days).astype(int))
    return len(steps) > 0 and float(np.median(steps)) == 1


def _doubtful(table: Table, name: str, chosen: Dates, remedy: str) -> ArgumentError:
    return ArgumentError(
        table.column(name),
        wanted="dates that can be read in one way",
        got=f"{table[name][0]!r} in {table.row(0)} and on, which {chosen.form.format} may not fit",
        remedy=remedy,
    )


def _refuse_near(table: Table, name: str, chosen: Dates, found: Sequence[Dates]) -> None:
    """Raise ArgumentError where another form makes regular steps but for a few wrong cells."""
    near = [
        dates
        for dates in found
        if 0 < dates.bad.sum() <= _WRONG * len(table) and dates.form.format not in EPOCHS
    ]
    if not near or _regular(chosen):
        return
    for dates in near:
        if _regular(dates):
            raise ArgumentError(
                table.column(name),
                wanted="dates in regular steps",
                got=f"dates as {chosen.form.format} without any, and as {dates.form.format} but "
                f"for {table.cells(name, np.flatnonzero(dates.bad).tolist())}",
                remedy=f"Correct those, or say --date-format {chosen.form.format}.",
            )


def refuse_dates(table: Table, name: str, dates: Dates) -> ArgumentError:
    """The error for cells of a column of dates that are none."""
    return ArgumentError(
        table.column(name),
        wanted=f"dates such as {_example(table, name, dates)} in every row",
        got=table.cells(name, np.flatnonzero(dates.bad).tolist()),
        remedy="Correct it, leave such rows out, or name the form of all: --date-format.",
    )


def _example(table: Table, name: str, dates: Dates) -> str:
    good = np.flatnonzero(~dates.bad & ~dates.empty)
    return str(table[name][int(good[0])]).strip() if len(good) else dates.form.format


def allowed_formats(name: str) -> tuple[str, ...]:
    """The forms of numbers that a column of this name may be written in."""
    weeks = ("%G%V",) if "week" in name.lower() else ()
    return (*DIGITS, *weeks, EXCEL) if sounds_like_time(name) else DIGITS


_TIME_WORDS = frozenset(
    [
        *("date", "dates", "datum", "fecha", "time", "timestamp", "datetime", "zeit", "when"),
        *("day", "days", "week", "month", "quarter", "year", "yr", "jahr", "period", "step"),
        *("ts", "t", "dt", "ds"),
    ]
)


def sounds_like_time(name: str) -> bool:
    """Whether a word of a column's name tells of times."""
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    return any(word in _TIME_WORDS or word.startswith("date") for word in words)
