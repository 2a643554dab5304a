"""Cells by name: the standard ones, and any class by its path."""

from __future__ import annotations

import difflib
import importlib
import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ostinato import cells
from ostinato.cell import Cell
from ostinato.cells.gated import GatedCell
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

INITS = ("orthogonal", "identity", "xavier", "torch")
"""How the weights of the standard cells may begin; torch leaves all of them to torch."""

INIT_HELP = (
    "How the recurrent weights of lstm, gru and elman begin; xavier: all weights and biases as "
    "MinPy draws them; torch: all weights as torch's."
)

NORM_PENALTY_HELP = (
    "Weight of a penalty on changes of the norm of each layer's output from step to step "
    "(NormStabilizer, Krueger and Memisevic 2015)."
)

# The gates of a cell that MinPy keeps in one matrix, and so draws as one.
_TOGETHER = {"elman": [1], "lstm": [4], "gru": [2, 1]}


def initial_weights(name: str, init: str) -> dict[str, Any]:
    """The options of the cell of this name for one of `INITS`; none for a cell of another kind."""
    if name not in STANDARD or init in ("torch", "xavier"):
        return {}
    options: dict[str, Any] = {"init_ih": "xavier", "init_hh": init, "init_bias": "zeros"}
    # Remember at first, and learn to forget (Jozefowicz et al. 2015).
    return {**options, "forget_bias": 1.0} if name == "lstm" else options


def output_size(cell: Cell, width: int) -> int:
    """The features of y for x [B, width]: not told by a cell, nor always H."""
    with torch.no_grad(), torch.random.fork_rng():
        y, _ = cell(torch.zeros(1, width), cell.initial_state(1))
    return y.shape[-1]


def make_layer(
    name: str,
    input_size: int,
    size: int,
    *,
    init: str = "orthogonal",
    biases: int = 2,
    **options: Any,
) -> Cell:
    """The cell of this name, as `make_cell` makes it, with its first weights by one of `INITS`.

    With ``biases=1`` each gate of a standard cell has one bias, as papers and older libraries
    write it: ``bias_hh`` is a buffer that stays 0. Other cells are as they are.
    """
    cell = make_cell(name, input_size, size, **initial_weights(name, init), **options)
    if name not in STANDARD:
        return cell
    assert isinstance(cell, GatedCell)
    assert cell.bias_ih is not None
    assert cell.bias_hh is not None
    if init == "xavier":
        for weight in (cell.weight_ih, cell.weight_hh, cell.bias_ih):
            for part in torch.split(weight, [gates * size for gates in _TOGETHER[name]]):
                draw_as_minpy(part)
        nn.init.zeros_(cell.bias_hh)
    if biases == 1:
        del cell.bias_hh
        cell.register_buffer("bias_hh", torch.zeros_like(cell.bias_ih))
    return cell


@torch.no_grad()
def draw_as_minpy(weight: Tensor) -> None:
    """Fill a weight [H, n] or bias [H] in place from N(0, 6 / (H + n)), n = 0 for a bias."""
    weight.normal_(std=math.sqrt(6 / sum(weight.shape)))


def find_cell(name: str) -> Callable[..., Any]:
    """What makes cells of this name. Raises ArgumentError for a name that leads to nothing."""
    kind = LIBRARY.get(name) or imported(name)
    if inspect.isabstract(kind):
        raise _unknown(name, "That class is abstract: write one that defines all of a cell.")
    return kind


def make_cell(name: str, input_size: int, size: int, **options: Any) -> Cell:
    """The cell of this name: a key of `STANDARD`, or ``"package.module:Class"``.

    A class is called as ``Class(input_size, size, **options)`` and must give a `Cell`, or one of
    torch's own cells; a function is called likewise. Raises ArgumentError for a name that leads to
    none, and where it does not take the options.

    The module of a class is imported, which runs its code: for the names in runs of others see
    `ostinato.train.Run.open`.
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
