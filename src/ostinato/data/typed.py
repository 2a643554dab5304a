"""Values from files, checked against the types that their readers expect."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from ostinato.errors import ArgumentError

_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
# Characters of a wrong value that are shown.
_SHOWN = 60


def check_type(argument: str, value: object, kind: Any) -> None:
    """Raise ArgumentError where a value is not of a type, such as ``list[int]``.

    Types are int, float, str, bool, None, and unions, lists, tuples of any length and dicts of
    them, as JSON has them: a whole number is a number, and a bool is neither.
    """
    found = _wrong(argument, value, kind)
    if found is not None:
        path, inner, wanted = found
        raise ArgumentError(path, wanted=_words(wanted), got=shown(inner))


def check_fields(
    argument: str,
    values: object,
    kinds: Mapping[str, Any],
    *,
    wanted: str = "an object",
    optional: Collection[str] = (),
) -> None:
    """Raise ArgumentError where ``values`` is no dict of exactly these keys, each of its type.

    Those that are ``optional`` may be missing.
    """
    if not isinstance(values, dict):
        raise ArgumentError(argument, wanted=f"{wanted} with {', '.join(kinds)}", got=shown(values))
    if not kinds.keys() - set(optional) <= values.keys() <= kinds.keys():
        got = ", ".join(map(str, values)) or "none"
        raise ArgumentError(argument, wanted=f"{wanted} with {', '.join(kinds)}", got=got)
    for name, value in values.items():
        check_type(f"{argument}: {name}", value, kinds[name])


def shown(value: object) -> str:
    """The beginning of a value's repr."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of more digits than Python prints
        return f"a {type(value).__name__} that is too large to be shown"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."


def _wrong(path: str, value: object, kind: Any) -> tuple[str, object, Any] | None:
    """Where something of another type stands, what it is, and which type is wanted there."""
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, UnionType):
        fits = any(_wrong(path, value, one) is None for one in inner)
        return None if fits else (path, value, kind)
    if origin is list or origin is tuple:
        if not isinstance(value, origin):
            return path, value, kind
        each = ((f"{path}[{place}]", one, inner[0]) for place, one in enumerate(value))
        return next(filter(None, (_wrong(*one) for one in each)), None)
    if origin is dict:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            return path, value, kind
        each = ((f"{path}: {name}", one, inner[1]) for name, one in value.items())
        return next(filter(None, (_wrong(*one) for one in each)), None)
    return None if _is(value, kind) else (path, value, kind)


def _is(value: object, kind: Any) -> bool:
    if kind is Any:
        return True
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)


def _words(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, UnionType):
        return " or ".join(map(_words, inner))
    if origin is list or origin is tuple:
        return f"a list of which each is {_words(inner[0])}"
    if origin is dict:
        return f"an object in which each value is {_words(inner[1])}"
    return "nothing" if kind is NoneType else _WORDS[kind]
