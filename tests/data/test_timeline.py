"""Equally spaced times: by the calendar, by the clock, and by number."""

import numpy as np
import pytest

from ostinato.data.timeline import in_words, place_on_timeline
from ostinato.errors import ArgumentError


def dates(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="M8[us]")


@pytest.mark.parametrize(
    ("times", "step", "numbers", "after"),
    [
        (dates("2001-11-01", "2001-12-01", "2002-03-01"), "1 month", [0, 1, 4], "2002-04-01"),
        (dates("2001-01-15T06", "2001-04-15T06"), "3 months", [0, 1], "2001-07-15T06:00:00"),
        (dates("2003-12-31", "2004-01-31", "2004-02-29"), "1 month", [0, 1, 2], "2004-03-31"),
        (dates("1950-01-01", "1951-01-01", "1953-01-01"), "12 months", [0, 1, 3], "1954-01-01"),
        (dates("2001-02-27", "2001-02-28", "2001-03-02"), "1 day", [0, 1, 3], "2001-03-03"),
        (dates("2001-03-02", "2001-03-09", "2001-03-16"), "7 days", [0, 1, 2], "2001-03-23"),
        (dates("2001-01-01T23", "2001-01-02T00"), "1 hour", [0, 1], "2001-01-02T01:00:00"),
        (dates("2001-01-01T00", "2001-01-01T00:15"), "15 minutes", [0, 1], "2001-01-01T00:30:00"),
        (dates("2001-01-01T00:00:00.5", "2001-01-01T00:00:01"), "500000 microseconds", [0, 1],
         "2001-01-01T00:00:01.500000"),
        (np.array([1950.0, 1951, 1954]), "1", [0, 1, 4], "1955.0"),
        (np.linspace(0, 200, 2000), "0.10005", list(range(2000)), None),
        (np.arange(5), "1", [0, 1, 2, 3, 4], "5"),
    ],
)  # fmt: skip
def test_times_find_their_places(times, step: str, numbers: list[int], after: str | None) -> None:
    timeline, found = place_on_timeline(times, "times")
    assert str(timeline) == step
    assert found.tolist() == numbers
    grid = timeline.times(0, numbers[-1] + 1)
    if times.dtype.kind == "M":
        assert (grid[found] == times).all()
    else:
        np.testing.assert_allclose(grid[found], times, atol=1e-9)
    if after is not None:
        assert in_words(timeline.times(numbers[-1] + 1, 1)[0]) == after


def test_a_time_off_the_grid_is_named() -> None:
    times = dates("2001-01-01", "2001-01-02", "2001-01-03", "2001-01-04T07")
    with pytest.raises(ArgumentError, match=r"equally spaced times, 1 day apart .*2001-01-04T07"):
        place_on_timeline(times, "column day of x.csv")
    with pytest.raises(ArgumentError, match=r"got 3\.5\. "):
        place_on_timeline(np.array([0.0, 1, 2, 3.5]), "times")
