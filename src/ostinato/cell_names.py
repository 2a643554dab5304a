"""Cells by name: the standard ones, and any class by its path."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ostinato import cells
from ostinato.cell import Cell
from ostinato.combine import Recurrence
from ostinato.errors import ArgumentError

STANDARD: dict[str, Callable[..., Cell]] = {
    "elman": cells.Elman,
    "gru": cells.GRU,
    "lstm": cells.LSTM,
}


INITS = ("orthogonal", "identity", "torch")
"""How the recurrent weights of the standard cells may begin; torch leaves all weights to torch."""


def initial_weights(name: str, init: str) -> dict[str, Any]:
    """The options of the cell of this name for one of `INITS`; none for a cell of another kind."""
    if name not in STANDARD or init == "torch":
        return {}
    options: dict[str, Any] = {"init_ih": "xavier", "init_hh": init, "init_bias": "zeros"}
    # Remember at first, and learn to forget (Jozefowicz et al. 2015).
    return {**options, "forget_bias": 1.0} if name == "lstm" else options


def output_size(cell: Cell, width: int) -> int:
    """The features of y for x [B, width]: not told by a cell, nor always H."""
    with torch.no_grad(), torch.random.fork_rng():
        y, _ = cell(torch.zeros(1, width), cell.initial_state(1))
    return y.shape[-1]


def find_cell(name: str) -> Callable[..., Any]:
    """What makes cells of this name. Raises ArgumentError for a name that leads to nothing."""
    return STANDARD.get(name) or _imported(name)


def make_cell(name: str, input_size: int, size: int, **options: Any) -> Cell:
    """The cell of this name: a key of `STANDARD`, or ``"package.module:Class"``.

    A class is called as ``Class(input_size, size, **options)`` and must give a `Cell`, or one of
    torch's own cells. Raises ArgumentError for a name that leads to none, and where the class does
    not take the options.
    """
    kind = find_cell(name)
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
