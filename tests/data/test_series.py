"""Series from tables: columns, times, gaps, and what is refused."""

from pathlib import Path

import numpy as np
import polars
import pytest

from ostinato.data import Series, read_series
from ostinato.errors import ArgumentError, ShapeError


def write(folder: Path, text: str) -> Path:
    path = folder / "weather.csv"
    path.write_text(text)
    return path


def values(series: Series) -> list[list[float | None]]:
    return [[None if np.isnan(x) else float(x) for x in row] for row in series.values]


def test_gaps_by_the_rule(tmp_path: Path) -> None:
    """Missing times become steps; empty fields, NA and NaN are missing; nothing is filled in."""
    path = write(
        tmp_path,
        "day,warm,wind\n2001-03-02,1.5,7\n2001-02-27,,3\n2001-02-28,NaN,NA\n2001-03-03,2,8\n",
    )
    series = read_series(path)
    assert series.columns == ("warm", "wind")
    assert values(series) == [[None, 3], [None, None], [None, None], [1.5, 7], [2, 8]]
    assert series.seen.sum() == 5
    assert [str(time)[:10] for time in series.times] == [
        *("2001-02-27", "2001-02-28", "2001-03-01", "2001-03-02", "2001-03-03")
    ]
    assert series.summary() == (
        "5 steps of 1 day from 2001-02-27 to 2001-03-03, warm, wind; 5 of 10 values are missing"
    )
    assert str(series.future(2)[1])[:10] == "2001-03-05"


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
@pytest.mark.parametrize("kind", ["date", "datetime", "zone", "text", "month", "number"])
def test_times_of_all_kinds(tmp_path: Path, suffix: str, kind: str) -> None:
    texts = ["2001-01-01", "2001-02-01", "2001-04-01"]
    dates = polars.Series("when", texts)
    times = {
        "date": dates.str.to_date(),
        "datetime": dates.str.to_datetime(),
        "zone": dates.str.to_datetime().dt.replace_time_zone("UTC"),
        "text": dates,
        "month": dates.str.head(7),
        "number": polars.Series("when", [1, 2, 4]),
    }[kind]
    table = polars.DataFrame({"when": times, "x": [1, 2, 4], "note": ["a", "b", "c"]})
    path = tmp_path / f"table.{suffix}"
    {"csv": table.write_csv, "parquet": table.write_parquet, "ndjson": table.write_ndjson}[suffix](
        path
    )
    series = read_series(path, time="when")
    assert values(series) == [[1], [2], [None], [4]]
    assert str(series.timeline) == ("1" if kind == "number" else "1 month")
    if kind != "number":  # dates are found without their name
        assert read_series(path).summary() == series.summary()


def test_rows_as_steps(tmp_path: Path) -> None:
    path = write(tmp_path, "day,x\n2001-01-05,1\n2001-01-01,2\n2001-01-02,3\n")
    assert values(read_series(path, time="")) == [[1], [2], [3]]
    assert values(read_series(path)) == [[2], [3], [None], [None], [1]]
    assert read_series(path, time="").times.tolist() == [0, 1, 2]


def test_columns_by_name_in_their_order(tmp_path: Path) -> None:
    path = write(tmp_path, "x,y,z\n1,2,3\n4,5,6\n")
    assert values(read_series(path, columns=["z", "x"])) == [[3, 1], [6, 4]]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("when,x\n1,2\n3,4\n", {"time": "wehn"}, "time: .*Did you mean when?"),
        ("when,x\n1,2\n3,4\n", {"columns": ["xx"]}, "columns: .*Did you mean x?"),
        ("a,b\nu,v\nw,x\n", {}, "columns: wanted a column of numbers, got a, b"),
        ("a,b\n1,2\nw,x\n", {"columns": ["b"]}, "column b of .*wanted numbers, got 'x' in row 2"),
        ("d,x\n2001-01-01,1\n,2\n", {"time": "d"}, "wanted a time in every row, got none in row 2"),
        ("d,x\n2001-01-01,1\nsoon,2\n", {"time": "d"}, "got 'soon' in row 2"),
        ("d,x\n2001-01-01,1\n2001-01-01,2\n", {}, "one row for each time, got two for 2001-01-01"),
        ("d,x\n2001-01-01,1\n", {}, "at least two times, got 1"),
        ("x\n1\n", {}, "at least two"),
        ("x\n1\ninf\n", {}, "column x: wanted finite numbers, got inf at 1"),
        ("d,x\n1,1\n2,2\n3,3\n4.5,1\n", {"time": "d"}, r"column d of .*1 apart .*got 4\.5"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, options: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        read_series(write(tmp_path, text), **options)


def test_sizes_that_disagree() -> None:
    with pytest.raises(ShapeError, match=r"values: wanted \[3, 1\], times by columns, got \[3\]"):
        Series(np.zeros(3), ("x",), np.arange(3))
