"""Clocks: how times are told that have a zone."""

import numpy as np
import pytest

from ostinato.data.clock import Clock, in_words
from ostinato.errors import ArgumentError


def utc(text: str) -> np.datetime64:
    return np.datetime64(text, "us")


def test_an_offset_a_zone_and_none() -> None:
    time = utc("2024-07-01T12:00")
    assert in_words(time) == "2024-07-01T12:00:00"
    assert in_words(time, Clock("Z", local=False)) == "2024-07-01T12:00:00Z"
    assert in_words(time, Clock("+05:30", local=False)) == "2024-07-01T17:30:00+05:30"
    assert in_words(time, Clock("-03:00", local=True)) == "2024-07-01T12:00:00-03:00"
    berlin = Clock("Europe/Berlin", local=False)
    assert berlin.tell(time) == "2024-07-01T14:00:00+02:00"
    assert berlin.tell(utc("2024-12-01T12:00")) == "2024-12-01T13:00:00+01:00"
    with pytest.raises(ArgumentError, match="a zone of the time-zone database"):
        Clock("Europe/Berlni", local=False).tell(time)


def test_offsets_that_change() -> None:
    times = np.array(["2024-10-27T00:00", "2024-10-27T01:00"], "M8[us]")
    clock = Clock.of(times, np.array([120.0, 60]), local=False)
    assert [clock.tell(time) for time in times] == [
        "2024-10-27T02:00:00+02:00",
        "2024-10-27T02:00:00+01:00",
    ]
    assert clock.tell(utc("2025-07-01")) == "2025-07-01T01:00:00+01:00"  # nobody knows better
    constant = Clock.of(times, np.array([60.0, 60]), local=False)
    assert constant == Clock("+01:00", local=False)


def test_a_clock_that_goes_on() -> None:
    old, last = Clock("+02:00", local=False), utc("2024-10-26T12:00")
    both = old.then(Clock("+01:00", local=False), last)
    assert both.tell(last) == "2024-10-26T14:00:00+02:00"
    assert both.tell(utc("2024-10-26T13:00")) == "2024-10-26T14:00:00+01:00"
    assert old.then(Clock("+02:00", local=False), last) == old


def test_numbers_without_what_rounding_leaves() -> None:
    assert in_words(np.float64(0.1) * 59) == "5.9"
    assert in_words(np.float64(1955)) == "1955.0"
