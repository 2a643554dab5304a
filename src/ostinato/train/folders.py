"""Where runs lie: new directories for them, and the words for what is not there."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ostinato.data.files import near_names, read_json
from ostinato.errors import ArgumentError
from ostinato.train.errors import RunError

FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
"""The numbers of the errors of a full disk."""
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


def command(words: str, path: Path) -> str:
    """A command of the program, to be shown; the path is quoted for the shell."""
    name = f"./{path}" if str(path).startswith("-") else str(path)
    return f"ostinato {words} {shlex.quote(name)}"


def next_free(root: Path, task: str) -> Path:
    """The new directory ``root/task-001``, or of the next number that is free."""
    root.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = root / f"{task}-{number:03d}"
        try:
            # mkdir both asks and takes, so two runs that start at once get two numbers.
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def make_named(folder: Path) -> None:
    """Make this directory. Raises RunError where it is there."""
    try:
        folder.mkdir(parents=True)
    # what stands in the way may be the folder itself, or a file in the place of one above it
    except (FileExistsError, NotADirectoryError) as error:
        is_run = (folder / "config.json").is_file()
        go_on = command("train --resume", folder)
        remedy = f"To continue that run: {go_on}. " if is_run else ""
        raise RunError(
            "run",
            wanted="the name of a new directory",
            got=f"{folder}, which exists" if folder.exists() else f"{folder}, below a file",
            remedy=f"{remedy}Choose another name, or leave it out for the next free number.",
        ) from error


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Within the block, what cannot be read of a run ends in a RunError."""
    try:
        yield
    except ArgumentError as error:
        raise RunError(
            error.argument, wanted=error.wanted, got=error.got, remedy=error.remedy
        ) from error
    except OSError as error:
        raise RunError(
            str(error.filename or folder),
            wanted="a run that may be read",
            got=error.strerror or "none",
        ) from error


def no_run(folder: Path) -> RunError:
    """The error for a path that is no run, with names that are near."""
    # of a path within a run, the run may have been meant
    inside = [path for path in folder.parents if (path / "config.json").is_file()]
    if folder.is_dir():
        got, near = f"{folder}, which has no config.json", inside[:1]
    elif folder.is_file():
        got, near = f"the file {folder}", inside[:1]
    else:
        got, near = f"{folder}, which does not exist", near_names(folder)
    remedy = f"Did you mean {' or '.join(map(str, near))}?" if near else ""
    return RunError("run", wanted="the directory of a run", got=got, remedy=remedy)


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a run. Raises RunError where there is none."""
    with readable(path.parent):
        value = read_json(path, "a JSON file of a run")
    if isinstance(value, dict):
        return value
    raise RunError(str(path), wanted="a JSON object", got=type(value).__name__)


def cannot_write(
    error: OSError, folder: Path, newest: Path | None = None, go_on: str = ""
) -> RunError:
    """The error for a disk that cannot be written: what of a run is kept, and how to go on."""
    got = error.strerror or "none"
    if error.errno in FULL:
        wanted, got, first = "room on the disk", "none, as it is full", "Make room"
    elif error.errno in _READ_ONLY:
        read_only = "a disk that is read-only" if error.errno == errno.EROFS else "no permission"
        wanted, got, first = (
            "a run that may be written",
            read_only,
            "Copy it to where you may write",
        )
    else:
        wanted, first = "files that can be read and written", "Look after the disk"
    kept = "Nothing was trained yet" if newest is None else f"{newest} is kept"
    then = "" if newest is None else f", then go on: {go_on}"
    return RunError(
        str(error.filename or folder),
        wanted=wanted,
        got=got,
        remedy=f"{kept}. {first}{then}.",
    )
