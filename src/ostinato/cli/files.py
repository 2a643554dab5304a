"""How the program reads files of the user, and says what it took them for."""

from __future__ import annotations

from collections.abc import Callable

from ostinato.cli.screen import note, say
from ostinato.data import FileSettings, Reader
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
