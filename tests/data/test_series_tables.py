"""Series from tables as people have them: read right, or refused by column, row and cell."""

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.data import Reader, ReadSettings, Series, read_series
from ostinato.errors import ArgumentError

VALUES = [round(10 + 3 * np.sin(step) + step / 10, 3) for step in range(400)]
START = datetime.datetime(2024, 1, 1)


def days(count: int = 60) -> list[datetime.datetime]:
    return [START + datetime.timedelta(days=day) for day in range(count)]


def months(count: int = 60, year: int = 2000) -> list[datetime.datetime]:
    return [datetime.datetime(year + n // 12, n % 12 + 1, 1) for n in range(count)]


def hours(count: int = 60) -> list[datetime.datetime]:
    return [START + datetime.timedelta(hours=hour) for hour in range(count)]


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def made(rows: Sequence[str], head: str = "date,value", name: str = "a.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([*([head] if head else []), *rows]) + "\n")
        return path

    return made


def table(dates: Sequence[str], sep: str = ",", values: Sequence[object] = VALUES) -> list[str]:
    return [f"{date}{sep}{value}" for date, value in zip(dates, values, strict=False)]


def told(series: Series) -> tuple[str, str, str, str]:
    """(the step, the first time, the last, the next) in words."""
    times = series.times[0], series.times[-1], series.future(1)[0]
    return str(series.timeline), *map(series.tell, times)


STAMP = int(datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC).timestamp())
DAY, MONTH = (
    ("1 day", "2024-01-01", "2024-02-29", "2024-03-01"),
    (
        *("1 month", "2000-01-01", "2004-12-01"),
        "2005-01-01",
    ),
)
HOUR = ("1 hour", "2024-01-01", "2024-01-03T11:00:00", "2024-01-03T12:00:00")
ZULU = ("1 hour", *(f"2024-01-0{t}:00Z" for t in ("1T00:00", "3T11:00", "3T12:00")))
FORMS = {
    "iso": ([d.strftime("%Y-%m-%d") for d in days()], DAY),
    "day first": ([d.strftime("%d/%m/%Y") for d in days()], DAY),
    "month first": ([d.strftime("%m/%d/%Y") for d in days()], DAY),
    "german": ([d.strftime("%d.%m.%Y %H:%M") for d in hours()], HOUR),
    "american hours": ([d.strftime("%m/%d/%Y %I:%M %p") for d in hours()], HOUR),
    "months of days, american": ([d.strftime("%m/%d/%Y") for d in months()], MONTH),
    "months of days, european": ([d.strftime("%d-%m-%y") for d in months()], MONTH),
    "names of months": ([d.strftime("%b %Y") for d in months()], MONTH),
    "short names": ([d.strftime("%b-%y") for d in months()], MONTH),
    "whole names": ([f'"{d.strftime("%B %d, %Y")}"' for d in months()], MONTH),
    "digits": ([d.strftime("%Y%m%d") for d in days()], DAY),
    "digits of months": ([d.strftime("%Y%m") for d in months()], MONTH),
    "digits, day first": ([d.strftime("%d%m%Y") for d in days()], DAY),
    "year and day": ([d.strftime("%Y-%j") for d in days()], DAY),
    "spreadsheet": ([str(45292 + n) for n in range(60)], DAY),
    "seconds": ([str(STAMP + 3600 * n) for n in range(60)], ZULU),
    "thousandths": ([str(1000 * (STAMP + 3600 * n)) for n in range(60)], ZULU),
    "zulu": ([d.strftime("%Y-%m-%dT%H:%M:%SZ") for d in hours()], ZULU),
    "basic": ([d.strftime("%Y%m%dT%H%M%SZ") for d in hours()], ZULU),
    "quarters": (
        [f"{2000 + n // 4}-Q{n % 4 + 1}" for n in range(60)],
        ("3 months", "2000-01-01", "2014-10-01", "2015-01-01"),
    ),
    "quarters without a mark": (
        [f"{2000 + n // 4}Q{n % 4 + 1}" for n in range(60)],
        ("3 months", "2000-01-01", "2014-10-01", "2015-01-01"),
    ),
    "years": (
        [str(1950 + n) for n in range(60)],
        ("12 months", "1950-01-01", "2009-01-01", "2010-01-01"),
    ),
    "weeks": (
        [(START + datetime.timedelta(weeks=n)).strftime("%G-W%V") for n in range(60)],
        ("7 days", "2024-01-01", "2025-02-17", "2025-02-24"),
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_dates(write: Write, name: str) -> None:
    dates, wanted = FORMS[name]
    reader = Reader()
    series = read_series(write(table(dates)), reader=reader)
    assert told(series) == wanted
    assert series.columns == ("value",)
    np.testing.assert_array_equal(series.values[:, 0], VALUES[:60])
    assert "the times are in date, as " in reader.said[0]


@pytest.mark.parametrize("name", FORMS)
def test_a_later_file_is_read_by_the_form_of_the_first(write: Write, name: str) -> None:
    """Though its few rows alone would not tell it."""
    dates, _ = FORMS[name]
    first = Reader()
    whole = read_series(write(table(dates)), reader=first)
    again = Reader(usual=first.decided)
    late = read_series(write(table(dates[-2:])), time="date", reader=again)
    assert late.times.tolist() == whole.times[-2:].tolist()
    assert again.said == []


COLUMNS = {
    "date,time,value": [f"{d:%Y-%m-%d},{d:%H:%M}" for d in hours()],
    "date,hour,value": [f"{d:%Y-%m-%d},{d.hour}" for d in hours()],
    "date,clock,value": [f"{d:%d/%m/%Y},{d:%I:%M:%S %p}" for d in hours()],
    "year,month,day,hour,value": [f"{d.year},{d.month},{d.day},{d.hour}" for d in hours()],
}


@pytest.mark.parametrize("head", COLUMNS)
def test_times_in_several_columns(write: Write, head: str) -> None:
    series = read_series(write(table(COLUMNS[head]), head))
    assert told(series) == HOUR
    assert series.columns == ("value",)
    named = read_series(write(table(COLUMNS[head]), head), time=head.removesuffix(",value"))
    assert told(named) == HOUR


def test_the_layout_of_a_well_known_file(write: Write) -> None:
    """Semicolons to the end of the line, a time with points, decimal commas, -200 for missing."""
    rows = [
        f"{d:%d/%m/%Y};{d:%H.%M.%S};{'-200' if n % 9 == 4 else f'{n % 7},{n % 5}'};{900 + n % 8};;"
        for n, d in enumerate(hours())
    ]
    path = write(rows, "Date;Time;CO(GT);PT08.S1(CO);;")
    reader = Reader()
    series = read_series(path, reader=reader)
    assert told(series) == HOUR
    assert series.columns == ("CO(GT)", "PT08.S1(CO)")
    assert any("CO(GT) has -200" in line for line in reader.said)
    series = read_series(path, reader=Reader(ReadSettings(missing="-200")))
    assert np.isnan(series.values[:, 0]).sum() == 7


@pytest.mark.parametrize("form", ["%Y,%m", "%Y,%b", "%Y,%-m"])
def test_a_year_and_a_month(write: Write, form: str) -> None:
    series = read_series(write(table([d.strftime(form) for d in months()]), "Year,Month,value"))
    assert told(series) == MONTH


def test_the_24th_hour_is_the_end_of_the_day(write: Write) -> None:
    rows = [f"{d:%Y-%m-%d},{d.hour + 1}" for d in hours()]
    series = read_series(write(table(rows), "date,hour,value"))
    assert told(series)[1:3] == ("2024-01-01T01:00:00", "2024-01-03T12:00:00")


BAD_CELLS = {
    "?": "--missing '?'",
    "$5": "--units '$'",
    "5%": "--units '%'",
    '"1,234"': "--thousands ','",
    "1.234.567": "--thousands",
    "12 kg": "--units 'kg'",
    "#N/A": "--missing '#N/A'",
    "--": "--missing '--'",
    "(5)": "its sign",
    "0x10": "--missing names",
    "1_000": "--missing names",
    "TRUE": "--missing names",
}


@pytest.mark.parametrize("cell", BAD_CELLS)
def test_one_bad_number_is_named(write: Write, cell: str) -> None:
    dates = [f"{d:%Y-%m-%d}" for d in days()]
    rows = table(dates)
    rows[30] = f"{dates[30]},{cell}"
    plain = cell.strip('"')
    with pytest.raises(ArgumentError) as error:
        read_series(write(rows))
    for word in ("column value of", f"{plain!r} in row 31 (line 32)", BAD_CELLS[cell]):
        assert word in str(error.value)


BAD_DATES = {
    "2024-13-01": "'2024-13-01' in row 31 (line 32)",
    "2024-02-30": "'2024-02-30' in row 31 (line 32)",
    "31/01/2024": "'31/01/2024' in row 31 (line 32)",
    "Total": "'Total' in row 31 (line 32)",
    "date": "'date' in row 31 (line 32)",
    "": "none in row 31 (line 32)",
    "2024-01-30": "two for 2024-01-30, row 30 (line 31) and row 31 (line 32)",
    "2024-01-31T07:00": "2024-01-31T07:00:00 in row 31 (line 32)",
    "2014-01-31": "far from all others is 2014-01-31 in row 31 (line 32)",
    "2042-01-31": "far from all others is 2042-01-31 in row 31 (line 32)",
}


@pytest.mark.parametrize("cell", BAD_DATES)
def test_one_bad_date_is_named(write: Write, cell: str) -> None:
    dates = [f"{d:%Y-%m-%d}" for d in days()]
    dates[30] = cell
    with pytest.raises(ArgumentError) as error:
        read_series(write(table(dates)))
    assert BAD_DATES[cell] in str(error.value)


def test_a_month_that_is_not_on_the_day_of_the_others_is_named(write: Write) -> None:
    dates = [f"{d:%Y-%m-%d}" for d in months()]
    dates[30] = "2002-07-02"
    with pytest.raises(ArgumentError, match=r"1 month apart.*2002-07-02 in row 31 \(line 32\)"):
        read_series(write(table(dates)))


def test_the_first_row_may_be_the_one_that_is_off(write: Write) -> None:
    dates = [f"{d:%Y-%m-%d %H:%M}" for d in days()]
    dates[0] = "2024-01-01 05:00"
    with pytest.raises(ArgumentError, match=r"1 day apart.*T05:00:00 in row 1 \(line 2\)"):
        read_series(write(table(dates)))


def test_a_missing_date_among_digits_is_named(write: Write) -> None:
    dates = [f"{d:%Y%m%d}" for d in days()]
    dates[30] = ""
    with pytest.raises(ArgumentError, match=r"a time in every row, got none in row 31"):
        read_series(write(table(dates)))


def test_a_row_that_sums_the_others_up_is_named(write: Write) -> None:
    regions = write(["North,1", "South,2", "West,3", "Grand Total,6"], "region,sales")
    with pytest.raises(ArgumentError, match=r"'Grand Total' in row 4 \(line 5\)"):
        read_series(regions)
    dated = write([*table([f"{d:%Y-%m-%d}" for d in days()]), "Total,123"])
    with pytest.raises(ArgumentError, match=r"'Total' in row 61 \(line 62\)"):
        read_series(dated)


@pytest.mark.parametrize(
    ("head", "row", "taken", "said"),
    [
        ("id,value", "{n},{v}", "value", "id (an identifier"),
        ("n,value", "{n},{v}", "value", "n (counts the rows)"),
        (",value", "{n},{v}", "value", "column_1 (counts the rows)"),
        ("date,store_id,value", "{d},{m},{v}", "value", "store_id (an identifier"),
        ("date,year,month,value", "{d},2024,{m},{v}", "value", "year (a part of a date"),
        ("date,key,value", "{d},{c},{v}", "value", "key (reads as times)"),
        ("date,epoch,value", "{d},{e},{v}", "value", "epoch (reads as times)"),
        ("date,name,value", "{d},x{n},{v}", "value", "name (no numbers)"),
        ("date,late,value", "{d},,{v}", "value", "late (empty)"),
        ("date,NO,min,value", "{d},{m},{m},{v}", "NO,min,value", ""),
        ("date,paid,uv_index,value", "{d},{m},{m},{v}", "paid,uv_index,value", ""),
        ("date,value", "{d},{n}", "value", "is all there is to forecast"),
    ],
)
def test_what_is_no_quantity_is_not_forecast_in_silence(write, head, row, taken, said) -> None:
    rows = [
        row.format(n=n, v=v, d=f"{d:%Y-%m-%d}", m=n * 7 % 12, c=f"{d:%Y%m%d}", e=STAMP + 86400 * n)
        for n, (d, v) in enumerate(zip(days(), VALUES, strict=False))
    ]
    reader = Reader()
    assert read_series(write(rows, head), reader=reader).columns == tuple(taken.split(","))
    assert said in " ".join(reader.said)


def test_an_identifier_alone_is_asked_about(write: Write) -> None:
    rows = [f"{d:%Y-%m-%d},{n * 7 % 60}" for n, d in enumerate(days())]
    path = write(rows, "date,customer_id")
    with pytest.raises(ArgumentError, match=r"customer_id .an identifier.*--columns customer_id"):
        read_series(path)
    assert read_series(path, columns=["customer_id"]).columns == ("customer_id",)


def test_a_table_on_its_side_is_asked_about(write: Write) -> None:
    rows = [f"{name},{','.join(map(str, VALUES[n : n + 8]))}" for n, name in enumerate("abcdef")]
    path = write(rows, "country," + ",".join(f"{year}-01" for year in range(1990, 1998)))
    with pytest.raises(ArgumentError, match="a row for each time, got columns that are times"):
        read_series(path)


def test_times_that_are_called_so_and_not_read_are_asked_about(write: Write) -> None:
    for date in ("2024-01-01 00:00 CET", "Jan", "week 5"):
        with pytest.raises(ArgumentError, match=f"dates in a form that is known, got '{date}'"):
            read_series(write(table([date] * 20)))
        assert len(read_series(write(table([date] * 20)), time="")) == 20


def test_a_format_that_is_named(write: Write) -> None:
    dates = [f"{d:%d/%m/%Y}" for d in days(12)]
    for form, step in (("%d/%m/%Y", "1 day"), ("%m/%d/%Y", "1 month")):
        reader = Reader(ReadSettings(date_format=form))
        assert str(read_series(write(table(dates)), reader=reader).timeline) == step
    with pytest.raises(ArgumentError, match="dates as %Y-%m-%d, got '01/01/2024' in row 1"):
        read_series(write(table(dates)), reader=Reader(ReadSettings(date_format="%Y-%m-%d")))


def business(count: int) -> list[str]:
    found = [d for d in days(3 * count) if d.weekday() < 5]
    return [f"{d:%Y-%m-%d}" for d in found[:count]]


def test_business_days(write: Write) -> None:
    series = read_series(write(table(business(100))))
    assert told(series) == ("1 business day", "2024-01-01", "2024-05-17", "2024-05-20")
    assert series.timeline.season == 5
    weekdays = series.future(20).astype("M8[D]").astype(object)
    assert {day.weekday() for day in weekdays} == set(range(5))
    holidays = [day for n, day in enumerate(business(100)) if n % 12 != 5]
    found = read_series(write(table(holidays)))
    assert len(found) == 100
    assert np.isnan(found.values[:, 0]).sum() == 8


@pytest.mark.parametrize(
    ("kept", "step"),
    [
        ({0, 1, 2, 3, 4, 5}, "1 day of Mon, Tue, Wed, Thu, Fri, Sat"),
        ({6, 0, 1, 2, 3}, "1 day of Mon, Tue, Wed, Thu, Sun"),
        ({0, 2, 4}, "1 day of Mon, Wed, Fri"),
        ({0, 1, 2, 3, 4, 5, 6}, "1 day"),
        ({4}, "7 days"),
    ],
)
def test_days_of_the_week_that_are_kept_to(write: Write, kept: set[int], step: str) -> None:
    dates = [f"{d:%Y-%m-%d}" for d in days(150) if d.weekday() in kept]
    series = read_series(write(table(dates)))
    assert str(series.timeline) == step
    assert not np.isnan(series.values).any()
    assert {day.weekday() for day in series.future(9).astype("M8[D]").astype(object)} <= kept


def test_hours_of_business_days(write: Write) -> None:
    dates = [
        f"{d + datetime.timedelta(hours=hour):%Y-%m-%d %H:%M}"
        for d in days(40)
        if d.weekday() < 5
        for hour in range(9, 17)
    ]
    series = read_series(write(table(dates)))
    assert str(series.timeline) == "1 hour of business days, 09:00 to 16:00"
    assert (len(series), series.timeline.season) == (len(dates), 8)
    assert len(dates) == 240
    assert series.tell(series.future(1)[0]) == "2024-02-12T09:00:00"


def test_the_last_weekday_of_each_month(write: Write) -> None:
    ends = np.busday_offset((np.arange("2000-02", "2005-02", dtype="M8[M]")).astype("M8[D]"), -1,
                            roll="forward")  # fmt: skip
    series = read_series(write(table([str(day) for day in ends])))
    assert told(series)[0] == "1 month at the last weekday"
    assert told(series)[3] == "2005-01-31"


def test_a_single_saturday_is_named(write: Write) -> None:
    dates = sorted([*business(100), "2024-03-02"])
    with pytest.raises(ArgumentError, match="1 business day apart as most are, got 2024-03-02"):
        read_series(write(table(dates)))


def test_gaps_by_chance_are_no_timetable(write: Write) -> None:
    random = np.random.default_rng(0)
    dates = [f"{d:%Y-%m-%d}" for d in days(200) if random.random() > 0.4]
    assert str(read_series(write(table(dates))).timeline) == "1 day"


def summer(first: int, count: int) -> list[str]:
    """Hours round the end of summer time in Berlin, 2024-10-27 01:00 UTC, with their offsets."""
    turn = datetime.datetime(2024, 10, 27, 1)
    found = []
    for hour in range(first, first + count):
        moment = turn + datetime.timedelta(hours=hour)
        ahead = 2 if hour < 0 else 1
        shown = moment + datetime.timedelta(hours=ahead)
        found.append(f"{shown:%Y-%m-%dT%H:%M:%S}+0{ahead}:00")
    return found


def test_offsets_come_back(write: Write) -> None:
    series = read_series(write(table(summer(-30, 60))))
    assert told(series) == (
        *("1 hour", "2024-10-25T21:00:00+02:00", "2024-10-28T07:00:00+01:00"),
        "2024-10-28T08:00:00+01:00",
    )
    assert [series.tell(time) for time in series.times] == summer(-30, 60)
    early = read_series(write(table(summer(-60, 50))))
    assert told(early)[3] == summer(-10, 1)[0]


def test_days_by_a_clock_that_changes(write: Write) -> None:
    """Midnights are days though one has 25 hours."""
    dates = [f"2024-10-{day:02d}T00:00:00+0{2 if day <= 27 else 1}:00" for day in range(2, 32)]
    series = read_series(write(table(dates)))
    assert told(series)[0] == "1 day"
    assert [series.tell(time) for time in series.times] == dates
    assert told(series)[3] == "2024-11-01T00:00:00+01:00"


def test_a_zone_by_its_name(tmp_path: Path) -> None:
    utc = polars.datetime_range(
        datetime.datetime(2024, 3, 30), datetime.datetime(2024, 4, 1), "1h", eager=True
    ).dt.replace_time_zone("UTC")
    frame = polars.DataFrame({"when": utc.dt.convert_time_zone("Europe/Berlin")})
    frame = frame.with_columns(value=polars.Series(VALUES[:49]))
    frame.write_parquet(tmp_path / "a.parquet")
    series = read_series(tmp_path / "a.parquet")
    assert told(series) == (
        *("1 hour", "2024-03-30T01:00:00+01:00", "2024-04-01T02:00:00+02:00"),
        "2024-04-01T03:00:00+02:00",
    )


def test_an_offset_that_is_missing_is_named(write: Write) -> None:
    dates = summer(-30, 60)
    dates[20] = dates[20][:-6]
    with pytest.raises(ArgumentError, match=r"offset such as \+01:00 .* in row 21 \(line 22\)"):
        read_series(write(table(dates)))


def test_an_hour_that_autumn_repeats(write: Write) -> None:
    dates = [time[:-6] for time in summer(-30, 60)]
    with pytest.raises(ArgumentError, match="the end of summer time repeats"):
        read_series(write(table(dates)))


def test_several_series_in_one_file_are_told_apart(write: Write) -> None:
    rows = [f"{d:%Y-%m-%d},{s},{v}" for s in "AB" for d, v in zip(days(), VALUES, strict=False)]
    path = write(rows, "date,store,value")
    with pytest.raises(ArgumentError, match="If store names several series: --series store"):
        read_series(path)
    both = read_series(path, series=["store"])
    assert (both.names, both.targets, both.key) == (("A", "B"), ("value",), "store")
    assert both.columns == ("A: value", "B: value")
    np.testing.assert_array_equal(both.values[:, 0], both.values[:, 1])


def test_series_of_other_lengths_share_a_calendar(write: Write) -> None:
    rows = [f"{d:%Y-%m-%d},A,{n},{n + 1}" for n, d in enumerate(days(10))]
    rows += [f"{d:%Y-%m-%d},007,{n},{n + 2}" for n, d in enumerate(days(10)) if 3 <= n < 8]
    found = read_series(write(rows[::-1], "date,store,a,b"), series=["store"])
    assert found.names == ("007", "A")
    assert found.columns == ("007: a", "007: b", "A: a", "A: b")
    assert np.isnan(found.values[[0, 1, 2, 8, 9], 0]).all()
    np.testing.assert_array_equal(found.values[3:8, 1], np.arange(5, 10))
    np.testing.assert_array_equal(found.values[:, 2], np.arange(10))


def test_keys_of_several_columns_and_double_rows(write: Write) -> None:
    rows = [f"{d:%Y-%m-%d},{s},{i},{n}" for s in "AB" for i in "xy" for n, d in enumerate(days(9))]
    path = write(rows, "date,store,item,v")
    assert read_series(path, series=["store", "item"]).names == ("A / x", "A / y", "B / x", "B / y")
    with pytest.raises(ArgumentError, match="one row for each time of A, got two for 2024-01-01"):
        read_series(path, series=["store"])


def test_what_is_known_ahead(write: Write) -> None:
    rows = [
        f"{d:%Y-%m-%d},{'yes' if n % 3 else 'no'},{['sun', 'rain', ''][n % 3]},{n},"
        f"{'' if n >= 50 else n}"
        for n, d in enumerate(days())
    ]
    path = write(rows, "date,open,sky,price,value")
    series = read_series(path, known=["open", "sky", "price", "calendar"])
    assert (len(series), series.num_ahead, series.num_known) == (50, 10, 1 + 2 + 1 + 11)
    known = series.known_at(50, 10)[:, 0]
    assert known[:, 0].tolist() == [float(n % 3 > 0) for n in range(50, 60)]
    assert known[:, 1].tolist() == [n % 3 == 1 for n in range(50, 60)]  # rain
    assert known[:, 2].tolist() == [n % 3 == 0 for n in range(50, 60)]  # sun
    assert series.known_at(0, 60)[:, 0, 3].mean() == pytest.approx(0)
    assert known[:, -7:].argmax(1).tolist() == [d.weekday() for d in days()[50:]]
    with pytest.raises(ArgumentError, match="known up to 2024-03-01, got an end at 2024-02-29"):
        series.known_at(50, 11)
    assert len(read_series(path)) == 60  # without --known they are missing values


def test_what_is_known_is_known_everywhere(write: Write) -> None:
    rows = [f"{d:%Y-%m-%d},{'' if n == 7 else n},{n}" for n, d in enumerate(days())]
    with pytest.raises(ArgumentError, match=r"column price .*known ahead, got none in row 8"):
        read_series(write(rows, "date,price,value"), known=["price"])
    rows = [f"{d:%Y-%m-%d},{'?' if n == 7 else n},{n}" for n, d in enumerate(days())]
    with pytest.raises(ArgumentError, match=r"column price .*'\?' in row 8"):
        read_series(write(rows, "date,price,value"), known=["price"])
    with pytest.raises(ArgumentError, match="dates, of which the calendar tells"):
        read_series(write(["1", "2", "3"], "value"), known=["calendar"])
    with pytest.raises(ArgumentError, match=r"known: .*'prise'\. Did you mean price"):
        read_series(write(rows, "date,price,value"), known=["prise"])


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_separators_and_decimal_marks(write: Write, mark: str, decimal: str) -> None:
    values = [str(value).replace(".", decimal) for value in VALUES]
    values = [f'"{value}"' if mark == "," else value for value in values]
    dates = [f"{d:%Y-%m-%d}" for d in days()]
    for head in (f"date{mark}value", ""):
        series = read_series(write(table(dates, mark, values), head))
        np.testing.assert_array_equal(series.values[:, 0], VALUES[:60])


def test_numbers_with_marks_are_read_where_a_flag_allows_it(write: Write) -> None:
    dates, wanted = [f"{d:%Y-%m-%d}" for d in days()], np.array(VALUES[:60]) * 1000
    cases = {
        "$ {:,.1f}": {"units": "$", "thousands": ","},
        "{:,.1f} EUR": {"units": "EUR", "thousands": ","},
        "{:.1f} %": {"units": "%"},
    }
    for form, flags in cases.items():
        rows = table(dates, values=[f'"{form.format(value)}"' for value in wanted])
        with pytest.raises(ArgumentError, match=r"row 1 \(line 2\)"):
            read_series(write(rows))
        series = read_series(write(rows), reader=Reader(ReadSettings(**flags)))
        np.testing.assert_allclose(series.values[:, 0], wanted)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(-1e9, 1e9), min_size=15, max_size=40),
    st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%b %d %Y", "%Y%m%d"]),
    st.sampled_from([",", ";", "\t", "|"]),
    st.booleans(),
    st.integers(0, 18_000),
)
def test_what_is_written_is_read(tmp_path_factory, values, form, mark, comma, first) -> None:
    """Days in a row and numbers, however they are written, or a refusal that names a flag."""
    dates = [(np.datetime64(first, "D") + n).item().strftime(form) for n in range(len(values))]
    numbers = [repr(value).replace(".", "," if comma else ".") for value in values]
    quote = '"' if comma and mark == "," else ""
    rows = [f"{a}{mark}{quote}{b}{quote}" for a, b in zip(dates, numbers, strict=True)]
    path = tmp_path_factory.mktemp("series") / "a.csv"
    path.write_text("\n".join([f"date{mark}value", *rows]))
    asked = ""
    try:
        series = read_series(path)
    except ArgumentError as error:
        asked = str(error)
    if asked:
        assert any(flag in asked for flag in ("--decimal", "--columns", "--date-format"))
        return
    assert series.values[:, 0].tolist() == values
    assert series.times.astype("M8[D]").astype(int).tolist() == list(
        range(first, first + len(values))
    )
