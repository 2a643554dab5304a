"""The clock by which times are told: none, an offset from UTC, or a zone with summer time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self, final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from ostinato.errors import ArgumentError


@final
@dataclass(frozen=True)
class Clock:
    """How times are told that have a zone.

    ``zone`` is "Z", an offset such as "+01:00", or a name such as "Europe/Berlin". With ``local``
    the times are those that the clock shows, as suits steps of a day or more; else they are UTC.
    ``changes`` are (time, minutes from UTC from then on), where a file has more than one offset;
    the last counts for all times to come.
    """

    zone: str
    local: bool
    changes: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, times: np.ndarray, offsets: np.ndarray, *, local: bool) -> Self:
        """The clock of times [N], as ``local`` says, with their offsets [N] in minutes."""
        order = np.argsort(times, kind="stable")
        times, offsets = times[order], offsets[order]
        begins = np.flatnonzero(np.diff(offsets, prepend=np.nan) != 0)
        changes = tuple((str(times[place]), float(offsets[place])) for place in begins)
        return cls(offset_words(offsets[-1]), local, changes if len(changes) > 1 else ())

    def then(self, later: Clock, last: Any) -> Clock:
        """The clock of these times, of which ``last`` is the last, and of those of ``later``."""
        if self.zone == later.zone and not self.changes and not later.changes:
            return later
        own = self.changes or ((str(np.datetime64("1000", "us")), self._minutes(last)),)
        begin = last + np.timedelta64(1, "us")
        after = [each for each in later.changes if np.datetime64(each[0]) > begin]
        return Clock(later.zone, self.local, (*own, (str(begin), later._minutes(begin)), *after))

    def _minutes(self, time: Any) -> float:
        return self._offset(time).total_seconds() / 60

    def shown(self, times: np.ndarray) -> np.ndarray:
        """What the clock shows at times [N]."""
        if self.local or not len(times):
            return times
        moved = np.array([self._offset(time) for time in times], dtype="m8[s]")
        return times + moved

    def tell(self, time: Any) -> str:
        """A time with its zone: "2024-11-05T17:00:00+01:00"."""
        shown = self.shown(np.array([time]))[0]
        text = f"{shown}".removesuffix(".000000")
        return text + ("Z" if self.zone == "Z" else _written(self._offset(time)))

    def _offset(self, time: Any) -> timedelta:
        if self.changes:
            since = [np.datetime64(begin) for begin, _ in self.changes]
            place = max(0, int(np.searchsorted(since, time, side="right")) - 1)
            return timedelta(minutes=self.changes[place][1])
        moment = time.astype("M8[us]").item()
        zone = zone_of(self.zone)
        if self.local:
            return moment.replace(tzinfo=zone).utcoffset() or timedelta()
        return moment.replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()


def zone_of(name: str) -> tzinfo:
    """The zone of a name or of an offset. Raises ArgumentError for another name."""
    if name in ("Z", "UTC"):
        return UTC
    if name[0] in "+-":
        return datetime.strptime(name, "%z").tzinfo or UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ArgumentError(
            "zone", wanted="a zone of the time-zone database of this system", got=repr(name)
        ) from error


def offset_words(minutes: float) -> str:
    """An offset in minutes as "+01:00"."""
    return _written(timedelta(minutes=minutes))


def _written(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def in_words(time: Any, clock: Clock | None = None) -> str:
    """A time without the hours and seconds that are zero: "1958-03-01", "2.5"; with its zone."""
    if clock is not None:
        return clock.tell(time)
    if isinstance(time, float):  # np.float64 is one; without what rounding leaves
        return str(float(f"{time:.12g}"))
    return f"{time}".removesuffix(".000000").removesuffix("T00:00:00")
