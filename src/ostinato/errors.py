"""The one format of every error that ostinato raises at its public doors.

An error names the argument, what was wanted, what came, and what to do about it.
"""

from __future__ import annotations

from functools import partial
from typing import Any


class OstinatoError(Exception):
    """Base of all errors raised by ostinato: ``argument: wanted W, got G. REMEDY``."""

    def __init__(self, argument: str, *, wanted: str, got: str, remedy: str = "") -> None:
        self.argument, self.wanted, self.got, self.remedy = argument, wanted, got, remedy
        message = f"{argument}: wanted {wanted}, got {got}."
        super().__init__(f"{message} {remedy}" if remedy else message)

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        # so that an error of a worker process reaches its parent
        words = {"wanted": self.wanted, "got": self.got, "remedy": self.remedy}
        return partial(type(self), self.argument, **words), ()


class ArgumentError(OstinatoError, ValueError):
    """A value that the argument cannot take, such as an unknown name or a probability of 2."""


class ShapeError(OstinatoError, ValueError):
    """A tensor of the wrong rank or size."""


class DtypeError(OstinatoError, TypeError):
    """A tensor of the wrong dtype, or an object of the wrong type."""


class DeviceError(OstinatoError, ValueError):
    """Tensors that should be on one device and are not."""


class StateError(OstinatoError, ValueError):
    """A state whose tree, shapes or dtypes are not those of the cell."""


class DivergedError(OstinatoError, ArithmeticError):
    """A loss, a weight, a gradient or a score of a model that is no finite number."""


class BackendError(OstinatoError, RuntimeError):
    """A backend that was asked for by name and refuses the call."""
