"""Values from files have the types that are expected."""

from types import NoneType
from typing import Any

import pytest

from ostinato.data.typed import check_fields, check_type, shown
from ostinato.errors import ArgumentError

GOOD: list[tuple[Any, Any]] = [
    (1, int),
    (1, float),
    (1.5, float),
    ("a", str),
    (True, bool),
    (None, int | None),
    (3, int | None),
    ([], list[int]),
    ([1, 2], list[int]),
    ([["a", "b"]], list[list[str]]),
    ({"a": 1.5}, dict[str, float]),
    ({"a": [1]}, dict[str, list[float]]),
    (None, list[str] | None),
    (object(), Any),
]
WRONG: list[tuple[Any, Any, str]] = [
    (True, int, "a whole number, got True"),
    (True, float, "a number, got True"),
    (1, bool, "true or false, got 1"),
    (1.0, int, "a whole number, got 1.0"),
    ("1", int, "a whole number, got '1'"),
    (None, str, "text, got None"),
    ("a", int | None, "a whole number or nothing, got 'a'"),
    ({}, list[int], "a list of which each is a whole number, got {}"),
    ([1, "a"], list[int], "x[1]: wanted a whole number, got 'a'"),
    ([[1]], list[list[str]], "x[0][0]: wanted text, got 1"),
    ({1: 2}, dict[str, int], "an object in which each value is a whole number"),
    ({"a": "b"}, dict[str, int], "x: a: wanted a whole number, got 'b'"),
    ([], dict[str, int], "an object in which"),
    (0, NoneType, "nothing, got 0"),
]


@pytest.mark.parametrize(("value", "kind"), GOOD)
def test_what_fits_is_taken(value: Any, kind: Any) -> None:
    check_type("x", value, kind)


@pytest.mark.parametrize(("value", "kind", "message"), WRONG)
def test_what_does_not_fit_is_named(value: Any, kind: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        check_type("x", value, kind)
    assert message in str(error.value)


def test_fields_are_those_and_no_others() -> None:
    kinds = {"a": int, "b": str}
    check_fields("x", {"a": 1, "b": "c"}, kinds)
    check_fields("x", {"a": 1}, kinds, optional=("b",))
    wrong = (None, [], {}, {"a": 1}, {"a": 1, "b": "c", "d": 1}, {"a": "1", "b": "c"})
    for values in wrong:
        with pytest.raises(ArgumentError, match="x"):
            check_fields("x", values, kinds)


def test_a_giant_is_not_shown() -> None:
    assert shown(10**5000).endswith("too large to be shown")
    assert len(shown("a" * 1000)) < 80
