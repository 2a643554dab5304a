"""The constructor's arguments, checked as torch.nn checks them, and what contradicts what."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ostinato.cell import Cell, as_cell
from ostinato.errors import ArgumentError, DtypeError
from ostinato.typing import is_real, is_whole

MakeCell = Callable[[int, int], nn.Module]
"""A class of cells, or a function: ``(input_size, hidden_size) -> cell``."""


LARGEST = 2**31 - 1
"""More features or layers than this fit into no memory."""


def check_type(argument: str, value: object, kind: type, remedy: str) -> None:
    """Raise DtypeError where the value is not of this type."""
    if not isinstance(value, kind):
        raise DtypeError(
            argument, wanted=f"{kind.__name__}", got=type(value).__name__, remedy=remedy
        )


def check_count(argument: str, value: object, remedy: str) -> None:
    """Raise DtypeError for what is no whole number, ArgumentError for one below 1."""
    if not is_whole(value):
        raise DtypeError(argument, wanted="int", got=type(value).__name__, remedy=remedy)
    if value < 1:
        raise ArgumentError(argument, wanted="at least 1", got=str(value), remedy=remedy)
    if value > LARGEST:
        raise ArgumentError(argument, wanted=f"at most {LARGEST:,}", got=str(value), remedy=remedy)


def check_dropout(p: Any, num_layers: int) -> None:
    """Raise ArgumentError where p is no probability; warn where it has no effect, as torch."""
    if not is_real(p) or not 0 <= p <= 1:
        raise ArgumentError(
            "dropout",
            wanted="a number from 0 to 1",
            got=repr(p),
            remedy="It is the share of each layer's output that is dropped.",
        )
    if p > 0 and num_layers == 1:
        warnings.warn(
            f"dropout: wanted 0 where num_layers=1, got {p}. It acts between layers, so it has no "
            "effect on a single one.",
            stacklevel=4,  # the caller of RNN(...), past the two constructors
        )


def check_proj_size(proj_size: int, hidden_size: int) -> None:
    """Raise ArgumentError where proj_size is not in [0, hidden_size)."""
    if not is_whole(proj_size):
        kind = type(proj_size).__name__
        raise DtypeError("proj_size", wanted="int", got=kind, remedy="It counts features.")
    if not 0 <= proj_size < hidden_size:
        raise ArgumentError(
            "proj_size",
            wanted=f"0 (no projection) or less than hidden_size={hidden_size}",
            got=str(proj_size),
            remedy="A projection makes h smaller than c.",
        )


def refuse_proj_size(name: str, proj_size: int) -> None:
    """Raise ArgumentError where a layer other than an LSTM is given a projection."""
    if proj_size != 0:
        raise ArgumentError(
            "proj_size",
            wanted=f"0 for {name}, as only LSTM has projections",
            got=repr(proj_size),
            remedy="Use ostinato.nn.LSTM, or a cell of your own with cell=.",
        )


def cell_maker(
    cell: MakeCell | None,
    standard: MakeCell,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
    **options: tuple[Any, Any],
) -> MakeCell:
    """The user's ``cell``, on its device and in its dtype, or else the ``standard`` one.

    ``options`` are those of the standard cell, each as (value, default): with a cell of the user's
    own they must be at their defaults. Raises ArgumentError where they are not, and DtypeError
    where cell is no class or function.
    """
    if cell is None:
        return standard
    if isinstance(cell, nn.Module) or not callable(cell):
        raise DtypeError(
            "cell",
            wanted="a class or function (input_size, hidden_size) -> cell",
            got=f"an object of type {type(cell).__name__}",
            remedy="Pass the class itself: each layer and direction makes a cell of its own.",
        )
    for name, (value, default) in options.items():
        if value != default:
            raise ArgumentError(
                name,
                wanted=f"{default!r} together with cell=",
                got=repr(value),
                remedy="Pass cell=lambda input_size, hidden_size: ..., and set it in there.",
            )

    def make(input_size: int, hidden_size: int) -> Cell:
        return as_cell(cell(input_size, hidden_size)).to(device=device, dtype=dtype)

    return make
