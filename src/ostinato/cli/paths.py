"""Paths that a command writes to, refused before anything is computed."""

from __future__ import annotations

from pathlib import Path

from ostinato.data.files import what_is
from ostinato.errors import ArgumentError


def check_file(flag: str, path: Path | None) -> None:
    """Raise ArgumentError where a file cannot be written: no folder for it, or a folder there."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        got = what_is(path) if path.is_dir() else f"{path}, whose folder is not there"
        raise ArgumentError(flag, wanted="a file in a folder that is there", got=got)


def check_folder(flag: str, path: Path | None) -> None:
    """Raise ArgumentError where something else than a folder is in the place of one."""
    if path is not None and path.exists() and not path.is_dir():
        raise ArgumentError(flag, wanted="a folder, which may be new", got=what_is(path))
