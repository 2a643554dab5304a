"""Files: found with a hint at the near name, and written whole or not at all."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ostinato.errors import ArgumentError


def near_names(path: Path) -> list[Path]:
    """Up to three paths beside `path` whose names are nearly its name, nearest first."""
    folder = path.parent
    if not folder.is_dir():
        return []
    names = [entry.name for entry in folder.iterdir() if entry.name != path.name]
    return [folder / name for name in difflib.get_close_matches(path.name, names, n=3)]


def existing_file(path: str | os.PathLike[str], argument: str) -> Path:
    """The path of a readable file. Raises ArgumentError, which suggests names that are near."""
    path = Path(path)
    if path.is_file():
        return path
    raise ArgumentError(
        argument, wanted="the path of a file", got=what_is(path), remedy=suggestion(path)
    )


def what_is(path: Path) -> str:
    """A path in words, where it is not what was wanted."""
    if path.is_dir():
        return f"the folder {path}"
    if path.exists():
        return f"the file {path}" if path.is_file() else f"{path}, which is no plain file"
    leads = " is a link that leads nowhere" if path.is_symlink() else " does not exist"
    return f"{path}, which{leads}"


def suggestion(path: Path) -> str:
    """``Did you mean ...?`` with the near names of a path, or nothing."""
    if path.is_dir():
        return "Name the files in it."
    near = near_names(path)
    if near:
        return f"Did you mean {' or '.join(str(name) for name in near)}?"
    parent = path.parent
    if parent.is_dir():
        return ""
    return f"{parent} is a file." if parent.is_file() else f"There is no folder {parent}."


@contextmanager
def atomic(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Write a file that appears under its name only when it is complete.

    The bytes go to a temporary name in the same folder, reach the disk, and then take the place of
    `path` in one step, so that a crash leaves the old file or the new one. When the body raises,
    the old file stays and the temporary one goes.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    encoding = None if "b" in mode else "utf-8"
    try:
        with open(partial, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        # a full disk has no name, and nobody knows the temporary one
        if error.filename in (None, str(partial)):
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    # A rename is on the disk only when its folder is. Windows cannot open folders, nor needs to.
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    with atomic(path, "w") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")
