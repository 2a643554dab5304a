"""The forms in which dates are written, each a format with directives as strptime has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np

from ostinato.errors import ArgumentError

# The pattern of each directive; those of a fixed number of digits may stand without separators.
# %q, a quarter, is ours, and so is %h, a half-year; the others are those of strptime.
_DIRECTIVES = {
    "Y": r"[0-9]{4}",
    "G": r"[0-9]{4}",
    "y": r"[0-9]{2}",
    "m": r"[0-9]{1,2}",
    "d": r"[0-9]{1,2}",
    "b": r"[A-Za-z]{3,9}\.?",
    "q": r"[1-4]",
    "h": r"[12]",
    "V": r"[0-9]{1,2}",
    "u": r"[1-7]",
    "j": r"[0-9]{3}",
    "H": r"[0-9]{1,2}",
    "M": r"[0-9]{2}",
    "S": r"[0-9]{2}",
    "f": r"[0-9]{1,9}",
    "p": r"[AaPp]\.?[Mm]\.?",
    "z": r"Z|z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}|[+-][0-9]{2}",
    "a": r"[A-Za-z]{3,9}\.?,?",
}
_SAME = {"B": "b", "I": "H", "A": "a", "e": "d"}
_TWO_DIGITS = {"m", "d", "V", "H"}
_TIME = frozenset("HMSfpz")

# A time of day that may follow a date; the hour may stand alone.
_CLOCK = (
    r"(?:(?:\s*[T_,]\s*|\s+)(?P<H>[0-9]{1,2})(?:[:.](?P<M>[0-9]{2})(?:[:.](?P<S>[0-9]{2})"
    r"(?:[.,](?P<f>[0-9]{1,9}))?)?)?(?:\s*(?P<p>[AaPp]\.?[Mm]\.?))?"
    rf"(?:\s*(?P<z>{_DIRECTIVES['z']}))?)?"
)
_WEEKDAY = r"(?:(?i:mon|tue|wed|thu|fri|sat|sun)[A-Za-z]*\.?,?\s+)?"

EPOCHS = {"epoch-s": 1_000_000, "epoch-ms": 1_000, "epoch-us": 1, "epoch-ns": 1}
"""Formats of numbers that count from 1970, and the microseconds of one."""
EXCEL = "excel"
"""The format of days since 1899-12-30, as spreadsheets count them."""

_MONTHS = {
    name: number + 1
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    )
}
_LONG_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december", "sept"),
)
# Years of two digits, as POSIX reads them: 69 to 99 are of the last century.
_PIVOT = 69


@final
@dataclass(frozen=True, eq=False)
class Read:
    """Dates read from texts: ``times`` M8[us] [N] by the clock that they show, NaT where a text is
    none; ``offsets`` [N], minutes from UTC, NaN where a text names none."""

    times: np.ndarray
    offsets: np.ndarray


@final
@dataclass(frozen=True)
class Form:
    """A format such as ``%d/%m/%Y``; a time of day may follow where it has none of its own."""

    format: str

    @property
    def pattern(self) -> str:
        """The pattern of a whole text, with a group for each part.

        Raises ArgumentError for a format that cannot be.
        """
        return _pattern(self.format)

    def fits(self, text: str) -> bool:
        """Whether a text may be in this form, before the ranges of its parts are looked at."""
        if self.format in EPOCHS or self.format == EXCEL:
            return text[:1].isdigit()
        return re.match(self.pattern, text) is not None

    def read(self, texts: Any) -> Read:
        """The dates of a column of texts."""
        if self.format in EPOCHS or self.format == EXCEL:
            return _read_counts(texts, self.format)
        groups = texts.str.extract_groups(self.pattern).struct.unnest()
        parts = {name: groups[name] for name in groups.columns}
        return _assemble(parts, len(texts))


@cache
def _pattern(format: str) -> str:
    made, names = _translate(format)
    if not {"Y", "y", "G"} & set(names):
        raise _no_format(format, "no year (%Y or %y)")
    if len(set(names)) < len(names):
        raise _no_format(format, "a part twice")
    clock = "" if _TIME & set(names) else _CLOCK
    weekday = "" if "a" in names else _WEEKDAY
    return rf"^\s*{weekday}{made}{clock}\s*$"


def check_format(written: str) -> Form:
    """The form of a format that the user gives."""
    form = Form(written)
    if written not in EPOCHS and written != EXCEL:
        form.pattern  # noqa: B018  (it is checked when it is made)
    return form


def _translate(written: str) -> tuple[str, list[str]]:
    """A format as a pattern, and its directives in order."""
    made, names, place = "", list[str](), 0
    pieces = re.split(r"(%-?.)", written)
    for number, piece in enumerate(pieces):
        place += 1
        if not re.fullmatch(r"%-?.", piece):
            made += re.sub(r"(\\? )+", r"\\s+", re.escape(piece))
            continue
        name = _SAME.get(piece[-1], piece[-1])
        if piece[-1] == "%":
            made += "%"
            continue
        if name not in _DIRECTIVES:
            raise _no_format(written, f"the directive {piece}")
        # without a separator only a fixed number of digits tells where a part ends
        alone = (number == 1 or pieces[number - 1]) and (
            number + 2 >= len(pieces) or pieces[number + 1]
        )
        digits = r"[0-9]{2}" if name in _TWO_DIGITS and not alone else _DIRECTIVES[name]
        made += f"(?P<{name}>{digits})"
        names.append(name)
    return made, names


def _no_format(written: str, got: str) -> ArgumentError:
    return ArgumentError(
        "date_format",
        wanted="a format such as %d/%m/%Y or %Y-%m-%d %H:%M, or one of "
        f"{', '.join((*EPOCHS, EXCEL))}",
        got=f"{written!r}, with {got}",
    )


def _assemble(parts: dict[str, Any], count: int) -> Read:
    """Times of the parts of dates; NaT where one is beyond its range."""
    numbers = {name: _integers(column) for name, column in parts.items() if name not in "bpzaf"}
    good = np.ones(count, dtype=bool)
    day = _days(numbers, parts, good)
    clock = _clock(numbers, parts, good)
    with np.errstate(invalid="ignore"):
        times = day.astype("M8[us]") + clock
    times[~good] = np.datetime64("NaT")
    offsets = _offsets(parts["z"], count) if "z" in parts else np.full(count, np.nan)
    return Read(times, offsets)


def _integers(column: Any) -> np.ndarray:
    """Digits as numbers, -1 where there are none."""
    return column.cast(int, strict=False).fill_null(-1).to_numpy().astype(np.int64)


def _days(numbers: dict[str, np.ndarray], parts: dict[str, Any], good: np.ndarray) -> np.ndarray:
    """The day [N] of each date, clearing ``good`` where there is none."""
    count = len(good)
    if "y" in numbers:
        year = numbers["y"] + np.where(numbers["y"] < _PIVOT, 2000, 1900)
        good &= numbers["y"] >= 0
    else:
        year = numbers["G" if "G" in numbers else "Y"]
    good &= (year >= 1000) & (year <= 9999)
    if "V" in numbers:
        return _week(year, numbers["V"], numbers.get("u", np.ones(count, np.int64)), good)
    if "j" in numbers:
        first = _from_month(np.where(good, year, 1970), np.ones(count, np.int64))
        day = first.astype("M8[D]") + (numbers["j"] - 1)
        good &= (numbers["j"] >= 1) & (day.astype("M8[Y]") == first.astype("M8[Y]"))
        return day
    month = _month(numbers, parts, count)
    good &= (month >= 1) & (month <= 12)
    begin = _from_month(np.where(good, year, 1970), np.where(good, month, 1))
    day = numbers.get("d", np.ones(count, np.int64))
    made = begin.astype("M8[D]") + (day - 1)
    good &= (day >= 1) & (made.astype("M8[M]") == begin)
    return made


def _month(numbers: dict[str, np.ndarray], parts: dict[str, Any], count: int) -> np.ndarray:
    if "b" in parts:
        return month_numbers(parts["b"])
    if "q" in numbers:
        return 3 * numbers["q"] - 2
    if "h" in numbers:
        return 6 * numbers["h"] - 5
    return numbers.get("m", np.ones(count, np.int64))


def month_numbers(names: Any) -> np.ndarray:
    """The numbers [N] of months by their English names, -1 for other texts."""
    known = {name: _month_of(name) for name in names.unique().to_list()}
    return np.fromiter((known[name] for name in names.to_list()), np.int64, len(names))


def _month_of(name: str | None) -> int:
    plain = (name or "").strip().rstrip(".").lower()
    known = len(plain) == 3 or plain in _LONG_MONTHS
    return _MONTHS.get(plain[:3], -1) if known else -1


def _from_month(year: np.ndarray, month: np.ndarray) -> np.ndarray:
    return ((year - 1970) * 12 + month - 1).astype("M8[M]")


def _week(year: np.ndarray, week: np.ndarray, day: np.ndarray, good: np.ndarray) -> np.ndarray:
    """The day of an ISO week: week 1 has 4 January, and a week begins on Monday."""
    fourth = (
        _from_month(np.where(good, year, 1970), np.ones(len(year), np.int64)).astype("M8[D]") + 3
    )
    first = fourth - (fourth.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    made = first + (7 * (week - 1) + day - 1)
    thursday = first + (7 * (week - 1) + 3)
    good &= (week >= 1) & (day >= 1) & (thursday.astype("M8[Y]") == fourth.astype("M8[Y]"))
    return made


def _clock(numbers: dict[str, np.ndarray], parts: dict[str, Any], good: np.ndarray) -> np.ndarray:
    """The time of day [N] in microseconds; 24:00 is the end of the day."""
    none = np.full(len(good), -1)
    hour, minute = numbers.get("H", none), numbers.get("M", none)
    second = numbers.get("S", none)
    hours = np.maximum(hour, 0)
    if "p" in parts:
        said = parts["p"].str.to_lowercase().str.head(1).fill_null("").to_numpy()
        twelve = said != ""
        good &= ~twelve | ((hour >= 1) & (hour <= 12))
        hours = np.where(twelve, hour % 12 + np.where(said == "p", 12, 0), hours)
        # an hour alone is one where it says which half of the day it is of
    rest = np.maximum(minute, 0) * 60 + np.maximum(second, 0)
    good &= (minute < 60) & (second < 60) & ((hours < 24) | ((hours == 24) & (rest == 0)))
    micro = np.zeros(len(good), np.int64)
    if "f" in parts:
        digits = parts["f"].fill_null("").str.head(6).str.pad_end(6, "0")
        micro = _integers(digits)
    return ((hours * 3600 + rest) * 1_000_000 + micro).astype("m8[us]")


def _offsets(column: Any, count: int) -> np.ndarray:
    """Minutes from UTC [N], NaN where none is named."""
    found = {text: _minutes(text) for text in column.unique().to_list()}
    return np.fromiter((found[text] for text in column.to_list()), float, count)


def _minutes(text: str | None) -> float:
    if not text:
        return np.nan
    if text[0] not in "+-":
        return 0.0
    digits = text[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return float(-minutes if text[0] == "-" else minutes)


# The years in which numbers that count from 1970 or 1899 are taken for times.
_FIRST, _LAST = np.datetime64("1975-01-01", "us"), np.datetime64("2100-01-01", "us")
_DIGITS = {"epoch-s": (9, 10), "epoch-ms": (12, 13), "epoch-us": (15, 16), "epoch-ns": (18, 19)}


def _read_counts(texts: Any, kind: str) -> Read:
    """Numbers that count seconds, thousandths and so on since 1970, or days since 1899."""
    low, high = _DIGITS.get(kind, (5, 5))
    whole = texts.str.strip_chars().str.extract_groups(
        rf"^(?P<n>[0-9]{{{low},{high}}})(?:\.(?P<r>[0-9]+))?$"
    )
    whole = whole.struct.unnest()
    number = _integers(whole["n"])
    rest = ("0." + whole["r"].fill_null("0")).cast(float).to_numpy()
    if kind == EXCEL:
        micro = number * 86_400_000_000 + np.rint(rest * 86_400).astype(np.int64) * 1_000_000
        times = np.datetime64("1899-12-30", "us") + micro.astype("m8[us]")
    elif kind == "epoch-ns":
        times = np.datetime64(0, "us") + (number // 1000).astype("m8[us]")
    else:
        size = EPOCHS[kind]
        micro = number * size + np.rint(rest * size).astype(np.int64)
        times = np.datetime64(0, "us") + micro.astype("m8[us]")
    bad = (number < 0) | (times < _FIRST) | (times > _LAST)
    times[bad] = np.datetime64("NaT")
    offsets = np.full(len(times), np.nan if kind == EXCEL else 0.0)
    return Read(times, offsets)
