"""How the program reads files of the user, and says what it took them for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

from ostinato.cli.screen import note, say
from ostinato.data import FileSettings, NumberSettings, Reader, ReadSettings
from ostinato.data.source import STDIN
from ostinato.errors import ArgumentError
from ostinato.train import Run

SECTION = "read"
"""The section of a config that keeps how the file of a run was read."""


def reader_of(run: Run, given: FileSettings) -> Reader:
    """A reader of another file for a run: as the user says now, and else as the run's was read."""
    return Reader(given, run.read_config().get(SECTION))


def note_decisions(reader: Reader) -> None:
    """Say, beside the result, what was decided about a file."""
    for line in reader.said:
        note(line)


def teller(*, as_json: bool) -> Callable[[str], None]:
    """What says a line about a file that a run is trained on."""
    return lambda line: say(line, as_json=as_json)


def names_of(kind: type[FileSettings]) -> tuple[str, ...]:
    """The settings of a kind of reading, by name."""
    return tuple(field.name for field in dataclasses.fields(kind))


TEXT_FLAGS, PAIR_FLAGS = ("encoding",), (*names_of(FileSettings), "source", "target")
LABEL_FLAGS = (*names_of(NumberSettings), "sequence", "label", "group")
SERIES_FLAGS = (*names_of(ReadSettings), "time", "series")
"""The flags about files and columns that each kind of run takes."""


def refuse_without_file(given: Iterable[str], files: object) -> None:
    """Raise ArgumentError for flags about a file where there is none."""
    for name in given:
        if not files:
            raise ArgumentError(
                "FILE", wanted="the file that the flags are about", got=f"{flag(name)} without one"
            )


def flag(name: str) -> str:
    """A setting as its flag."""
    return f"--{name.replace('_', '-')}"


# Bytes from which on a file takes seconds to be read.
_LARGE = 5_000_000


def announce(path: Path, *, as_json: bool) -> None:
    """Say that a large file is being read."""
    if path != STDIN and path.is_file() and path.stat().st_size > _LARGE:
        say(f"reading {path}", as_json=as_json)
