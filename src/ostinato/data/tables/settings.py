"""How a file is to be read, where the file does not say it plainly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from ostinato.data.reading import check_encoding
from ostinato.data.settings import Settings, setting
from ostinato.errors import ArgumentError

# Characters by the names that are easier to type.
CHARACTERS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}


@dataclass(frozen=True)
class FileSettings(Settings):
    """What the fields of a table are. None leaves it to the look of the file."""

    encoding: str | None = setting(
        None,
        "The encoding of the file; by default what its byte order mark says, or utf-8.",
    )
    separator: str | None = setting(
        None,
        "What parts the fields of a row: a character, tab, or space for any white space; by "
        "default the one of comma, semicolon, tab and | that gives rows of one width.",
    )
    quotes: bool | None = setting(
        None,
        "Whether a field may stand in double quotes; by default yes, but not in TSV, where they "
        "are characters.",
    )
    header: bool | None = setting(
        None, "Whether the first row names the columns; by default what its look says."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoding is not None:
            check_encoding(self.encoding)
        if self.separator is not None:
            _check_character("separator", self.separator)

    def given(self) -> dict[str, Any]:
        """What is said, without what is left open."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class NumberSettings(FileSettings):
    """And how its numbers are written."""

    decimal: str | None = setting(
        None, "The decimal mark of numbers; by default what they show.", choices=(".", ",")
    )
    thousands: str | None = setting(
        None, "The mark between groups of three digits, as in 1,234 or 1.234; none by default."
    )
    units: str | None = setting(
        None, "Signs and words that may stand beside a number and are left out, as in $,EUR,%."
    )
    missing: str | None = setting(
        None, "Further words for a number that is missing, as in ?,n.d.,-999."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.thousands is not None:
            _check_character("thousands", self.thousands)
            if self.thousands == self.decimal:
                raise ArgumentError(
                    "thousands",
                    wanted="another mark than the decimal one",
                    got=f"{self.thousands!r} for both",
                )


@dataclass(frozen=True)
class ReadSettings(NumberSettings):
    """All of how a table is read: its fields, its numbers, and its dates."""

    date_format: str | None = setting(
        None,
        "How dates are written, as strptime has it: %d/%m/%Y, %Y-%m-%d %H:%M, with %q for a "
        "quarter; or epoch-s, epoch-ms, excel. By default what they show.",
    )

    @classmethod
    def of(cls, settings: FileSettings | Mapping[str, Any] | None) -> Self:
        """These settings alone, of a class or a section of a config with more of them or fewer."""
        said = settings if isinstance(settings, Mapping) else vars(settings) if settings else {}
        return cls(**{field.name: said.get(field.name) for field in fields(cls)})


def words(written: str | None) -> list[str]:
    """The words of ``a,b``, without the spaces round them."""
    return [part.strip() for part in (written or "").split(",") if part.strip()]


def character(written: str) -> str:
    """The character that a name such as "tab" stands for, or that is written."""
    return CHARACTERS.get(written, written)


def _check_character(name: str, written: str) -> None:
    value = character(written)
    if len(value) != 1 or value in '"\r\n' or value.isalnum():
        raise ArgumentError(
            name, wanted=f"a character, or one of {', '.join(CHARACTERS)}", got=repr(written)
        )
