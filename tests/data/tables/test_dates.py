"""Dates in the forms in which people write them, and which form a column has."""

import datetime
import re

import numpy as np
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.data.tables.dates import (
    DIGITS,
    FORMATS,
    choose_dates,
    find_dates,
    sounds_like_time,
)
from ostinato.data.tables.forms import EPOCHS, EXCEL, Form, check_format
from ostinato.data.tables.table import Table
from ostinato.errors import ArgumentError

MOMENTS = st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2068, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)
# what strftime of Python has too
KNOWN = [
    form
    for form in (*FORMATS, *DIGITS)
    if form not in EPOCHS and not {"%q", "%h", "%z"} & set(re.findall("%.", form))
]


def read(texts: list[str], form: str) -> list[str | None]:
    times = Form(form).read(polars.Series(texts)).times
    return [None if np.isnat(time) else str(time)[:19] for time in times]


@settings(deadline=None)
@given(moment=MOMENTS, form=st.sampled_from(KNOWN))
def test_what_python_writes_in_a_form_is_read_by_it(moment: datetime.datetime, form: str) -> None:
    """To the parts that the form has; a week without a day begins on Monday."""
    text = moment.strftime(form)
    if "%V" in form:
        year, week, day = moment.isocalendar()
        date = datetime.date.fromisocalendar(year, week, day if "%u" in form else 1)
        wanted = datetime.datetime.combine(date, datetime.time())
    else:
        wanted = datetime.datetime.strptime(text, form)
    assert read([text], form) == [wanted.isoformat()]


@settings(deadline=None)
@given(
    moment=MOMENTS,
    form=st.sampled_from(["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%y", "%d. %b %Y", "%b %d, %Y"]),
    clock=st.sampled_from([" %H:%M:%S", "T%H:%M:%S", " %I:%M:%S %p", ", %H:%M:%S"]),
)
def test_a_time_of_day_may_follow_any_date(moment, form: str, clock: str) -> None:
    assert read([moment.strftime(form + clock)], form) == [moment.isoformat()]


@pytest.mark.parametrize(
    ("text", "form", "wanted"),
    [
        ("2000-Q3", "%Y-Q%q", "2000-07-01"),
        ("2000Q1", "%YQ%q", "2000-01-01"),
        ("Q4 2000", "Q%q %Y", "2000-10-01"),
        ("2000H2", "%YH%h", "2000-07-01"),
        ("2020-W53", "%G-W%V", "2020-12-28"),
        ("2021-W01", "%G-W%V", "2021-01-04"),
        ("2024-W09-4", "%G-W%V-%u", "2024-02-29"),
        ("2024-366", "%Y-%j", "2024-12-31"),
        ("2000M07", "%YM%m", "2000-07-01"),
        ("Mon Jan  1 07:30:00 2024", "%b %d %H:%M:%S %Y", "2024-01-01T07:30"),
        ("01JAN2024:07:30:00", "%d%b%Y:%H:%M:%S", "2024-01-01T07:30"),
        ("2024年1月5日", "%Y年%m月%d日", "2024-01-05"),
        ("10.03.2004 18.30", "%d.%m.%Y", "2004-03-10T18:30"),
        ("202405", "%G%V", "2024-01-29"),
        ("Sept 5, 2024", "%b %d, %Y", "2024-09-05"),
        ("Mon, 01 Jan 2024", "%d %b %Y", "2024-01-01"),
        ("1704067200", "epoch-s", "2024-01-01"),
        ("1704067200.5", "epoch-s", "2024-01-01"),
        ("1704067200000", "epoch-ms", "2024-01-01"),
        ("45292", EXCEL, "2024-01-01"),
        ("45292.5", EXCEL, "2024-01-01T12"),
        ("01/02/2024 12:30 am", "%d/%m/%Y", "2024-02-01T00:30"),
        ("01/02/2024 12 PM", "%d/%m/%Y", "2024-02-01T12"),
        ("2024-12-31 24:00", "%Y-%m-%d", "2025-01-01"),
        ("2024-01-01 7", "%Y-%m-%d", "2024-01-01T07"),
        ("31/12/69", "%d/%m/%y", "1969-12-31"),
        ("31/12/68", "%d/%m/%y", "2068-12-31"),
    ],
)
def test_forms_beyond_those_of_python(text: str, form: str, wanted: str) -> None:
    (found,) = read([text], form)
    assert found is not None
    assert found.startswith(wanted)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2005-13-01", "%Y-%m-%d"),
        ("2023-02-29", "%Y-%m-%d"),
        ("2024-04-31", "%Y-%m-%d"),
        ("2024-00-10", "%Y-%m-%d"),
        ("2024-01-01 25:00", "%Y-%m-%d"),
        ("2024-01-01 24:01", "%Y-%m-%d"),
        ("2024-01-01 10:60", "%Y-%m-%d"),
        ("2024-01-01 13:00 PM", "%Y-%m-%d"),
        ("2024-W54", "%G-W%V"),
        ("2021-W53", "%G-W%V"),
        ("2000-Q5", "%Y-Q%q"),
        ("2023-366", "%Y-%j"),
        ("Mayo 5, 2024", "%b %d, %Y"),
        ("2024-01-01 CET", "%Y-%m-%d"),
        ("2024-01-05", "%Y-%m"),
        ("1704067200", "epoch-ms"),
        ("", "%Y-%m-%d"),
    ],
)
def test_what_is_no_date_is_none(text: str, form: str) -> None:
    assert read([text], form) == [None]


