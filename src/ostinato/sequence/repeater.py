"""The same input at every step."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from ostinato import _tree
from ostinato.cell import OverTime, as_cell, check_step
from ostinato.errors import ArgumentError, ShapeError
from ostinato.sequence.unroll import unroll
from ostinato.typing import Tree, is_whole


@final
class Repeater(OverTime):
    """Runs a cell ``num_steps`` times on one input: x [B, ...] to ys [T, B, ...].

    Every call starts from the initial state. The gradient of x is the sum over the steps. Torch
    rnn's ``Repeater``. Raises ArgumentError where ``num_steps`` is not a whole number of at least
    1, ShapeError for what is not one step.
    """

    def __init__(self, cell: nn.Module, num_steps: int) -> None:
        super().__init__()
        if not is_whole(num_steps) or num_steps < 1:
            raise ArgumentError(
                "num_steps",
                wanted="a whole number of at least 1",
                got=repr(num_steps),
                remedy="It counts how often the input is shown.",
            )
        self.cell = as_cell(cell)
        self.num_steps = num_steps

    def forward(self, x: Tree) -> Tree:
        """x [B, ...] to ys [T, B, ...], where T is ``num_steps``."""
        if self.cell.input_size is not None:
            check_step(self.cell, x, self.cell.input_size)

        def again(leaf: Tensor) -> Tensor:
            if leaf.dim() == 0:
                raise ShapeError(
                    "x", wanted="one step [B, ...]", got="a number", remedy="Use x[None]."
                )
            return leaf.expand(self.num_steps, *leaf.shape)

        ys, _ = unroll(self.cell, _tree.map(again, x))
        return ys

    def extra_repr(self) -> str:
        return f"num_steps={self.num_steps}"
