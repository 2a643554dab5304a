"""How another file for a run is read: as the user says now, and else as the run's own was."""

from __future__ import annotations

import dataclasses
from typing import Any

from ostinato.data import FileSettings, NumberSettings, Reader, ReadSettings
from ostinato.data.typed import check_type
from ostinato.train import Run

SECTION = "read"
"""The section of a config that keeps how the file of a run was read."""


def reader_of(run: Run, given: FileSettings | None = None) -> Reader:
    """A reader of another file for a run."""
    return Reader(given, how_read(run))


def how_read(run: Run) -> dict[str, Any]:
    """How the file of a run was read, by its config; nothing where it read none."""
    found = run.read_config().get(SECTION, {})
    check_type(f"{run.config_path}: {SECTION}", found, dict[str, str | bool | None])
    return found


def names_of(kind: type[FileSettings]) -> tuple[str, ...]:
    """The settings of a kind of reading, by name."""
    return tuple(field.name for field in dataclasses.fields(kind))


TEXT_FLAGS, PAIR_FLAGS = ("encoding",), (*names_of(FileSettings), "source", "target")
LABEL_FLAGS = (*names_of(NumberSettings), "sequence", "label", "group")
SERIES_FLAGS = (*names_of(ReadSettings), "time", "series")
"""The settings about files and columns that each kind of run takes."""
