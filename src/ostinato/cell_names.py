"""Cells by name: the standard ones, and any class by its path."""

from __future__ import annotations

import difflib
import importlib
import inspect
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


LIBRARY: dict[str, Callable[..., Any]] = {
    **STANDARD,
    **{
        f"ostinato.cells:{name}": kind
        for name in cells.__all__
        if not inspect.isabstract(kind := getattr(cells, name))
    },
    **{f"torch.nn:{kind.__name__}": kind for kind in (nn.RNNCell, nn.LSTMCell, nn.GRUCell)},
}
"""The names that lead to cells of ostinato and of torch, without importing anything."""

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


def make_cell(name: str, input_size: int, size: int, **options: Any) -> Cell:
    """The cell of this name: a key of `STANDARD`, or ``"package.module:Class"``.

    A class is called as ``Class(input_size, size, **options)`` and must give a `Cell`, or one of
    torch's own cells; a function is called likewise. Raises ArgumentError for a name that leads to
    none, and where it does not take the options.

    The module of a class is imported, which runs its code: for the names in runs of others see
    `ostinato.train.Run.open`.
    """
    kind = LIBRARY.get(name) or imported(name)
    if inspect.isabstract(kind):
        raise _unknown(name, "That class is abstract: write one that defines all of a cell.")
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
        remedy="Wrap it in ostinato.Recurrence, in a class of cells of your own.",
    )


def is_cell_class(kind: object) -> bool:
    """Whether this is a class whose objects are cells, of ours or of torch's kind."""
    return inspect.isclass(kind) and issubclass(kind, Cell | nn.RNNCellBase)


def imported(name: str) -> Callable[..., Any]:
    """What ``"package.module:Class"`` leads to. Raises ArgumentError where that is nothing."""
    module, colon, attribute = name.partition(":")
    if not colon:
        raise _unknown(name, f"Did you mean {near[0]}?" if (near := _near(name)) else "")
    if not all(module.split(".")):
        raise _unknown(name, "A module is named in full, such as my_package.my_module.")
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
