"""Whole sequences in ONNX Runtime, at other T and B than they were traced at."""

from pathlib import Path

import pytest
import torch
from torch import nn

import ostinato
from catalogue import ENTRIES
from export_together import TOLERANCE, Together
from ostinato import BiSequencer, BiSequencerLM, Cell, Sequencer, _tree, cells
from ostinato.errors import ArgumentError
from ostinato.export import ExportError, sequence
from ostinato.export.compare import Session

pytest.importorskip("onnx", reason="needs ostinato[onnx]")

# Each has in it what others do not: an operator, a kind of state or input, a wrapper. The whole
# catalogue is exported in tests/backends/test_scan.py, for torch alone.
KINDS = [
    "batch_norm_lstm",
    "mufuru",
    "antisymmetric",
    "user_dict_state",
    "user_pair_input",
    "recurrent_start_module",
    "mask_zero_weights",
    "language_model",
]


def test_cells_of_each_kind(tmp_path: Path) -> None:
    chosen = [entry for entry in ENTRIES if entry.name in KINDS]
    assert len(chosen) == len(KINDS)
    made = {
        entry.name: (
            entry.build(torch.float32, training=False),
            lambda t, b, entry=entry: entry.inputs(t, b, torch.float32),
        )
        for entry in chosen
    }
    file = Together(made, tmp_path / "a.onnx")
    file.check([9, 0, 4, 1])
    file.check([1])


MODULES = {
    "both_ways": lambda: BiSequencer(cells.GRU(4, 6), cells.MGU(4, 6)),
    "both_ways_lm": lambda: BiSequencerLM(cells.GRU(4, 6)),
    "lstm": lambda: ostinato.nn.LSTM(4, 6, 2, bidirectional=True, batch_first=True),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_with_lengths(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, xs, lengths = MODULES[name](), torch.randn(9, 4, 4), torch.tensor([9, 0, 2, 5])
    xs = xs.transpose(0, 1).contiguous() if name == "lstm" else xs
    sequence(module, tmp_path / "a.onnx", lengths=True)
    found = Session(tmp_path / "a.onnx").run({"xs": xs, "lengths": lengths})
    with torch.no_grad():
        wanted = _tree.leaves(module(xs, lengths=lengths))
    torch.testing.assert_close([*found.values()], wanted, **TOLERANCE)


def test_a_module_without_states_and_names(tmp_path: Path) -> None:
    module, xs = nn.Sequential(nn.Linear(4, 3), nn.Tanh()), torch.randn(7, 5, 4)
    graph = sequence(module, tmp_path / "a.onnx", torch.randn(2, 2, 4))
    assert ([*graph.inputs], [*graph.outputs]) == (["xs"], ["ys"])
    found = Session(tmp_path / "a.onnx").run({"xs": xs})["ys"]
    torch.testing.assert_close(found, module(xs).detach(), **TOLERANCE)


def test_modes_come_back_and_dropout_is_left_out(tmp_path: Path) -> None:
    module = Sequencer(ostinato.HeldDropout(4, 0.5), cells.LSTM(4, 6), nn.Dropout(0.5))
    module.cell.layers[1].eval()
    modes = [part.training for part in module.modules()]
    graph = sequence(module, tmp_path / "a.onnx")
    assert [part.training for part in module.modules()] == modes
    assert [*graph.inputs] == ["xs", "state_1_0", "state_1_1"]
    session, xs = Session(tmp_path / "a.onnx"), torch.randn(6, 3, 4)
    found = session.run({"xs": xs, **session.initial(3)})["ys"]
    torch.testing.assert_close(found, module.eval()(xs).detach(), **TOLERANCE)


class Deciding(Cell):
    """A step that looks at its numbers."""

    input_size = 4

    def initial_state(self, batch_size, *, dtype=None, device=None):
        return torch.zeros(batch_size, 4)

    def forward(self, x, h):
        h = 2 * h if h.sum() > 0 else h + x
        return h, h


class Refusing(Deciding):
    """A step that fails where a graph is made of it."""

    def forward(self, x, h):
        if torch.compiler.is_exporting():
            raise ValueError("no graph of me\nin any way")
        return x, x


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    with pytest.raises(ExportError, match="Deciding, which decides by the value"):
        sequence(Deciding(), path)
    with pytest.raises(
        ExportError, match=r"Refusing, at which it fails \(ValueError: no"
    ) as caught:
        sequence(Refusing(), path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ArgumentError, match=r"xs: wanted an example of a sequence"):
        sequence(ostinato.Stack(nn.Embedding(7, 4), cells.GRU(4, 3)), path)
    with pytest.raises(ArgumentError, match=r"ends in \.onnx"):
        sequence(cells.GRU(4, 3), tmp_path / "a.txt")
    with pytest.raises(ArgumentError, match="whose folder is not there"):
        sequence(cells.GRU(4, 3), tmp_path / "none" / "a.onnx")
    path.write_bytes(b"mine")
    with pytest.raises(ArgumentError, match="not there yet"):
        sequence(cells.GRU(4, 3), path)
    assert path.read_bytes() == b"mine"
    assert [file.name for file in tmp_path.iterdir()] == ["a.onnx"]
