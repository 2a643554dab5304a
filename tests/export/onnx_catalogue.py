"""Many cells in one ONNX file: torch's exporter takes longer than the cells do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from catalogue import Entry
from ostinato import _tree
from ostinato.backends.call import initial_state
from ostinato.cell import Cell
from ostinato.export.graph import Graph
from ostinato.export.modules import Over
from ostinato.export.sequence import of_cell


@dataclass
class Part:
    """A cell of the catalogue, and what is exported of it."""

    entry: Entry
    cell: Cell
    graph: Graph

    @property
    def inputs(self) -> list[str]:
        return [f"{self.entry.name}_{name}" for name in self.graph.inputs]

    @property
    def outputs(self) -> list[str]:
        return [f"{self.entry.name}_{name}" for name in self.graph.outputs]


class Together(nn.Module):
    """All parts side by side, each with inputs and outputs of its own."""

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(part.graph.module for part in parts)
        self.counts = [len(part.inputs) for part in parts]

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        made: list[Tensor] = []
        for part, its in zip(self.parts, torch.utils._pytree.tree_map(list, split(given, self.counts)), strict=True):
            made += part(*its)
        return tuple(made)


def split(given: Sequence[Tensor], counts: Sequence[int]) -> list[tuple[Tensor, ...]]:
    left = list(given)
    return [tuple(left.pop(0) for _ in range(count)) for count in counts]
