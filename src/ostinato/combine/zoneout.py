"""Dropout that keeps the old state in place of zero."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from ostinato import _tree
from ostinato.cell import Cell
from ostinato.combine.dropout import check_probability
from ostinato.combine.norm_penalty import check_no_penalty
from ostinato.errors import ArgumentError
from ostinato.typing import State, Tree


@final
class Zoneout(Cell):
    """Each unit of the state keeps its old value with probability p, at every step anew.

    Krueger et al. 2016 (arXiv 1606.01305). Outside training every unit takes the expectation
    p * old + (1 - p) * new. ``p`` is one probability, or a tuple with one for each floating leaf
    of the state, (p_h, p_c) for an LSTM. Where y is the new h itself, as in all standard cells, y
    is the h that is carried on. x, y and state as the cell's. Raises ArgumentError for
    probabilities not in [0, 1) or of another number than the leaves.
    """

    def __init__(self, cell: Cell, p: float | tuple[float, ...] = 0.1) -> None:
        super().__init__()
        check_no_penalty("Zoneout", cell)
        leaves = _tree.leaves(cell.initial_state(1))
        count = sum(leaf.is_floating_point() for leaf in leaves)
        self.p = p if isinstance(p, tuple) else (p,) * count
        if len(self.p) != count:
            raise ArgumentError(
                "p",
                wanted=f"one probability, or {count} for the leaves of the cell's state",
                got=repr(p),
                remedy="Give one for each floating tensor of the state.",
            )
        for one in self.p:
            check_probability("p", one)
        self.cell = cell
        self.input_size = cell.input_size

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        return self.cell.initial_state(batch_size, dtype=dtype, device=device)

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        y, new = self.cell(x, state)
        p = iter(self.p)
        emitted = y

        def zone(before: Tensor, after: Tensor) -> Tensor:
            nonlocal emitted
            if not after.is_floating_point():
                return after
            mixed = self._mix(before, after, next(p))
            emitted = mixed if after is y else emitted
            return mixed

        zoned = _tree.map(zone, state, new)
        return emitted, zoned

    def _mix(self, before: Tensor, after: Tensor, p: float) -> Tensor:
        if self.training:
            return torch.where(torch.rand_like(after) < p, before, after)
        return p * before + (1 - p) * after

    def extra_repr(self) -> str:
        return f"p={self.p[0] if len(set(self.p)) == 1 else self.p}"
