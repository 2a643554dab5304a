"""Files: found with a hint at the near name, written whole or not at all, never through links."""

from __future__ import annotations

import difflib
import errno
import json
import os
import re
import stat
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
    # one of another process of that number, which was killed
    partial.unlink(missing_ok=True)
    try:
        # made anew, so that it is no link that lies there
        with open(partial, mode.replace("w", "x"), encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        # a full disk has no name, and nobody knows the temporary one
        if error.errno is not None and error.filename in (None, str(partial)):
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


def sweep_partial(folder: Path) -> None:
    """Delete what `atomic` has left in a folder and those in it where its process was killed."""
    for path in folder.rglob(".*.partial"):
        number = re.fullmatch(r"\..+\.(\d{1,9})\.partial", path.name)
        if number is not None and not _alive(int(number[1])):
            path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there, and another user's
        return True
    return True


def open_in_place(path: Path, mode: str) -> IO[Any]:
    """Open a file to be added to ("ab") or changed ("r+b", "w+b"), never one of another name.

    Raises ArgumentError where it is a link, has a second name (a hard link), or is no file: what is
    written there would be written elsewhere.
    """

    def opener(name: str, flags: int) -> int:
        # a pipe that nobody reads would wait for ever
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        return os.open(name, flags, 0o666)

    try:
        file = open(path, mode, opener=opener)  # noqa: SIM115, the caller's
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
            raise _no_plain_file(path) from error
        raise
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        file.close()
        raise _no_plain_file(path)
    return file


def refuse_links(folder: Path) -> None:
    """Raise ArgumentError where something in a folder is neither a file nor a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                refuse_links(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                raise _no_plain_file(Path(entry.path))


def _no_plain_file(path: Path) -> ArgumentError:
    kind = "something that is no file"
    with suppress(OSError):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            kind = f"a link to {os.readlink(path)}"
        elif stat.S_ISREG(found.st_mode):
            kind = "a file that has a second name elsewhere (a hard link)"
    return ArgumentError(
        str(path),
        wanted="a file of its own, as what is written there would be written elsewhere",
        got=kind,
        remedy="If it is yours, put a copy in its place.",
    )


def read_json(path: Path, wanted: str) -> Any:
    """The value in a JSON file. Raises ArgumentError, which says what was ``wanted`` there."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArgumentError(str(path), wanted=wanted, got=why_unreadable(error)) from error


def why_unreadable(error: Exception) -> str:
    """What a file is that could not be read as JSON, in words."""
    if isinstance(error, FileNotFoundError):
        return "no file"
    if isinstance(error, OSError):
        return f"a file that cannot be read ({error.strerror})"
    if isinstance(error, UnicodeDecodeError):
        return f"bytes that are no text, at position {error.start}"
    if isinstance(error, json.JSONDecodeError):
        return f"text that is no JSON, from line {error.lineno}, column {error.colno} on"
    if isinstance(error, RecursionError):
        return "JSON that is nested too deep"
    return "JSON with a number of too many digits"
