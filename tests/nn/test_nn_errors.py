"""Wrong arguments: refused where torch.nn refuses them, by an error of its type, in our words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from beside_torch import H, I
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import ostinato
from ostinato.errors import (
    ArgumentError,
    DeviceError,
    DtypeError,
    OstinatoError,
    ShapeError,
    StateError,
)
from ostinato.nn import GRU, LSTM, RNN

FORMAT = re.compile(r"^[\w\[\]. ]+: wanted .+, got .+\.", re.DOTALL)

CONSTRUCTORS: dict[str, dict[str, Any]] = {
    "dropout_high": {"dropout": 1.5},
    "dropout_low": {"dropout": -0.1},
    "dropout_bool": {"dropout": True},
    "dropout_word": {"dropout": "half"},
    "bias": {"bias": 1},
    "batch_first": {"batch_first": "yes"},
    "input_size_float": {"input_size": 3.0},
    "input_size_zero": {"input_size": 0},
    "hidden_size_float": {"hidden_size": 4.0},
    "hidden_size_negative": {"hidden_size": -1},
    "num_layers_zero": {"num_layers": 0},
    "num_layers_float": {"num_layers": 1.5},
    "num_layers_word": {"num_layers": "2"},
}


def error_of(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:
        return error
    pytest.fail("no error")


def check(ours: Callable[[], object], theirs: Callable[[], object]) -> OstinatoError:
    """Both refuse, ours in the house format and by a subclass of what torch raises."""
    got, want = error_of(ours), error_of(theirs)
    assert isinstance(got, OstinatoError), repr(got)
    assert isinstance(got, type(want)), f"{got!r} is no {type(want).__name__} ({want})"
    assert FORMAT.match(str(got)), str(got)
    return got


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("options", CONSTRUCTORS.values(), ids=CONSTRUCTORS)
def test_constructor(name: str, options: dict[str, Any]) -> None:
    arguments = {"input_size": I, "hidden_size": H, **options}
    error = check(
        lambda: getattr(ostinato.nn, name)(**arguments), lambda: getattr(nn, name)(**arguments)
    )
    assert error.argument == next(iter(options))


@pytest.mark.parametrize("size", [-1, H, H + 1])
def test_proj_size(size: int) -> None:
    error = check(lambda: LSTM(I, H, proj_size=size), lambda: nn.LSTM(I, H, proj_size=size))
    assert error.argument == "proj_size"


@pytest.mark.parametrize(("ours", "theirs"), [(RNN, nn.RNN), (GRU, nn.GRU)])
def test_proj_size_is_for_lstm_only(ours: Any, theirs: Any) -> None:
    check(lambda: ours(I, H, proj_size=2), lambda: theirs(I, H, proj_size=2))


def test_nonlinearity() -> None:
    check(lambda: RNN(I, H, nonlinearity="gelu"), lambda: nn.RNN(I, H, nonlinearity="gelu"))


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_dropout_with_one_layer_warns_where_it_is_made(name: str) -> None:
    for package in (nn, ostinato.nn):
        with pytest.warns(UserWarning, match="dropout.*num_layers"):
            getattr(package, name)(I, H, dropout=0.5)
    with pytest.warns(UserWarning, match="^dropout: wanted 0 ") as caught:
        getattr(ostinato.nn, name)(I, H, dropout=0.5)
    assert caught[0].filename == __file__


def zeros(*size: int, **kind: Any) -> torch.Tensor:
    return torch.zeros(*size, **kind)


INPUTS: dict[str, Callable[[], Any]] = {
    "1-D": lambda: zeros(I),
    "4-D": lambda: zeros(2, 2, 2, I),
    "features": lambda: zeros(5, 2, I + 1),
    "features_unbatched": lambda: zeros(5, I + 1),
    "float64": lambda: zeros(5, 2, I, dtype=torch.float64),
    "whole numbers": lambda: zeros(5, 2, I, dtype=torch.long),
    "packed_features": lambda: pack_sequence([zeros(4, I + 1), zeros(2, I + 1)]),
    "packed_dims": lambda: pack_sequence([zeros(4, 2, I), zeros(2, 2, I)]),
    "packed_float64": lambda: pack_sequence([zeros(4, I, dtype=torch.float64)]),
}


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("batch_first", [False, True], ids=["", "batch_first"])
@pytest.mark.parametrize("make", INPUTS.values(), ids=INPUTS)
def test_input(name: str, batch_first: bool, make: Callable[[], Any]) -> None:
    ours, theirs = (getattr(p, name)(I, H, batch_first=batch_first) for p in (ostinato.nn, nn))
    error = check(lambda: ours(make()), lambda: theirs(make()))
    assert error.argument == "input"


STATES: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "layers": (lambda: zeros(5, 2, I), (1, 2, H)),
    "batch": (lambda: zeros(5, 2, I), (2, 3, H)),
    "hidden_size": (lambda: zeros(5, 2, I), (2, 2, H + 1)),
    "2-D": (lambda: zeros(5, 2, I), (2, H)),
    "4-D": (lambda: zeros(5, 2, I), (2, 2, H, 1)),
    "unbatched_3-D": (lambda: zeros(5, I), (2, 1, H)),
    "unbatched_hidden_size": (lambda: zeros(5, I), (2, H + 1)),
    "packed": (lambda: pack_sequence([zeros(4, I), zeros(2, I)]), (2, 1, H)),
}


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize(("make", "size"), STATES.values(), ids=STATES)
def test_hidden_state(name: str, make: Callable[[], Any], size: tuple[int, ...]) -> None:
    hx = (zeros(*size), zeros(*size)) if name == "LSTM" else zeros(*size)
    ours, theirs = (getattr(p, name)(I, H, 2) for p in (ostinato.nn, nn))
    error = check(lambda: ours(make(), hx), lambda: theirs(make(), hx))
    assert error.argument == ("hx[0]" if name == "LSTM" else "hx")
    assert f"got {list(size)}" in str(error)


@pytest.mark.parametrize("which", [0, 1])
def test_hidden_state_of_a_projected_lstm(which: int) -> None:
    ours, theirs = (p.LSTM(I, H, proj_size=2) for p in (ostinato.nn, nn))
    hx = [zeros(1, 2, 2), zeros(1, 2, H)]
    hx[which] = zeros(1, 2, 3)
    error = check(lambda: ours(zeros(5, 2, I), hx), lambda: theirs(zeros(5, 2, I), hx))
    assert error.argument == f"hx[{which}]"


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_dtype_and_device_of_the_hidden_state(name: str) -> None:
    ours, theirs = (getattr(p, name)(I, H) for p in (ostinato.nn, nn))
    h = zeros(1, 2, H, dtype=torch.float64)
    hx = (h, h) if name == "LSTM" else h
    check(lambda: ours(zeros(5, 2, I), hx), lambda: theirs(zeros(5, 2, I), hx))
    h = zeros(1, 2, H, device="meta")
    error = error_of(lambda: ours(zeros(5, 2, I), (h, h) if name == "LSTM" else h))
    assert isinstance(error, RuntimeError)
    assert "wanted a tensor on cpu" in str(error)


def test_input_on_another_device() -> None:
    ours = LSTM(I, H)
    x = zeros(5, 2, I, device="meta")
    error = error_of(lambda: ours(x))
    assert isinstance(error, DeviceError)
    assert isinstance(error, RuntimeError)  # as torch says "not at the same device", on CUDA
    assert error.argument == "input"


@pytest.mark.parametrize("input", [None, [[0.0]], (zeros(2, I),)], ids=["None", "list", "tuple"])
def test_input_that_is_no_tensor(input: Any) -> None:
    with pytest.raises(DtypeError, match="input: wanted a tensor or a PackedSequence"):
        GRU(I, H)(input)


def test_state_of_another_kind_of_layer() -> None:
    h = zeros(1, 2, H)
    for module, hx in ((LSTM(I, H), h), (GRU(I, H), (h, h)), (LSTM(I, H), (h,)), (GRU(I, H), 0)):
        with pytest.raises(StateError, match="hx: wanted "):
            module(zeros(5, 2, I), hx)


def test_lists_and_named_tuples_serve_as_the_state() -> None:
    layer, x = LSTM(I, H), torch.randn(5, 2, I)
    h, c = torch.randn(1, 2, H), torch.randn(1, 2, H)
    want = layer(x, (h, c))[0]
    assert torch.equal(layer(x, [h, c])[0], want)
    assert torch.equal(layer(x, torch.return_types.max((h, c)))[0], want)


def test_lengths_that_do_not_fit() -> None:
    layer, x = GRU(I, H), zeros(5, 2, I)
    for lengths, error, said in (
        ([5], ShapeError, r"lengths: wanted \[2\]"),
        ([6, 1], ArgumentError, "lengths: wanted numbers from 0 to T=5"),
        ([-1, 1], ArgumentError, "lengths: wanted numbers from 0 to T=5"),
        ([1.0, 2.0], DtypeError, "lengths: wanted whole numbers"),
    ):
        with pytest.raises(error, match=said):
            layer(x, lengths=lengths)
    with pytest.raises(ArgumentError, match="lengths: wanted None with a PackedSequence"):
        layer(pack_sequence([zeros(2, I)]), lengths=[2])
    with pytest.raises(ArgumentError, match=r"lengths: wanted None with an input \[T, I\]"):
        layer(zeros(5, I), lengths=[2])


def own(input_size: int, hidden_size: int) -> ostinato.Cell:
    return ostinato.cells.GRU(input_size, hidden_size)


CONTRADICTIONS: dict[str, tuple[Callable[[], object], str]] = {
    "cell_nonlinearity": (lambda: RNN(I, H, nonlinearity="relu", cell=own), "nonlinearity"),
    "cell_bias": (lambda: RNN(I, H, bias=False, cell=own), "bias"),
    "cell_layer_norm": (lambda: GRU(I, H, layer_norm=True, cell=own), "layer_norm"),
    "cell_proj_size": (lambda: LSTM(I, H, proj_size=2, cell=own), "proj_size"),
    "cell_reset": (lambda: GRU(I, H, reset="before", cell=own), "reset"),
    "reset": (lambda: GRU(I, H, reset="never"), "reset"),
    "zoneout_count": (lambda: GRU(I, H, zoneout=(0.1, 0.2)), "zoneout"),
    "zoneout_count_lstm": (lambda: LSTM(I, H, zoneout=(0.1,)), "zoneout"),
    "zoneout_count_own": (lambda: RNN(I, H, cell=own, zoneout=(0.1, 0.2)), "zoneout"),
    "zoneout_high": (lambda: LSTM(I, H, zoneout=1.5), "zoneout"),
    "zoneout_high_in_tuple": (lambda: LSTM(I, H, zoneout=(0.1, 1.0)), "zoneout"),
    "recurrent_dropout": (lambda: LSTM(I, H, recurrent_dropout=1.0), "recurrent_dropout"),
    "residual_without_effect": (lambda: LSTM(I, H, residual=True), "residual"),
}


@pytest.mark.parametrize(("make", "argument"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictory_options(make: Callable[[], object], argument: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert caught.value.argument == argument
    assert FORMAT.match(str(caught.value))
    assert caught.value.remedy


def test_cell_that_is_none() -> None:
    for cell, said in (
        (ostinato.cells.GRU(I, H), "an object of type GRU"),
        ("gru", "an object of type str"),
        (nn.LSTMCell, r"torch\.nn\.LSTMCell, which has a state"),
        (nn.LSTM, r"torch\.nn\.LSTM, which runs over time itself"),
    ):
        with pytest.raises(DtypeError, match=said):
            RNN(I, H, cell=cell)


def test_cell_of_another_width() -> None:
    layer = RNN(I, H, cell=lambda i, h: ostinato.cells.GRU(i, h + 1))
    with pytest.raises(ShapeError, match=r"cell: wanted a cell whose y is \[B, 4\].*got GRU"):
        layer(zeros(5, 2, I))


def test_cells_whose_states_differ_between_layers() -> None:
    def make(input_size: int, hidden_size: int) -> ostinato.Cell:
        return ostinato.WeightDrop(own(input_size, hidden_size), 0.5, ("weight_ih",))

    assert RNN(H, H, 2, cell=make)(zeros(5, 2, H))[0].shape == (5, 2, H)
    with pytest.raises(ArgumentError, match="cells with a state of one form in all layers"):
        RNN(I, H, 2, cell=make)


def test_parameters_that_come_to_have_one_name() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Module()
            self.a.b = nn.Parameter(zeros(1))
            self.a_b = nn.Parameter(zeros(1))

    with pytest.raises(ArgumentError, match="two that are called module_a_b_l0"):
        RNN(I, H, cell=lambda i, h: Both())


def test_packed_without_indices_is_in_its_order() -> None:
    packed = pack_sequence([torch.randn(4, I), torch.randn(2, I)])
    assert packed.sorted_indices is None
    y, _ = GRU(I, H)(packed)
    assert isinstance(y, PackedSequence)
    assert y.sorted_indices is None
    assert y.unsorted_indices is None
