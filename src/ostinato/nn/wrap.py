"""What the options beyond torch.nn put round a cell."""

from __future__ import annotations

from collections.abc import Callable

from ostinato import _tree
from ostinato.cell import Cell
from ostinato.combine import RecurrentDropout, Zoneout
from ostinato.combine.dropout import check_probability
from ostinato.errors import ArgumentError
from ostinato.typing import State


def common_form(cells: list[Cell]) -> State:
    """The state of a cell for two rows, on the meta device, which must be the same for all cells.

    Two rows tell a leaf that has the rows of the batch from one that they share.
    """
    first, *others = [cell.initial_state(2, device="meta") for cell in cells]
    for other in others:
        found = _tree.mismatch(first, other, "state")
        if found:
            raise ArgumentError(
                "cell",
                wanted="cells with a state of one form in all layers, as h_n stacks them",
                got=f"in the first layer and a later one {found}",
                remedy="Use ostinato.Stack with ostinato.unroll, which keep the layers apart.",
            )
    return first


def wrapped(
    cell: Cell, recurrent_dropout: float, zoneout: float | tuple[float, ...], suffix: str
) -> tuple[Cell, Callable[[str], str]]:
    """The cell with what the options ask for, and its names: of ``a.b`` in the cell, ``a_b_l0``."""
    check_probability("recurrent_dropout", recurrent_dropout)
    depth = 0
    if recurrent_dropout:
        cell, depth = RecurrentDropout(cell, recurrent_dropout), depth + 1
    if zoneout != 0:
        check_zoneout(cell, zoneout)
        cell, depth = Zoneout(cell, zoneout), depth + 1
    outer = "cell." * depth

    def rename(path: str) -> str:
        return path.removeprefix(outer).replace(".", "_") + suffix

    return cell, rename


def check_zoneout(cell: Cell, zoneout: float | tuple[float, ...]) -> None:
    """Raise ArgumentError for what are no probabilities, or of another number than the leaves."""
    leaves = _tree.leaves(cell.initial_state(1, device="meta"))
    count = sum(leaf.is_floating_point() for leaf in leaves)
    given = zoneout if isinstance(zoneout, tuple) else (zoneout,) * count
    for p in given:
        check_probability("zoneout", p)
    if len(given) != count:
        raise ArgumentError(
            "zoneout",
            wanted=f"one probability, or a tuple of {count} for the tensors of the cell's state",
            got=repr(zoneout),
            remedy="For an LSTM it is (p_h, p_c), for a GRU or RNN p_h alone.",
        )