def test_offsets_from_utc() -> None:
    texts = ["2024-01-01T00:00Z", "2024-01-01 00:00 +0530", "2024-01-01T00:00-01", "2024-01-01"]
    offsets = Form("%Y-%m-%d").read(polars.Series(texts)).offsets
    np.testing.assert_array_equal(offsets, [0, 330, -60, np.nan])


@pytest.mark.parametrize("written", ["%d/%m", "dd/mm/yyyy", "%Y-%Y", "%K/%Y", ""])
def test_a_format_that_cannot_be_is_refused(written: str) -> None:
    with pytest.raises(ArgumentError, match="date_format: wanted a format such as %d/%m/%Y"):
        check_format(written)


def days(count: int, start: str = "2024-01-01", step: str = "D") -> list[datetime.date]:
    grid = np.datetime64(start, step) + np.arange(count)
    return [day.astype("M8[D]").item() for day in grid]


def chosen(texts: list[str], formats=FORMATS):
    column = polars.Series("day", texts)
    table = Table("x.csv", polars.DataFrame([column]), range(2, 2 + len(texts)))
    return choose_dates(table, "day", find_dates(column, formats))


@pytest.mark.parametrize(
    ("start", "step", "form"),
    [
        ("2000-01", "M", "%m/%d/%Y"),
        ("2000-01", "M", "%d/%m/%Y"),
        ("2000-01", "M", "%d.%m.%y"),
        ("2000-01", "M", "%m-%d-%y"),
        ("2024-01-01", "D", "%d/%m/%Y"),
        ("2024-01-01", "D", "%m/%d/%Y"),
        ("2024-01-01", "D", "%y-%m-%d"),
    ],
)
def test_the_reading_that_makes_regular_steps_is_taken(start: str, step: str, form: str) -> None:
    dates = days(60, start, step)
    found = chosen([day.strftime(form) for day in dates])
    assert found.form.format == form
    assert found.read.times.astype("M8[D]").tolist() == dates


@settings(deadline=None)
@given(
    st.integers(0, 15_000),
    st.integers(40, 80),
    st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%d-%b-%y", "%Y%m%d"]),
)
def test_days_in_a_row_are_never_misread(first: int, count: int, form: str) -> None:
    dates = days(count, str(np.datetime64(first, "D")))
    formats = DIGITS if form == "%Y%m%d" else FORMATS
    found = chosen([day.strftime(form) for day in dates], formats)
    assert found.read.times.astype("M8[D]").tolist() == dates


@pytest.mark.parametrize(
    ("texts", "flags"),
    [
        ([f"{d:02d}/01/2024" for d in range(1, 13)], ["%d/%m/%Y", "%m/%d/%Y"]),
        ([f"01-{m:02d}-2024" for m in range(1, 13)], ["%d-%m-%Y", "%m-%d-%Y"]),
        (["01/02/2024", "05/02/2024", "07/02/2024"], ["%d/%m/%Y", "%m/%d/%Y"]),
        (["24-01-15", "24-01-16", "24-01-17"], ["%d-%m-%y", "%y-%m-%d"]),
        ([f"Jan {d:02d}" for d in range(1, 31)], ["'%b %y'"]),
        ([f"{y}/{q}" for y in range(2000, 2010) for q in range(1, 5)], ["%Y/%q", "%Y/%m"]),
    ],
)
def test_dates_that_can_be_read_in_two_ways_are_asked_about(texts, flags) -> None:
    with pytest.raises(ArgumentError) as error:
        chosen(texts)
    for flag in flags:
        assert f"--date-format {flag}" in str(error.value)
    assert "in row 1 (line 2)" in str(error.value)


def test_a_typo_does_not_make_another_reading_the_right_one() -> None:
    """13/01 is a day, but for the wrong form: months are meant."""
    texts = [day.strftime("%m/%d/%Y") for day in days(60, "2000-01", "M")]
    texts[24] = "13/01/2002"
    with pytest.raises(ArgumentError, match=r"but for '13/01/2002' in row 25 \(line 26\)"):
        chosen(texts)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        *[(name, True) for name in ("date", "Order Date", "orderDate", "timestamp", "t", "Year")],
        *[(name, True) for name in ("date_of_sale", "time (s)", "period")],
        *[(name, False) for name in ("holiday", "monday", "runtime", "value", "update", "stores")],
    ],
)
def test_names_that_tell_of_times(name: str, wanted: bool) -> None:
    assert sounds_like_time(name) == wanted
