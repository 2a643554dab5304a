"""A series in a file, and joined with newer values."""

from pathlib import Path

import numpy as np
import pytest
from short_series import months, noise

from ostinato.data import Series
from ostinato.errors import ArgumentError
from ostinato.series import joined, load_series, save_series


def part(series: Series, first: int, last: int) -> Series:
    return Series(series.values[first:last], series.columns, series.times[first:last])


@pytest.mark.parametrize("series", [noise(), months()], ids=["numbers", "months"])
def test_a_file_gives_the_series_back(tmp_path: Path, series: Series) -> None:
    save_series(series, tmp_path / "series.npz")
    found = load_series(tmp_path / "series.npz")
    np.testing.assert_array_equal(found.values, series.values)
    np.testing.assert_array_equal(found.times, series.times)
    assert found.times.dtype == series.times.dtype
    assert found.columns == series.columns


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"PK\x03\x04nothing"):
        (tmp_path / "series.npz").write_bytes(content)
        with pytest.raises(ArgumentError, match=r"series\.npz: wanted the series of a run"):
            load_series(tmp_path / "series.npz")


@pytest.mark.parametrize("first", [0, 90, 100])
def test_newer_months_all_or_the_last_or_the_next(first: int) -> None:
    whole = months()
    found = joined(part(whole, 0, 100), part(whole, first, 120), "new.csv")
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.times, whole.times)


def test_newer_values_count_and_what_lies_between_is_missing() -> None:
    whole = months()
    revised = part(whole, 98, 110)
    revised.values[0] = 7
    assert joined(part(whole, 0, 100), revised, "new.csv").values[98] == 7
    found = joined(part(whole, 0, 100), part(whole, 105, 120), "new.csv")
    assert len(found) == 120
    np.testing.assert_array_equal(np.flatnonzero(~found.seen[:, 0]), range(100, 105))


def test_rows_without_times_go_on() -> None:
    whole = noise(gaps=False)
    newer = Series(whole.values[100:], whole.columns, np.arange(20))
    found = joined(part(whole, 0, 100), newer, "new.csv")
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.times, whole.times)


def test_what_does_not_fit_is_refused() -> None:
    whole = months()
    old = part(whole, 0, 100)
    with pytest.raises(ArgumentError, match=r"new\.csv: wanted values after 2008-04-01"):
        joined(old, part(whole, 0, 90), "new.csv")
    with pytest.raises(ArgumentError, match="wanted the columns sales, got c0"):
        joined(old, noise(columns=1), "new.csv")
    numbers = Series(whole.values, ("sales",), np.arange(120))
    with pytest.raises(ArgumentError, match="wanted times such as 2008-04-01, got 0"):
        joined(old, numbers, "new.csv")
    shifted = Series(whole.values, ("sales",), whole.times + np.timedelta64(5, "D"))
    with pytest.raises(ArgumentError, match="wanted equally spaced times"):
        joined(old, shifted, "new.csv")
