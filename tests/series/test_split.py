"""Where a series is split, and what is found out by itself."""

import numpy as np
import pytest
from short_series import months, noise

from ostinato.data import Series
from ostinato.data.timeline import place_on_timeline
from ostinato.errors import ArgumentError
from ostinato.series import ForecastSettings, Split, resolve, split, usual_season


def test_three_parts_in_the_order_of_time() -> None:
    assert split(noise(100), 0.3) == Split(70, 85, 100)
    assert "validated from 2007-01-01 on" in split(months(), 0.3).summary(months())


@pytest.mark.parametrize(
    ("start", "step", "season"),
    [
        ("2000-01", np.timedelta64(1, "M"), 12),
        ("2000-01", np.timedelta64(3, "M"), 4),
        ("2000-01", np.timedelta64(12, "M"), 1),
        ("2000-01-01", np.timedelta64(1, "D"), 7),
        ("2000-01-01", np.timedelta64(7, "D"), 52),
        ("2000-01-01T00", np.timedelta64(1, "h"), 24),
        ("2000-01-01T00:00", np.timedelta64(30, "m"), 48),
        ("2000-01-01T00:00:00", np.timedelta64(7, "s"), 1),
    ],
)
def test_the_calendar_tells_the_season(start: str, step: np.timedelta64, season: int) -> None:
    times = (np.datetime64(start) + np.arange(40) * step).astype("M8[us]")
    assert usual_season(place_on_timeline(times, "times")[0]) == season


def test_numbers_tell_no_season() -> None:
    assert usual_season(noise().timeline) == 1


def test_what_is_left_open_is_found_out() -> None:
    found = resolve(months(), ForecastSettings())
    assert (found.season, found.horizon) == (12, 9)  # half of the validation part
    assert resolve(months(), found) == found
    # numbers round a mean are read as they are, a walk as its steps
    steady = np.random.default_rng(0).normal(5, 1, size=(200, 1))
    assert resolve(Series(steady, ("a",), np.arange(200)), ForecastSettings()).difference == 0
    walk = Series(steady.cumsum(axis=0), ("a",), np.arange(200))
    assert resolve(walk, ForecastSettings()).difference == 1


def test_the_difference_is_chosen_without_a_look_at_the_test_part() -> None:
    series = months()
    changed = series.values.copy()
    changed[split(series, 0.3).test :] = -1e6
    other = Series(changed, series.columns, series.times)
    assert resolve(series, ForecastSettings()) == resolve(other, ForecastSettings())


def test_what_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"held_out: wanted at least 25 steps: .*, got 20"):
        split(noise(20), 0.3)
    empty = noise()
    empty.values[84:102] = np.nan
    with pytest.raises(ArgumentError, match="wanted values in the validation part, got none"):
        split(empty, 0.3)
    with pytest.raises(ArgumentError, match="horizon: wanted at most the 18 steps"):
        resolve(noise(), ForecastSettings(horizon=19))
    with pytest.raises(ArgumentError, match="difference: wanted fewer steps than the 84"):
        resolve(noise(), ForecastSettings(difference=84))
