"""Many cells in one ONNX file, run beside the loop: torch's exporter takes longer than they do."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ostinato import _tree, unroll
from ostinato.backends.call import initial_state
from ostinato.cell import Cell
from ostinato.export.compare import Session
from ostinato.export.graph import Graph
from ostinato.export.sequence import of_cell
from ostinato.export.states import carried, completed, start

# float32 in another order, and the runtime's own tanh and sigmoid
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}

Inputs = Callable[[int, int], Any]
"""xs [T, B, ...] for T and B."""


class SideBySide(nn.Module):
    """All parts, each with inputs and outputs of its own."""

    def __init__(self, graphs: list[Graph]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(graph.module for graph in graphs)
        self.counts = [len(graph.inputs) for graph in graphs]

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        made: list[Tensor] = []
        left = [*given]
        for part, count in zip(self.parts, self.counts, strict=True):
            made += part(*left[:count])
            left = left[count:]
        return tuple(made)


class Together:
    """A file of whole sequences of many cells, with lengths and states."""

    def __init__(self, cells: Mapping[str, tuple[Cell, Inputs]], path: Path) -> None:
        self.cells = cells
        self.graphs = {n: of_cell(c, xs(5, 3), lengths=True) for n, (c, xs) in cells.items()}
        module = SideBySide([*self.graphs.values()])
        outputs = [f"{n}__{o}" for n, graph in self.graphs.items() for o in graph.outputs]
        Graph(module, self._all("inputs"), outputs, self._all("axes")).write(path)
        self.session = Session(path)

    def _all(self, part: str) -> dict[str, Any]:
        found = {name: getattr(graph, part) for name, graph in self.graphs.items()}
        return {f"{a}__{b}": value for a, each in found.items() for b, value in each.items()}

    def check(self, lengths: list[int]) -> None:
        """Run all rows of these lengths from states that are not zero, and compare."""
        asked: dict[str, Tensor] = {}
        wanted: dict[str, list[Tensor]] = {}
        for name, (cell, inputs) in self.cells.items():
            xs = inputs(max(lengths), len(lengths))
            sample = _tree.leaves(xs)[0]
            states = {n: drawn(leaf) for n, leaf in start(cell, sample, len(lengths)).items()}
            values = [*_tree.leaves(xs), torch.tensor(lengths), *states.values()]
            names = self.graphs[name].inputs
            asked |= {f"{name}__{n}": value for n, value in zip(names, values, strict=True)}
            state = completed(initial_state(cell, sample, len(lengths)), states)
            with torch.no_grad():
                ys, after = unroll(cell, xs, state, lengths=lengths, backend="eager")
            wanted[name] = _tree.leaves((ys, carried(after)))
        found = self.session.run(asked)
        for name, graph in self.graphs.items():
            ours = [found[f"{name}__{output}"] for output in graph.outputs]
            torch.testing.assert_close(ours, wanted[name], **TOLERANCE, msg=said(name))


def drawn(leaf: Tensor) -> Tensor:
    """Numbers in the place of zeros."""
    return torch.randn_like(leaf) if leaf.is_floating_point() else leaf


def said(name: str) -> Callable[[str], str]:
    return lambda message: f"{name}: {message}"
