"""A model of one step, run in ONNX Runtime beside a `Recursor`."""

from pathlib import Path

import pytest
import torch
from torch import nn

import ostinato
from ostinato import (
    BiSequencer,
    LearnedState,
    NormPenalty,
    RecurrentDropout,
    Recursor,
    Repeater,
    Residual,
    Stack,
    cells,
)
from ostinato.errors import ArgumentError, DtypeError
from ostinato.export import stream
from ostinato.export.compare import Session

pytest.importorskip("onnx", reason="needs ostinato[onnx]")

# float32 over a thousand steps
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def everything() -> Stack:
    return Stack(
        LearnedState(cells.GRU(4, 6)),
        Residual(RecurrentDropout(cells.LSTM(6, 6), 0.3)),
        NormPenalty(0.1),
        nn.Linear(6, 2),
    )


MODELS = {"lstm": lambda: cells.LSTM(4, 6), "everything": everything}


@pytest.mark.parametrize("name", MODELS)
def test_a_thousand_steps_equal_those_of_a_recursor(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, xs = MODELS[name](), torch.randn(1000, 3, 4)
    stream(model, tmp_path / "a.onnx")
    found = Session(tmp_path / "a.onnx").stream(xs)
    recursor = Recursor(model).eval()
    with torch.no_grad():
        wanted = torch.stack([recursor(x) for x in xs])
    torch.testing.assert_close(found, wanted, **TOLERANCE)


def test_a_drop_in_of_two_layers(tmp_path: Path) -> None:
    model, xs = ostinato.nn.GRU(4, 4, 2, residual=True), torch.randn(50, 2, 4)
    graph = stream(model, tmp_path / "a.onnx")
    assert graph.states == {"state_0": "next_state_0", "state_1": "next_state_1"}
    found = Session(tmp_path / "a.onnx").stream(xs)
    torch.testing.assert_close(found, model(xs)[0].detach(), **TOLERANCE)


def test_names_of_states_and_the_start(tmp_path: Path) -> None:
    cell = everything()
    graph = stream(Recursor(cell), tmp_path / "a.onnx", torch.zeros(1, 4))
    # masks of dropout and sums of penalties are no states of a model that learns nothing
    names = ["state_0", "state_1_0", "state_1_1"]
    assert [*graph.inputs] == ["x", *names]
    assert [*graph.outputs] == ["y", *(f"next_{name}" for name in names)]
    session = Session(tmp_path / "a.onnx")
    assert (session.inputs, session.outputs) == ([*graph.inputs], [*graph.outputs])
    learned = cell.cells[0].start[0][0].detach()
    torch.testing.assert_close(session.initial(2)["state_0"], learned.expand(2, 6))


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    with pytest.raises(ArgumentError, match="also reads from the last"):
        stream(BiSequencer(cells.GRU(4, 3)), path)
    with pytest.raises(ArgumentError, match="also reads from the last"):
        stream(ostinato.nn.LSTM(4, 3, bidirectional=True), path)
    with pytest.raises(DtypeError, match=r"export\.sequence"):
        stream(Repeater(cells.GRU(4, 3), 5), path)
    with pytest.raises(ArgumentError, match="x: wanted an example of one step"):
        stream(Stack(nn.Embedding(7, 4), cells.GRU(4, 3)), path)
    assert not [*tmp_path.iterdir()]
