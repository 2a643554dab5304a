"""The standard cells as ONNX's own operators, beside the loop."""

from functools import partial
from pathlib import Path

import pytest
import torch

from export_together import Together
from ostinato import Cell, cells

onnx = pytest.importorskip("onnx", reason="needs ostinato[onnx]")

OWN = {
    "elman": lambda: cells.Elman(3, 5),
    "elman_relu": lambda: cells.Elman(3, 5, activation="relu", bias=False),
    "elman_sigmoid": lambda: cells.Elman(3, 5, activation="sigmoid"),
    "lstm": lambda: cells.LSTM(3, 5),
    "lstm_no_bias": lambda: cells.LSTM(3, 5, bias=False),
    "gru": lambda: cells.GRU(3, 5),
    "gru_before": lambda: cells.GRU(3, 5, reset="before", activation="relu"),
}
OTHERS = {
    "lstm_proj": lambda: cells.LSTM(3, 5, proj_size=2),
    "gru_layer_norm": lambda: cells.GRU(3, 5, layer_norm=True),
    "elman_module": lambda: cells.Elman(3, 5, activation=torch.nn.Softsign()),
}


def drawn(_: int, num_steps: int, batch_size: int) -> torch.Tensor:
    return torch.randn(num_steps, batch_size, 3)


def test_standard_cells_are_nodes_of_their_own_and_others_scans(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made: dict[str, Cell] = {name: make() for name, make in (OWN | OTHERS).items()}
    inputs = partial(drawn, 0)
    file = Together({name: (cell, inputs) for name, cell in made.items()}, tmp_path / "a.onnx")
    for lengths in ([9, 0, 4, 1], [1], [6, 6]):
        file.check(lengths)
    kinds = [node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node]
    counted = {kind: kinds.count(kind) for kind in ("RNN", "LSTM", "GRU", "Scan")}
    assert counted == {"RNN": 3, "LSTM": 2, "GRU": 2, "Scan": len(OTHERS)}
