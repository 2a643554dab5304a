"""Cells by name: the standard ones, and any class by its path."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from typing import Any

from torch import nn

from ostinato import Recurrence, cells
from ostinato.cell import Cell
from ostinato.errors import ArgumentError

STANDARD: dict[str, Callable[..., Cell]] = {
    "elman": cells.Elman,
    "gru": cells.GRU,
    "lstm": cells.LSTM,
}


def make_cell(name: str, input_size: int, size: int, **options: Any) -> Cell:
    """The cell of this name: a key of `STANDARD`, or ``"package.module:Class"``.

    A class is called as ``Class(input_size, size, **options)`` and must give a `Cell`, or one of
    torch's own cells. Raises ArgumentError for a name that leads to none, and where the class does
    not take the options.
    """
    kind = STANDARD.get(name) or _imported(name)
    try:
        cell = kind(input_size, size, **options)
    except TypeError as error:
        raise ArgumentError(
            "cell",
            wanted=f"a class that takes {', '.join(['input_size', 'size', *options])}",
            got=f"{name} ({error})",
        ) from error
    if isinstance(cell, nn.LSTMCell):
        return Recurrence(cell, (size, size))
    if isinstance(cell, nn.RNNCellBase):
        return Recurrence(cell, size)
    if isinstance(cell, Cell):
        return cell
    raise ArgumentError(
        "cell",
        wanted="a class of cells",
        got=f"{name}, which makes a {type(cell).__name__}",
        remedy="Wrap it in ostinato.Recurrence, in a function of input_size and size.",
    )


def _imported(name: str) -> Callable[..., Any]:
    module, colon, attribute = name.partition(":")
    if not colon:
        raise _unknown(name, f"Did you mean {near[0]}?" if (near := _near(name)) else "")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        remedy = f"Python finds no module {error.name}; is its folder on PYTHONPATH?"
        raise _unknown(name, remedy) from error
    except AttributeError as error:
        raise _unknown(name, f"The module {module} has no {attribute}.") from error


def _near(name: str) -> list[str]:
    return difflib.get_close_matches(name.lower(), STANDARD, n=1)


def _unknown(name: str, remedy: str) -> ArgumentError:
    known = ", ".join(STANDARD)
    return ArgumentError(
        "cell", wanted=f"one of {known}, or package.module:Class", got=repr(name), remedy=remedy
    )
