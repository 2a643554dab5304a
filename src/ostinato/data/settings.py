"""Settings as dataclasses: each default, its help and its limits stated once.

The same class is the argument of the Python API, the source of the command line's flags and
defaults, and a section of a run's ``config.json``.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, get_type_hints

import numpy as np

from ostinato.data.typed import check_type, shown
from ostinato.errors import ArgumentError

# What a whole number may be at most, so that NumPy and torch can hold it.
_LARGEST = 2**63 - 1


def setting(
    default: Any,
    help: str,
    *,
    choices: Sequence[str] = (),
    least: float | None = None,
    most: float | None = None,
    below: float | None = None,
    bound: float | None = None,
) -> Any:
    """A field of a `Settings` class: its default, its help, and the values that it takes.

    ``least`` and ``most`` are the ends of the allowed range, included; ``below`` is an upper end
    that is itself not allowed. ``bound`` is beyond all sensible values: more would take all memory
    or time, so it is told only where it is passed. Whole numbers have 64 bits.
    """
    limits = {"choices": tuple(choices), "least": least, "most": most, "below": below}
    limits["bound"] = bound
    return dataclasses.field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True)
class Settings:
    """Base of all settings; types and limits are checked when an object is made.

    Raises ArgumentError for a value that a setting does not take.
    """

    def __post_init__(self) -> None:
        kinds = _kinds(type(self))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.generic):
                value = value.item()  # so that JSON can hold it
                object.__setattr__(self, field.name, value)
            check_type(field.name, value, kinds[field.name])
            if value is None:
                continue
            if field.metadata["choices"]:
                _check_choice(field.name, value, field.metadata["choices"])
            elif isinstance(value, int | float) and not isinstance(value, bool):
                _check_range(field.name, value, **_limits(field))
                _check_bound(field.name, value, field.metadata["bound"])

    def as_dict(self) -> dict[str, Any]:
        """The values by name, ready for JSON."""
        return dataclasses.asdict(self)

    def replace(self, **changes: Any) -> Self:
        """A copy with some values changed, checked again."""
        return dataclasses.replace(self, **changes)

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str) -> Self:
        """Settings from what `as_dict` gave; ``source`` names the file in errors.

        Raises ArgumentError for names that the class does not have, and for values that they do
        not take.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise ArgumentError(
                    f"{source}: {name}",
                    wanted=f"a setting of {cls.__name__}: {', '.join(known)}",
                    got=repr(name),
                    remedy="The file may come from another version of ostinato.",
                )
        try:
            return cls(**values)
        except ArgumentError as error:
            raise ArgumentError(
                f"{source}: {error.argument}",
                wanted=error.wanted,
                got=error.got,
                remedy=error.remedy,
            ) from error


@functools.cache
def _kinds(settings: type[Settings]) -> dict[str, Any]:
    """The type of each setting."""
    return get_type_hints(settings)


def _limits(field: dataclasses.Field[Any]) -> dict[str, float | None]:
    return {name: field.metadata[name] for name in ("least", "most", "below")}


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value in choices:
        return
    near = difflib.get_close_matches(str(value), choices, n=1)
    raise ArgumentError(
        name,
        wanted=f"one of {', '.join(choices)}",
        got=shown(value),
        remedy=f"Did you mean {near[0]}?" if near else "",
    )


def _check_bound(name: str, value: float, bound: float | None) -> None:
    if bound is not None and value > bound:
        raise ArgumentError(name, wanted=f"a number of at most {bound:,}", got=shown(value))


def _check_range(
    name: str, value: float, *, least: float | None, most: float | None, below: float | None
) -> None:
    if isinstance(value, int) and value > _LARGEST and most is None and below is None:
        most = _LARGEST
    wanted = [
        text
        for limit, text in (
            (least, f"at least {least}"),
            (most, f"at most {most}"),
            (below, f"less than {below}"),
        )
        if limit is not None
    ]
    inside = (
        (isinstance(value, int) or math.isfinite(value))
        and (least is None or value >= least)
        and (most is None or value <= most)
        and (below is None or value < below)
    )
    if not inside:
        raise ArgumentError(
            name, wanted="a number of " + " and ".join(wanted or ["finite size"]), got=shown(value)
        )
