"""Rows of delimited text: quotes, line ends, blank lines, and quotes that are none."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.data.tables.rows import split_rows

# no carriage return: a line may end with one
CELLS = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=8)


def rows(text: str, separator: str = ",", *, quotes: bool = True) -> list[list[str | None]]:
    return split_rows(text, separator, quotes=quotes).rows


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.sampled_from([",", ";", "\t"]))
def test_what_csv_writes_comes_back(table: list[tuple[str, str]], separator: str) -> None:
    """With quotes wherever they are needed, line ends and quotes inside fields included."""
    written = io.StringIO()
    csv.writer(written, delimiter=separator, lineterminator="\n").writerows(table)
    found = rows(written.getvalue(), separator)
    wanted = [list(row) for row in table if any(row)]
    # a row of white space alone is blank, and an empty field is none
    kept = [row for row in wanted if "".join(row).strip() or '"' in "".join(row)]
    assert [[cell or "" for cell in row] for row in found if any(c and c.strip() for c in row)] == [
        row for row in kept if any(cell.strip() for cell in row)
    ]


@settings(deadline=None)
@given(st.lists(st.lists(st.text('ab"\\ ,;', min_size=1), min_size=2, max_size=4), min_size=1))
def test_without_quotes_every_field_is_what_stands_there(table: list[list[str]]) -> None:
    text = "\n".join("\t".join(row) for row in table)
    wanted = [row for row in table if "".join(row).strip()]
    assert rows(text, "\t", quotes=False) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('a,"b ""c"""\n', [["a", 'b "c"']]),
        ('a,"b\nc",d\n', [["a", "b\nc", "d"]]),
        ('5" pipe,x\n', [['5" pipe', "x"]]),
        ('say "hi",x\n', [['say "hi"', "x"]]),
        ('"hi" said,x\n', [['"hi" said', "x"]]),
        ('a, "b, c" ,d\n', [["a", "b, c", "d"]]),
        ('a, "b" c,d\n', [["a", ' "b" c', "d"]]),
        ('"lone,x\nb,y\n', [['"lone', "x"], ["b", "y"]]),
        ('x,"lone\nb,y\n', [["x", '"lone'], ["b", "y"]]),
        ('"",x\n,y\n', [["", "x"], [None, "y"]]),
        ("a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]),
        ('"a","b"\r\n"c","d"', [["a", "b"], ["c", "d"]]),
        ('a,"b"\r', [["a", "b"]]),
        ("a,b\rc,d\r", [["a", "b"], ["c", "d"]]),
        ("a,b\n\n  \n,\nc,d\n\n", [["a", "b"], ["c", "d"]]),
        ("a\u2028b,c\x0bd\n", [["a\u2028b", "c\x0bd"]]),
    ],
)
def test_fields(text: str, wanted: list[list[str | None]]) -> None:
    assert rows(text) == wanted


def test_white_space_parts_fields_whatever_its_width() -> None:
    assert rows('  a   b \n c\td\n"e f"  g \n', " ") == [["a", "b"], ["c", "d"], ["e f", "g"]]


def test_where_rows_begin_and_what_stands_before_them() -> None:
    found = split_rows('\na,b\n"c\nd",e\n\n\nf,g\n', ",", quotes=True)
    assert found.lines == [2, 3, 7]
    assert found.after_blank == {2: 2}
    assert found.spanning == [1]
    assert (found.swallowed, found.loose, found.padded) == ([], [], [])


def test_a_field_that_may_be_several_rows_is_noticed() -> None:
    text = 'text,label\n"so long,bad\na,good\nthe end",bad\n'
    assert split_rows(text, ",", quotes=True).swallowed == [1]
    letter = 'text,label\n"Dear Sir,\nthank you, and so on",good\n'
    assert split_rows(letter, ",", quotes=True).swallowed == []
    assert split_rows(letter, ",", quotes=True).spanning == [1]


def test_a_quote_that_is_not_closed_is_noticed() -> None:
    assert split_rows('a,b\n"c,d\ne,f\n', ",", quotes=True).loose == [1]
