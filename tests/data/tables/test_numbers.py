"""Columns of texts as numbers, and what is said of cells that are none."""

import math
from pathlib import Path

import numpy as np
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.data import Reader, ReadSettings
from ostinato.data.tables.numbers import NumberStyle, number_style, read_numbers, sentinel
from ostinato.data.tables.table import Table
from ostinato.data.tables.way_out import way_out
from ostinato.errors import ArgumentError

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def read(cells: list[str | None], **style: object) -> list[float | str | None]:
    """Each cell's number, None for a missing one, "?" for one that is no number."""
    found = read_numbers(polars.Series("x", cells, dtype=polars.String), NumberStyle(**style))
    pairs = zip(found.values.tolist(), found.bad.tolist(), strict=True)
    return ["?" if bad else None if math.isnan(value) else value for value, bad in pairs]


@settings(deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=5), st.sampled_from([".", ","]))
def test_what_python_writes_is_read(values: list[float], decimal: str) -> None:
    assert read([repr(value).replace(".", decimal) for value in values], decimal=decimal) == values


@settings(deadline=None)
@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=5))
def test_thousands_are_read_in_groups_of_three(values: list[int]) -> None:
    assert read([f"{value:,}" for value in values], thousands=",") == values
    grouped = [f"{value / 100:,.2f}" for value in values]
    swapped = [cell.translate(str.maketrans(",.", ".,")) for cell in grouped]
    wanted = [float(cell.replace(",", "")) for cell in grouped]
    assert read(grouped, thousands=",") == wanted
    assert read(swapped, thousands=".", decimal=",") == wanted
    assert read([cell.replace(",", " ") for cell in grouped], thousands=" ") == wanted


def test_what_is_a_number_and_what_is_not() -> None:
    numbers = [" 10.0  ", "+5", "\u22125", "5.", ".5", "1e3", "-1E-2", "\u00a07"]
    assert read(numbers) == [10, 5, -5, 5, 0.5, 1000, -0.01, 7]
    missing = [None, "", "  ", "NA", "n/a", "NaN", "null", "None", ".", "-"]
    assert read(missing) == [None] * len(missing)
    others = ["?", "1,5", "1_000", "0x10", "\u0661\u0662", "$5", "5%", "(5)", "1 000", "--", "TRUE"]
    assert read(others) == ["?"] * len(others)


def test_marks_of_thousands_stand_where_they_belong() -> None:
    """A comma that parts no thousands is not left out."""
    cells = ["1,234", "12,345,678", "1,23", "1,2345", ",123", "1,234.5", "12,34,567"]
    wanted = [1234, 12345678, "?", "?", "?", 1234.5, 1234567]  # the last as in India
    assert read(cells, thousands=",") == wanted


def test_units_beside_a_number() -> None:
    cells = ["$5", "-$5", "$-5", "5 %", "$ 1,000.50", "USD 7", "7 EUR", "$", "5$5"]
    units = ("$", "%", "USD", "EUR")
    wanted = [5, -5, -5, 5, 1000.5, 7, 7, "?", "?"]
    assert read(cells, units=units, thousands=",") == wanted


def test_words_for_missing_numbers() -> None:
    found = read_numbers(
        polars.Series(["?", "-999", "NA", "5"]), NumberStyle(missing=("?", "-999"))
    )
    assert np.isnan(found.values[:3]).all()
    assert found.words == {"?": 1, "-999": 1, "NA": 1}
    floats = read_numbers(polars.Series([-999.0, 5, None]), NumberStyle(missing=("-999",)))
    assert np.isnan(floats.values).tolist() == [True, False, True]
    assert read(["-999.00", "-999", "5"], missing=("-999",)) == [None, None, 5]


