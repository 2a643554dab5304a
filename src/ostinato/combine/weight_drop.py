"""Dropout of recurrent weights."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, final

from torch import Tensor, nn
from torch.func import functional_call

from ostinato.cell import Cell
from ostinato.combine.composite import Run, Wrapper
from ostinato.combine.dropout import Held, check_probability, draw, drop
from ostinato.errors import ArgumentError
from ostinato.typing import State, Tree


@final
class WeightDrop(Wrapper):
    """The cell with weights dropped at random, one draw a sequence (DropConnect).

    Wan et al. 2013; on recurrent weights Merity, Keskar and Socher 2017 (arXiv 1708.02182).
    ``names`` are the parameters to drop, by default all that are called ``weight_hh``. The raw
    weights stay the parameters and get the gradients; kept weights are scaled by 1 / (1 - p). x,
    y as the cell's; the state is ``Held(state, masks)`` with a bool mask [1, ...] for each name,
    which all rows share, so resets leave it alone. The identity outside training. Raises
    ArgumentError for p not in [0, 1) and for names that the cell does not have.
    """

    def __init__(self, cell: Cell, p: float = 0.5, names: tuple[str, ...] | None = None) -> None:
        super().__init__(cell)
        check_probability("p", p)
        known = [name for name, _ in cell.named_parameters()]
        if names is None:
            names = tuple(name for name in known if name.split(".")[-1] == "weight_hh")
        if not names or not set(names) <= set(known):
            raise ArgumentError(
                "names",
                wanted=f"parameters of {type(cell).__name__}: {', '.join(known)}",
                got=", ".join(names) or "none, and the cell has no weight_hh",
                remedy="Name the recurrent weights to drop.",
            )
        self.p, self.names = p, names

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        state = super().initial_state(batch_size, dtype=dtype, device=device)
        weights = [raw(self.cell, name) for name in self.names]
        masks = [draw((1, *w.shape), self.p, device or w.device, self.training) for w in weights]
        return Held(state, tuple(masks))

    def wire(self, run: Run, x: Tree, state: State) -> tuple[Tree, State]:
        if not self.training:
            y, after = run(self.cell, x, state.state)
            return y, Held(after, state.mask)
        dropped = {
            f"cell.{name}": drop(raw(self.cell, name), mask[0], self.p)
            for name, mask in zip(self.names, state.mask, strict=True)
        }
        y, after = functional_call(Scope(self.cell), dropped, (run, x, state.state))
        return y, Held(after, state.mask)

    def extra_repr(self) -> str:
        return f"p={self.p}, names={self.names}"


def raw(cell: Cell, name: str) -> Tensor:
    """A weight by its dotted name; under `functional_call` it may be a plain tensor."""
    return attrgetter(name)(cell)


class Scope(nn.Module):
    """Runs a cell while `functional_call` has other weights in its place."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, run: Run, x: Tree, state: State) -> tuple[Tree, State]:
        return run(self.cell, x, state)
