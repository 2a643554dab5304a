"""Tokens in a memory-mapped file: written once as a stream, read as an array."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ostinato.data.files import atomic
from ostinato.errors import ArgumentError

# The header is written twice: first for room, then with the true length. NumPy pads headers, and
# leaves space for the digits of a growing length, so both have the same size.
_UNKNOWN_LENGTH = 0
# What write_array_header_1_0 writes, for such arrays.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?P<size>..)"
    rb"\{'descr': '(?P<dtype>[<>]u[24])', 'fortran_order': False, "
    rb"'shape': \((?P<length>[0-9]{1,15}),\), \} *\n",
    re.DOTALL,
)
_LONGEST = 1000
# Ids that are read at once.
_PIECE = 1 << 20


def token_dtype(vocabulary_size: int) -> np.dtype[Any]:
    """The smallest of uint16 and uint32 that holds every id of a vocabulary."""
    return np.dtype(np.uint16 if vocabulary_size <= 1 << 16 else np.uint32)


class TokenWriter:
    """Appends ids to a ``.npy`` file that appears under its name when the block ends well::

    with TokenWriter(path, vocabulary_size) as writer:
        for ids in pieces:
            writer.append(ids)
    """

    def __init__(self, path: Path, vocabulary_size: int) -> None:
        self.path = path
        self.dtype = token_dtype(vocabulary_size)
        self.length = 0

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._file = self._stack.enter_context(atomic(self.path))
        self._write_header(_UNKNOWN_LENGTH)
        self._start = self._file.tell()
        return self

    def append(self, ids: np.ndarray) -> None:
        """Add ids [n] at the end."""
        self._file.write(np.ascontiguousarray(ids, dtype=self.dtype).data)
        self.length += len(ids)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._file.seek(0)
            self._write_header(self.length)
            assert self._file.tell() == self._start, "the header changed its size"
        self._stack.__exit__(kind, error, trace)

    def _write_header(self, length: int) -> None:
        described = np.lib.format.dtype_to_descr(self.dtype)
        header = {"descr": described, "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(self._file, header)


def open_tokens(path: Path) -> np.ndarray:
    """The ids [N] of a file of `TokenWriter`, mapped into memory, read-only.

    Raises ArgumentError where the file is missing, damaged, or something else.
    """
    found = _read_header(path)
    if found is None:
        raise ArgumentError(
            str(path),
            wanted="a file of tokens",
            got="another or a damaged file" if path.is_file() else "no file",
            remedy="It belongs to a run of ostinato and is made anew by a new run.",
        )
    dtype, length, start = found
    return np.memmap(path, dtype, mode="r", offset=start, shape=(length,))


def _read_header(path: Path) -> tuple[np.dtype[Any], int, int] | None:
    """(dtype, ids, bytes before them) of a file that is just so long; None for any other.

    NumPy would read any header, as it reads Python.
    """
    try:
        with open(path, "rb") as file:
            match = _HEADER.match(file.read(_LONGEST))
            size = file.seek(0, os.SEEK_END)
    except OSError:
        return None
    if match is None or int.from_bytes(match["size"], "little") != match.end() - 10:
        return None
    dtype, length = np.dtype(match["dtype"].decode()), int(match["length"])
    whole = length > 0 and size == match.end() + length * dtype.itemsize
    return (dtype, length, match.end()) if whole and dtype.isnative else None


def check_tokens(path: Path, ids: np.ndarray, vocabulary_size: int) -> None:
    """Raise ArgumentError where an id of `open_tokens` is none of a vocabulary.

    The file is read in pieces, not through the map, so that memory stays flat.
    """
    largest = 0
    with open(path, "rb") as file:
        file.seek(path.stat().st_size - ids.nbytes)
        while len(piece := np.fromfile(file, ids.dtype, _PIECE)):
            largest = max(largest, int(piece.max()))
    if largest >= vocabulary_size:
        raise ArgumentError(
            str(path),
            wanted=f"tokens of a vocabulary of {vocabulary_size:,}",
            got=f"the number {largest:,}",
        )
