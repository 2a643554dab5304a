"""Errors of the drop-ins that are both ours and of the type that torch.nn raises."""

from __future__ import annotations

from ostinato.errors import DeviceError, DtypeError, ShapeError, StateError


class InputError(ShapeError, RuntimeError):
    """An input of the wrong size, where torch.nn raises RuntimeError."""


class InputDtypeError(DtypeError, ValueError, RuntimeError):
    """An input of another dtype than the weights.

    There torch.nn raises ValueError, and in LSTM for a PackedSequence RuntimeError.
    """


class InputDeviceError(DeviceError, RuntimeError):
    """An input on another device than the weights, where torch.nn raises RuntimeError."""


class HiddenError(StateError, RuntimeError):
    """A hidden state hx that does not fit, where torch.nn raises RuntimeError."""
