"""The errors of run directories, and of processes that train together."""

from __future__ import annotations

from ostinato.errors import OstinatoError


class LostError(OstinatoError, RuntimeError):
    """A process that trains with others, and does not answer any more."""


class RunError(OstinatoError, ValueError):
    """A run directory that cannot be made, read or written."""


class CodeError(RunError):
    """A run that names code which was not allowed, or which is none of a cell."""
