"""Object code and notes on the disk: only what is whole and this user's own, and not too much.

The directory is ``OSTINATO_CACHE`` or the user's cache directory; removing it, or any file in it,
is always safe. What is loaded is run, so it has to be as safe as a program of the user: written by
nobody else, in a directory where nobody else can put another file in its place.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ostinato.errors import ArgumentError

MAGIC = b"ostinato object 1\n"
DIGEST = 32
"""Bytes of a SHA-256."""

SIZE = 256
"""Megabytes that the files of a directory may take in all, unless ``OSTINATO_CACHE_SIZE`` says."""
OURS = re.compile(r"[0-9a-f]{40}\.(o|py|checked)(?P<partial>.*)")
"""The names of our files, of which those with an end were being written."""
STALE = 3600.0
"""Seconds after which nobody writes a file any more."""
BLOCK = 4096
"""Bytes that the smallest file takes on most disks."""


def cache_directory() -> Path | None:
    """``OSTINATO_CACHE``, or where this platform keeps caches of the user; None without a home."""
    try:
        return directory()
    except RuntimeError:  # there is no home, and nobody knows the user
        return None


def directory() -> Path:
    """As `cache_directory`, where there is one."""
    chosen = os.environ.get("OSTINATO_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home()) / "ostinato" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ostinato"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ostinato"


def is_safe(directory: Path) -> bool:
    """Whether nobody else can put files into a directory, or one in its place. If not, says so."""
    if not hasattr(os, "geteuid"):
        return True
    with suppress(OSError):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (directory.absolute(), directory.resolve()):
        for place in (path, *path.parents):
            why = _why_unsafe(place, inner=place == path)
            if why is not None:
                _say(f"Compiled code is not taken from {directory} nor kept there, as {why}.")
                return False
    return True


def _why_unsafe(place: Path, *, inner: bool) -> str | None:
    try:
        found = place.stat()
    except OSError:
        return None  # not there: nothing will be read or written either
    if found.st_uid not in ({os.geteuid()} if inner else {os.geteuid(), 0}):
        return f"{place} belongs to another user"
    # in a sticky directory, such as /tmp, others cannot rename what is not theirs
    if _others_write(found) and (inner or not found.st_mode & stat.S_ISVTX):
        return f"others can write {place}"
    return None


def _others_write(found: os.stat_result) -> bool:
    """Whether others can write; the group of a user's own, of the same number, is no other."""
    group = bool(found.st_mode & stat.S_IWGRP) and found.st_gid != found.st_uid
    return group or bool(found.st_mode & stat.S_IWOTH)


def read(path: Path) -> bytes | None:
    """The code or note in a file; None where it is missing, damaged or not this user's own."""
    try:
        # the last name of the path is no link, and no pipe that would be waited for
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
            if not _is_own(path, os.fstat(file.fileno())):
                return None
            content = file.read()
    except OSError:
        return None
    start = len(MAGIC) + DIGEST
    code = content[start:]
    whole = content[:start] == MAGIC + hashlib.sha256(code).digest()
    if not (whole and code):
        return None
    with suppress(OSError):  # the oldest go first, and this one is in use
        os.utime(path)
    return code


def _is_own(path: Path, found: os.stat_result) -> bool:
    if not stat.S_ISREG(found.st_mode):
        return False
    if not hasattr(os, "geteuid"):
        return True
    if found.st_uid == os.geteuid() and not _others_write(found):
        return True
    _say(f"Compiled code is made anew, as {path} is another user's or can be written by others.")
    return False


@functools.cache
def _say(message: str) -> None:
    """Write a line to the log, once."""
    logging.getLogger("ostinato").warning(message)


def write(path: Path, content: bytes, *, sealed: bool = False) -> None:
    """Write a file so that other processes see all of it or nothing; a full disk is no error.

    With ``sealed`` it begins with what `read` looks for.
    """
    if sealed:
        content = MAGIC + hashlib.sha256(content).digest() + content
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except OSError:
            os.unlink(name)
    except OSError:
        # without a cache everything works, and the next process compiles again
        return


def trim(directory: Path) -> None:
    """Delete the oldest files beyond the size that a directory may have, and what was left over."""
    with suppress(OSError):
        found = sorted(_files(directory), key=lambda each: each[1].st_mtime)
        left = sum(_room(each) for _, each in found) - most_bytes()
        for path, each in found:
            match = OURS.fullmatch(path.name)
            partial = match is not None and match["partial"]
            if left > 0 or (partial and each.st_mtime < time.time() - STALE):
                path.unlink(missing_ok=True)
                left -= _room(each)


def _room(found: os.stat_result) -> int:
    return -(-found.st_size // BLOCK) * BLOCK


def _files(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if OURS.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                yield Path(entry.path), entry.stat(follow_symlinks=False)


def most_bytes() -> int:
    """The size that a directory may have. Raises ArgumentError where the user gives no number."""
    given = os.environ.get("OSTINATO_CACHE_SIZE", str(SIZE))
    if not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise ArgumentError(
            "OSTINATO_CACHE_SIZE", wanted="a number of megabytes, such as 256", got=repr(given)
        )
    return int(given) * 10**6
