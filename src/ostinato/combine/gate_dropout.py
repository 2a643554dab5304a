"""Dropout by gate: one mask a gate and sequence."""

from __future__ import annotations

from typing import Any, cast, final

from torch import Tensor

from ostinato.cell import Cell
from ostinato.cells.gated import GatedCell
from ostinato.combine.composite import Run, Wrapper
from ostinato.combine.dropout import Held, check_probability, draw, drop, first
from ostinato.errors import DtypeError
from ostinato.typing import State, Tree


@final
class GateDropout(Wrapper):
    """A gated cell with one mask a gate, row and sequence on the x and the h that it reads.

    The variational dropout of Gal and Ghahramani 2016 (arXiv 1512.05287) with untied weights, and
    Torch rnn's dropout ``p`` inside LSTM, FastLSTM and GRU. What is carried over is left alone,
    and so are peepholes. x [B, I], y and parameters as the cell's; the state is
    ``Held(state, (mask_x, mask_h))`` with bool masks [B, G, I] and [B, G, R], drawn by
    `initial_state` in training: a carried state keeps them, through resets too. With ``mono`` the
    rows of the batch share their masks, [1, G, I] and [1, G, R]. What is kept is scaled by
    1 / (1 - p). The identity outside training. Raises ArgumentError for p not in [0, 1), DtypeError
    for a cell without gates.
    """

    def __init__(self, cell: Cell, p: float = 0.5, *, mono: bool = False) -> None:
        super().__init__(cell)
        if not isinstance(cell, GatedCell):
            raise DtypeError(
                "cell",
                wanted="a GatedCell, such as cells.LSTM or cells.GRU",
                got=type(cell).__name__,
                remedy="Stack(HeldDropout(I, p), RecurrentDropout(cell, p)) takes any cell.",
            )
        check_probability("p", p)
        self.p, self.mono = p, mono

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        state = super().initial_state(batch_size, dtype=dtype, device=device)
        cell, h = cast("GatedCell", self.cell), first(state)
        assert h is not None
        rows = 1 if self.mono else batch_size
        sizes = [(rows, cell.num_gates, n) for n in (cell.weight_ih.shape[1], h.shape[1])]
        return Held(state, tuple(draw(size, self.p, h.device, self.training) for size in sizes))

    @property
    def layered(self) -> bool:
        return not self.training

    def wire(self, run: Run, x: Tree, state: State) -> tuple[Tree, State]:
        y, after = run(self.cell, x, state.state)
        return y, Held(after, state.mask)

    def forward(self, x: Tensor, state: State) -> tuple[Tree, State]:
        if not self.training:
            return super().forward(x, state)
        before, (mask_x, mask_h) = state
        h = first(before)
        assert h is not None
        reads = drop(x[:, None], mask_x, self.p), drop(h[:, None], mask_h, self.p)
        y, after = cast("GatedCell", self.cell).step(*reads, before)
        return y, Held(after, state.mask)

    def extra_repr(self) -> str:
        return f"p={self.p}" + (", mono=True" if self.mono else "")
