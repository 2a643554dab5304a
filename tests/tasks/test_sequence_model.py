"""The model of every supervised task, against the plain loop over each row alone."""

import math

import pytest
import torch

import ostinato
from ostinato import unroll
from ostinato.criteria import NormStabilizer
from ostinato.errors import ArgumentError
from ostinato.tasks import SequenceModel, SupervisedModelSettings

LENGTHS = torch.tensor([5, 2, 3])


def model(direction: str, *, per_step: bool = False, **settings) -> SequenceModel:
    torch.manual_seed(0)
    made = SupervisedModelSettings(cell="gru", size=4, direction=direction, **settings)
    return SequenceModel(2, 3, made, per_step=per_step)


def alone(made: SequenceModel, xs: torch.Tensor) -> torch.Tensor:
    """Outputs of one row [T, 2] without padding, [3] or [T, 3]."""
    ways = []
    for layer in made.layers:
        cells = (
            [layer.cell] if hasattr(layer, "cell") else [layer.forward_cell, layer.backward_cell]
        )
        backward = {"forward": [False], "backward": [True], "both": [False, True]}
        for cell, turned in zip(cells, backward[made.settings.direction], strict=True):
            read = xs.flip(0) if turned else xs
            ys, _ = unroll(cell, read[:, None], backend="eager")
            ways.append(ys[:, 0].flip(0) if turned else ys[:, 0])
    if made.per_step:
        return made.readout(torch.cat(ways, -1))
    ends = {"forward": [-1], "backward": [0], "both": [-1, 0]}[made.settings.direction]
    return made.readout(torch.cat([way[end] for way, end in zip(ways, ends, strict=True)]))


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_rows_are_read_to_their_own_end(direction: str, per_step: bool) -> None:
    made = model(direction, per_step=per_step).eval()
    xs = torch.randn(5, 3, 2)
    ys = made(xs, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        wanted = alone(made, xs[:length, row])
        got = ys[:length, row] if per_step else ys[row]
        torch.testing.assert_close(got, wanted)


def test_ids_are_embedded_or_one_hot() -> None:
    ids = torch.randint(6, (4, 2))
    for embedding in (3, 0):
        settings = SupervisedModelSettings(size=4, embedding=embedding)
        made = SequenceModel(6, 2, settings, tokens=6)
        assert made(ids).shape == (2, 2)
        assert (made.embedding is None) == (embedding == 0)


def test_layers_dropout_and_any_cell() -> None:
    settings = SupervisedModelSettings(cell="torch.nn:LSTMCell", layers=2, size=4, dropout=0.5)
    made = SequenceModel(2, 1, settings)
    xs = torch.randn(3, 6, 2)
    assert made(xs).shape == (6, 1)
    assert not torch.equal(made(xs), made(xs))
    made.eval()
    assert torch.equal(made(xs), made(xs))
    both = SupervisedModelSettings(layers=2, size=4, direction="both", layer_norm=True)
    assert SequenceModel(2, 1, both)(xs).shape == (6, 1)


def test_initial_weights() -> None:
    made = model("forward", init="identity")
    weight = made.layers[0].cell.weight_hh
    torch.testing.assert_close(weight.detach(), torch.eye(4).repeat(3, 1))


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(ArgumentError, match="Did you mean gru"):
        SequenceModel(2, 1, SupervisedModelSettings(cell="gruu"))


def test_explain_tells_of_each_layer() -> None:
    made = SequenceModel(2, 1, SupervisedModelSettings(layers=2, size=4))
    said = made.explain(torch.randn(3, 6, 2))
    assert ["LSTM" in str(each) for each in said] == [True, True]


def test_the_norm_penalty_is_a_part_of_what_is_made_small() -> None:
    torch.manual_seed(0)
    xs = torch.randn(6, 3, 2)
    for direction, times in (("forward", 1), ("both", 2)):
        settings = SupervisedModelSettings(size=4, norm_penalty=0.2, direction=direction)
        model = SequenceModel(2, 1, settings)
        with ostinato.penalties() as added:
            model(xs)
        assert len(added._parts) == times
        hs = model.layers[0](xs)
        halves = hs.chunk(times, dim=-1)
        wanted = sum(NormStabilizer(0.2)(half) for half in halves)
        torch.testing.assert_close(added.total, wanted)


@pytest.mark.parametrize(
    ("cell", "size", "parameters"), [("elman", 64, 4353), ("lstm", 100, 41_301)]
)
def test_one_bias_and_xavier_as_minpy_has_them(cell: str, size: int, parameters: int) -> None:
    torch.manual_seed(0)
    model = SequenceModel(
        2, 1, SupervisedModelSettings(cell=cell, size=size, biases=1, init="xavier")
    )
    assert sum(p.numel() for p in model.parameters()) == parameters
    (layer,) = model.layers
    gates = {"elman": 1, "lstm": 4}[cell]
    inner = layer.cell
    wanted = math.sqrt(6 / (size + gates * size))
    assert inner.weight_hh.std().item() == pytest.approx(wanted, rel=0.03)
    assert inner.weight_ih.std().item() == pytest.approx(math.sqrt(6 / (2 + gates * size)), rel=0.2)
    assert inner.bias_ih.std().item() == pytest.approx(math.sqrt(6 / (gates * size)), rel=0.2)
    assert not inner.bias_hh.any()
    model(torch.randn(5, 2, 2)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert not inner.bias_hh.any()


def test_a_gru_of_minpy_has_two_matrices() -> None:
    torch.manual_seed(0)
    model = SequenceModel(
        2, 1, SupervisedModelSettings(cell="gru", size=100, biases=1, init="xavier")
    )
    assert sum(p.numel() for p in model.parameters()) == 31_001
    gates, candidate = model.layers[0].cell.weight_hh.split([200, 100])
    assert gates.std().item() == pytest.approx(math.sqrt(6 / 300), rel=0.03)
    assert candidate.std().item() == pytest.approx(math.sqrt(6 / 200), rel=0.03)
