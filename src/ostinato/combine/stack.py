"""Layers on top of each other."""

from __future__ import annotations

from typing import Any, cast, final

import torch
from torch import Tensor, nn

from ostinato.cell import Cell, as_cell
from ostinato.combine.composite import Composite, Run
from ostinato.errors import ArgumentError
from ostinato.typing import State, Tree


@final
class Stack(Composite):
    """Cells and stateless modules, each reading what the one before it gives.

    The state is a tuple of the layers' states, ``()`` for a stateless one. Layers may differ in
    width. ``skip="residual"`` adds its input to the output of every layer where the two have one
    shape; ``skip="dense"`` lets each layer read the stack's input and all outputs before it,
    concatenated over features (Huang et al. 2017). Raises ArgumentError for no layers or an
    unknown skip, DtypeError for what is no module.
    """

    def __init__(self, *layers: nn.Module, skip: str | None = None) -> None:
        super().__init__()
        if not layers:
            raise ArgumentError(
                "layers",
                wanted="at least one layer",
                got="none",
                remedy="Pass cells and modules, bottom first: Stack(*layers).",
            )
        if skip not in (None, "residual", "dense"):
            raise ArgumentError(
                "skip",
                wanted='None, "residual" or "dense"',
                got=repr(skip),
                remedy="Wrap single layers in Residual for other patterns.",
            )
        self.layers = nn.ModuleList(as_cell(layer) for layer in layers)
        self.skip = skip
        self.input_size = self.cells[0].input_size

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The layers as cells, bottom first."""
        return cast("tuple[Cell, ...]", tuple(self.layers))

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        # a layer without parameters keeps its state in the numbers of the others
        if dtype is None:
            dtype = next((p.dtype for p in self.parameters() if p.is_floating_point()), None)
        made = [c.initial_state(batch_size, dtype=dtype, device=device) for c in self.cells]
        return tuple(made)

    def wire(self, run: Run, x: Tree, state: State) -> tuple[Tree, State]:
        after: list[State] = []
        seen = x
        for layer, before in zip(self.cells, state, strict=True):
            y, now = run(layer, seen if self.skip == "dense" else x, before)
            after.append(now)
            if self.skip == "dense":
                seen = torch.cat([seen, y], dim=-1)
            x = self._skipped(x, y)
        return x, tuple(after)

    def _skipped(self, x: Tree, y: Tree) -> Tree:
        if self.skip != "residual" or not isinstance(x, Tensor) or x.shape != y.shape:
            return y
        return x + y

    def extra_repr(self) -> str:
        return "" if self.skip is None else f"skip={self.skip!r}"

    def __repr__(self) -> str:
        # without the list between, as torch.nn.Sequential shows its layers
        said = self.extra_repr()
        head = f"Stack(\n  {said}" if said else "Stack("
        return head + repr(self.layers).removeprefix("ModuleList(")
