"""A skip round one cell."""

from __future__ import annotations

from typing import final

from torch import nn

from ostinato.cell import as_cell
from ostinato.combine.composite import Run, Wrapper
from ostinato.errors import ShapeError
from ostinato.typing import State, Tree


@final
class Residual(Wrapper):
    """y = x + cell(x), for a cell whose y [B, n] has the shape of its x [B, n].

    He et al. 2016; between recurrent layers, Wu et al. 2016 (arXiv 1609.08144). Takes a stateless
    module as well. Raises ShapeError where x and y differ.
    """

    def __init__(self, cell: nn.Module) -> None:
        super().__init__(as_cell(cell))

    def wire(self, run: Run, x: Tree, state: State) -> tuple[Tree, State]:
        y, state = run(self.cell, x, state)
        if x.shape != y.shape:
            raise ShapeError(
                "x",
                wanted=f"the shape of the output of {type(self.cell).__name__}, {list(y.shape)}",
                got=str(list(x.shape)),
                remedy="Project x first, as in Stack(nn.Linear(I, H), Residual(cell)).",
            )
        return x + y, state