def style(columns: dict[str, list[str]], **settings: str) -> tuple[str, list[str]]:
    reader = Reader(ReadSettings(**settings))
    made = number_style(reader, Table("x.csv", polars.DataFrame(columns)), list(columns))
    return made.decimal, reader.said


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ({"a": ["1", "2"]}, "."),
        ({"a": ["1.5", "2"]}, "."),
        ({"a": ["1,5", "2"]}, ","),
        ({"a": ["1,5", "2"], "b": ["1", "2"]}, ","),
        ({"a": ["1,234", "0,5"]}, ","),
        ({"a": ["1.234", "12.345"]}, "."),
        ({"a": ["1,5", "NA"], "b": ["x", "y"]}, ","),
    ],
)
def test_the_decimal_mark_is_the_one_that_is_shown(columns: dict, wanted: str) -> None:
    found, said = style(columns)
    assert found == wanted
    assert said == ([] if wanted == "." else ["x.csv: ',' is the decimal mark"])


@pytest.mark.parametrize(
    ("columns", "settings", "words"),
    [
        ({"a": ["1,234", "12,345"]}, {}, "--decimal , or --thousands ,"),
        ({"a": ["1.234", "12.345"]}, {"separator": ";"}, r"--decimal \. or --thousands \."),
        ({"a": ["1,5"], "b": ["1.5"]}, {}, "one decimal mark in all columns"),
    ],
)
def test_numbers_that_can_be_read_in_two_ways_are_asked_about(columns, settings, words) -> None:
    with pytest.raises(ArgumentError, match=words):
        style(columns, **settings)


def test_what_is_said_settles_it() -> None:
    assert style({"a": ["1,234"]}, thousands=",") == (".", [])
    assert style({"a": ["1,234"]}, decimal=",") == (",", [])
    assert style({"a": ["1.234,5"]}, thousands=".")[0] == ","


@pytest.mark.parametrize(
    ("cell", "flag"),
    [
        ("?", "--missing '?'"),
        ("n.d.", "--missing 'n.d.'"),
        ("#DIV/0!", "--missing '#DIV/0!'"),
        ("$5", "--units '$'"),
        ("5 %", "--units '%'"),
        ("USD 5", "--units 'USD'"),
        ("12 kg", "--units 'kg'"),
        ("1,234", "--thousands ','"),
        ("$1,234.50", "--thousands ',' --units '$'"),
        ("1.234,5", "--thousands . --decimal ,"),
        ("1.234.567", "--thousands . --decimal ,"),
        ("1 000", "--thousands ' '"),
        ("1\u2019000", "--thousands '\u2019'"),
        ("1,5", "--decimal ,"),
        ("(5)", "its sign stands before it"),
        ("soon", "--missing names"),
    ],
)
def test_a_cell_that_is_no_number_leads_to_the_flag_that_reads_it(cell: str, flag: str) -> None:
    assert flag in way_out(cell, NumberStyle())


def test_the_flags_that_are_named_read_the_cell() -> None:
    for cell, wanted, flags in (
        ("$1,234.50", 1234.5, {"thousands": ",", "units": ("$",)}),
        ("1.234,5", 1234.5, {"thousands": ".", "decimal": ","}),
        ("12 kg", 12, {"units": ("kg",)}),
        ("1\u2019000", 1000, {"thousands": "\u2019"}),
        ("1\u202f000", 1000, {"thousands": " "}),
    ):
        assert read([cell], **flags) == [wanted]


def test_a_number_far_from_all_others_may_stand_for_a_missing_one() -> None:
    assert sentinel(np.array([10.0, 12, -999, 11])) == -999
    assert sentinel(np.array([10.0, 12, 9999, 11])) == 9999
    assert sentinel(np.array([2.5, -200, 1, -200, 2, -200, 3])) == -200
    assert sentinel(np.array([-999.0, -998, -1000, 11])) is None
    assert sentinel(np.array([0.0, 0, 0, 5, 6, 5])) is None
    assert sentinel(np.array([10.0, 12, np.nan])) is None


def test_rows_are_named_with_their_lines(tmp_path: Path) -> None:
    table = Table("x.csv", polars.DataFrame({"a": ["1", "?", "!", "x", "y"]}), [2, 4, 5, 6, 7])
    told = "'?' in row 2 (line 4), '!' in row 3 (line 5), 'x' in row 4 (line 6) and 1 more"
    assert table.cells("a", [1, 2, 3, 4]) == told
