"""What parts the fields of a text, and whether its first row is names."""

import pytest

from ostinato.data.tables.dialect import find_separator, has_header
from ostinato.data.tables.rows import split_rows
from ostinato.errors import ArgumentError

NUMBERS = "2024-01-01{0}10,5\n2024-01-02{0}11,25\n2024-01-03{0}9,75\n"


@pytest.mark.parametrize(
    ("text", "usual", "wanted"),
    [
        ("date;value\n" + NUMBERS.format(";"), [","], ";"),
        (NUMBERS.format(";"), [","], ";"),  # commas give as many fields, but no numbers
        ("date\tvalue\n" + NUMBERS.format("\t"), [","], "\t"),
        ("date|value\n" + NUMBERS.format("|"), [","], "|"),
        ("text;label\nyes, no;a\nwell, well, well;b\n", [","], ";"),
        ("text,label\nyes; no,a\nwell,b\n", [","], ","),
        ("a\tb, c\nd\te, f\n", ["\t"], "\t"),
        ("a\tb, c\nd\te, f\n", [","], ","),
        ("date,value\n1,2\n", ["\t"], ","),
        ("value\n1\n2\n", [","], ","),
        ('text,label\n"a; b",c\n"d; e",f\n', [","], ","),
        ("date  value\n2024-01-01  1.5\n2024-01-02  2.5\n", [","], " "),
        ("some words\nother words here\n", [","], ","),
        ("two words\nmore words\n", [","], ","),
    ],
)
def test_separator(text: str, usual: list[str], wanted: str) -> None:
    assert find_separator(text, usual, quotes=None) == wanted


def test_one_broken_row_in_many_does_not_hide_the_separator() -> None:
    text = "date;value\n" + "2024-01-01;1\n" * 50 + "2024-01-01;1;2\n"
    assert find_separator(text, [","], quotes=None) == ";"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("date,value\n2024-01-01,1\n2024-01-02,2\n", True),
        ("2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n", False),
        ("1.5\n2.5\n3.5\n", False),
        ("x\n2.5\n3.5\n", True),
        ("text,label\nfine,good\n", None),
        ("fine,good\nbad,bad\n", None),
        ("date,2024\n2024-01-01,1\n2024-01-02,2\n", True),
        ("$10,Jan 2024\n$11,Feb 2024\n$12,Mar 2024\n", False),
        (",10.5\n,11\n,12\n", False),
        ("01/02/2024,NA\n02/02/2024,NA\n03/02/2024,5\n", False),
    ],
)
def test_header(text: str, wanted: bool | None) -> None:
    assert has_header(split_rows(text, ",", quotes=True), "x.csv") is wanted


def test_years_over_numbers_may_be_names() -> None:
    rows = split_rows("a,1990,1991,1992\nx,1.5,2,3\ny,2,3,4\n", ",", quotes=True)
    with pytest.raises(ArgumentError, match="--header or --no-header"):
        has_header(rows, "x.csv")
