"""Tokens in a memory-mapped file: written once as a stream, read as an array."""

from __future__ import annotations

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
    try:
        ids = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArgumentError(
            str(path),
            wanted="a file of tokens",
            got=f"one that cannot be read ({error})",
            remedy="It belongs to a run of ostinato and is made anew by a new run.",
        ) from error
    if ids.ndim != 1 or ids.dtype not in (np.uint16, np.uint32):
        raise ArgumentError(
            str(path), wanted="a file of tokens", got=f"an array {ids.dtype} {list(ids.shape)}"
        )
    return ids
