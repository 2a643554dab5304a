"""What the program says of files of the user, and of flags about them."""

from __future__ import annotations

from collections.abc import Iterable

from ostinato.cli.screen import note
from ostinato.data import Reader
from ostinato.errors import ArgumentError


def note_decisions(reader: Reader) -> None:
    """Say, beside the result, what was decided about a file."""
    for line in reader.said:
        note(line)


def refuse_without_file(given: Iterable[str], files: object) -> None:
    """Raise ArgumentError for flags about a file where there is none."""
    for name in given:
        if not files:
            raise ArgumentError(
                "FILE", wanted="the file that the flags are about", got=f"`{name}` without one"
            )
