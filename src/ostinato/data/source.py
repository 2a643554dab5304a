"""The bytes of a file: as they are, out of gzip, or from standard input."""

from __future__ import annotations

import atexit
import gzip
import os
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ostinato.data.files import existing_file
from ostinato.errors import ArgumentError

STDIN = Path("-")
"""The path that stands for standard input."""

_GZIP = b"\x1f\x8b"
# Standard input is kept in memory up to this size, and in a temporary file beyond it.
_IN_MEMORY = 1 << 24

# What a file is whose first bytes are these, where people take it for a text or a table.
_KINDS = {
    b"PK\x03\x04": "a ZIP archive, as .xlsx, .docx and .ods are",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Office document, as .xls and .doc are",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet table",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"(\xb5/\xfd": "a Zstandard archive",
    b"SQLite format 3": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "an array of NumPy",
    b"\x80\x02": "a pickle of Python",
    b"\x80\x03": "a pickle of Python",
    b"\x80\x04": "a pickle of Python",
    b"\x80\x05": "a pickle of Python",
}


def existing_source(path: str | os.PathLike[str], argument: str) -> Path:
    """The path of a readable file, or ``-`` for standard input.

    Raises ArgumentError for another path, which suggests names that are near.
    """
    path = Path(path)
    return path if path == STDIN else existing_file(path, argument)


def source_words(path: str | os.PathLike[str]) -> str:
    """The path as errors and summaries call it."""
    return "standard input" if Path(path) == STDIN else str(path)


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """A file to be read from its beginning, whatever its name: gzip is unpacked on the way.

    Standard input may be opened again and again. Raises ArgumentError for a gzip file that is
    damaged or cut short.
    """
    with _opened(path) as file:
        packed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        if not packed:
            yield file
            return
        try:
            with gzip.open(file) as unpacked:
                yield unpacked
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ArgumentError(
                source_words(path), wanted="a whole gzip file", got="one that is damaged or cut off"
            ) from error


def kind_of(data: bytes) -> str | None:
    """What bytes at the start of a file are where they are no text; None for what may be one."""
    return next((kind for start, kind in _KINDS.items() if data.startswith(start)), None)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if path != STDIN:
        with open(path, "rb") as file:
            yield file
        return
    kept = _standard_input()
    kept.seek(0)
    yield kept


_kept: tuple[Any, IO[bytes]] | None = None


def _standard_input() -> IO[bytes]:
    """Standard input, read to its end once, so that it can be read again."""
    global _kept
    if _kept is None or _kept[0] is not sys.stdin:
        if _kept is not None:
            _kept[1].close()
        file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  (it is read again later)
        atexit.register(file.close)
        stream = sys.stdin.buffer
        while piece := stream.read(1 << 20):
            file.write(piece)
        _kept = sys.stdin, file
    return _kept[1]
