"""The importer: layouts, errors, and the way back. The numbers are in tests/conformance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ostinato
from ostinato import BiSequencer, GateDropout, Recurrent, Stack, cells, torch7, unroll
from ostinato.errors import ArgumentError, OstinatoError, ShapeError


def gru() -> cells.GRU:
    return cells.GRU(3, 4, reset="before")


MAKE: dict[str, list[tuple[Callable[[], Any], int, int]]] = {
    # name: cells, with the number of old tensors and of old numbers; I = 3, H = 4
    "nn.LSTM": [
        (lambda: cells.PeepholeLSTM(3, 4), 15, 140),
        (lambda: cells.LSTM(3, 4), 12, 128),
    ],
    "nn.FastLSTM": [
        (lambda: cells.LSTM(3, 4), 3, 128),
        (lambda: cells.BatchNormLSTM(3, 4), 10, 128 + 2 * 32 + 16 + 8),
    ],
    "nn.GRU": [(gru, 6, 96), (lambda: GateDropout(gru(), 0.5), 6, 96)],
    "nn.MuFuRu": [
        (lambda: cells.MuFuRu(3, 4), 8, 36 + 32 + 8 * 32),
        (lambda: cells.MuFuRu(3, 4, operations=("max", "keep")), 8, 36 + 32 + 2 * 32),
    ],
    "nn.SeqLSTM": [(lambda: cells.LSTM(3, 4), 2, 128)],
    "nn.SeqLSTMP": [
        (lambda: cells.LSTM(3, 4, proj_size=2), 3, 5 * 16 + 16 + 8),
        (lambda: cells.PeepholeLSTM(3, 4, proj_size=5), 3, 8 * 16 + 16 + 20),
    ],
    "nn.SeqGRU": [(gru, 2, 96)],
    "nn.SeqBRNN": [
        (lambda: BiSequencer(cells.LSTM(3, 4), cells.LSTM(3, 4), "sum"), 4, 256),
    ],
    "lstm.MemoryCell": [
        (lambda: cells.PeepholeLSTM(1, 16, peepholes="full"), 10, 2032),
    ],
    "lstm.GRUCell": [(lambda: cells.GRU(1, 16, reset="before"), 12, 912)],
    "lstm.GRUCell graph": [(lambda: cells.GRU(1, 16, reset="before"), 12, 912)],
    "nngraph RNN": [(lambda: cells.Elman(1, 26), 2, 728)],
    "minpy.rnn_step": [(lambda: cells.Elman(2, 64), 3, 2 * 64 + 64 * 64 + 64)],
    "minpy.lstm_step": [(lambda: cells.LSTM(2, 100), 3, 41200)],
    "minpy.gru_step": [(lambda: cells.GRU(2, 100, reset="before"), 6, 30900)],
}
CASES = [
    pytest.param(name, *case, id=f"{name} {k}")
    for name, each in MAKE.items()
    for k, case in enumerate(each)
]


def test_every_layout_is_here() -> None:
    assert set(MAKE) == set(torch7.LAYOUTS)


def drawn(module: nn.Module, name: str) -> list[Tensor]:
    """Random tensors in an old layout."""
    return [torch.randn_like(tensor) for tensor in torch7.export(module, name)]


@pytest.mark.parametrize(("name", "make", "tensors", "numbers"), CASES)
def test_there_and_back(name: str, make: Callable[[], Any], tensors: int, numbers: int) -> None:
    module = make()
    given = drawn(module, name)
    assert len(given) == tensors
    assert sum(tensor.numel() for tensor in given) == numbers
    assert torch7.load(module, given, name) is module
    back = torch7.export(module, name)
    for one, want in zip(back, given, strict=True):
        assert one.is_contiguous()
        torch.testing.assert_close(one, want)


@pytest.mark.parametrize(("name", "make", "tensors", "numbers"), CASES)
def test_export_of_any_cell_computes_the_same(
    name: str, make: Callable[[], Any], tensors: int, numbers: int
) -> None:
    """Two biases go as their sum, which is what they are to the cell."""
    first, second = make().eval(), make().eval()
    if name == "nn.SeqLSTMP" and isinstance(first, cells.PeepholeLSTM):
        nn.init.zeros_(first.weight_ch)
    torch7.load(second, torch7.export(first, name), name)
    width = getattr(first, "input_size", 3)
    xs = torch.randn(5, 2, width)
    if isinstance(first, BiSequencer):
        torch.testing.assert_close(second(xs), first(xs))
        return
    torch.testing.assert_close(unroll(second, xs)[0], unroll(first, xs)[0])


def test_dropout_layouts_are_told_by_their_tensors() -> None:
    """FastLSTM and GRU with p > 0 have a Linear for each gate."""
    shapes = [(4, 3), (4,)] * 4 + [(4, 4)] * 4
    fast = [torch.full(shape, float(k)) for k, shape in enumerate(shapes)]
    cell = torch7.load(GateDropout(cells.LSTM(3, 4), 0.5), fast, "nn.FastLSTM")
    # there i, g, f, o; here i, f, g, o
    assert cell.cell.weight_ih[::4, 0].tolist() == [0, 4, 2, 6]
    assert cell.cell.bias_ih[::4].tolist() == [1, 5, 3, 7]
    assert cell.cell.weight_hh[::4, 0].tolist() == [8, 10, 9, 11]
    shapes = [(4, 3), (4,), (4, 3), (4,), (4, 4), (4, 4), (4, 3), (4,), (4, 4)]
    nine = [torch.full(shape, float(k)) for k, shape in enumerate(shapes)]
    cell = torch7.load(gru(), nine, "nn.GRU")
    assert cell.weight_ih[::4, 0].tolist() == [0, 2, 6]
    assert cell.bias_ih[::4].tolist() == [1, 3, 7]
    assert cell.weight_hh[::4, 0].tolist() == [4, 5, 8]
    assert not cell.bias_hh.any()


def test_arrays_lists_and_dtypes() -> None:
    cell = cells.Elman(2, 3, dtype=torch.float64)
    given = [np.ones((2, 3), dtype=np.float32), [[0.5] * 3] * 3, torch.zeros(3)]
    torch7.load(cell, given, "minpy.rnn_step")
    assert cell.weight_ih.dtype == torch.float64
    assert torch.equal(cell.weight_hh, torch.full((3, 3), 0.5).double())


def test_a_whole_model_in_order() -> None:
    model = Stack(nn.Embedding(10, 3), cells.PeepholeLSTM(3, 4), gru_of(4, 5), nn.Linear(5, 2))
    names = ("nn.LSTM", "nn.GRU")
    given = [torch.randn_like(t) for t in torch7.export(model, *names)]
    assert len(given) == 1 + 15 + 6 + 2
    torch7.load(model, given, *names)
    assert torch.equal(model.layers[0].module.weight, given[0])
    assert torch.equal(model.layers[3].module.bias, given[-1])
    alone = torch7.load(gru_of(4, 5), given[16:22], "nn.GRU")
    xs = torch.randn(3, 2, 4)
    assert torch.equal(unroll(model.layers[2], xs)[0], unroll(alone, xs)[0])


def gru_of(input_size: int, hidden_size: int) -> cells.GRU:
    return cells.GRU(input_size, hidden_size, reset="before")


def test_modules_without_gates_need_no_layout() -> None:
    module = Recurrent(4, nn.Linear(3, 4), nn.Linear(4, 4))
    given = [torch.randn(*shape) for shape in ((4,), (4, 3), (4,), (4, 4), (4,))]
    torch7.load(module, given)
    for p, want in zip(module.parameters(), given, strict=True):
        assert torch.equal(p, want)
    assert all(torch.equal(a, b) for a, b in zip(torch7.export(module), given, strict=True))


def test_convert_gives_names_and_leaves_the_module() -> None:
    cell = gru()
    before = {name: p.clone() for name, p in cell.named_parameters()}
    made = torch7.convert(cell, drawn(cell, "nn.SeqGRU"), "nn.SeqGRU")
    assert list(made) == list(before)
    for name, p in cell.named_parameters():
        assert torch.equal(p, before[name])
        assert made[name].shape == p.shape


Z = torch.zeros
SIX = [Z(8, 3), Z(8), Z(8, 4), Z(4, 3), Z(4), Z(4, 4)]
ERRORS: dict[str, tuple[Callable[[], Any], type[OstinatoError], str, str, str]] = {
    "too few": (
        lambda: torch7.load(gru(), SIX[:5], "nn.GRU"),
        ArgumentError, "tensors", "at place 5 the weight_hh of gate n, [4, 4]", "only 5",
    ),
    "none": (
        lambda: torch7.load(gru(), [], "nn.GRU"),
        ArgumentError, "tensors", "at place 0 the weight_ih of gates r, z, [8, 3]", "only 0",
    ),
    "too many": (
        lambda: torch7.load(gru(), [*SIX, Z(1)], "nn.GRU"),
        ArgumentError, "tensors", "6 tensors for GRU", "7",
    ),
    "shape": (
        lambda: torch7.load(gru(), [*SIX[:2], Z(4, 8), *SIX[3:]], "nn.GRU"),
        ShapeError, "tensors[2]", "[8, 4], the weight_hh of gates r, z", "[4, 8]",
    ),
    "transposed": (
        lambda: torch7.load(cells.LSTM(3, 4), [Z(16, 7), Z(16)], "nn.SeqLSTM"),
        ShapeError, "tensors[0]",
        "[7, 16], the weight_ih beside weight_hh of gates i, f, o, g, transposed", "[16, 7]",
    ),
    "in a stack": (
        lambda: torch7.load(Stack(nn.Linear(2, 3), gru()), [Z(3, 2), Z(3), *SIX[1:]], "nn.GRU"),
        ShapeError, "tensors[2]", "[8, 3], the layers.1.weight_ih of gates r, z", "[8]",
    ),
    "a linear": (
        lambda: torch7.load(Stack(nn.Linear(2, 3), gru()), SIX, "nn.GRU"),
        ShapeError, "tensors[0]", "[3, 2], the layers.0.module.weight", "[8, 3]",
    ),
    "unknown layout": (
        lambda: torch7.load(gru(), SIX, "nn.Gru"), ArgumentError, "layouts", "'nn.GRU'", "'nn.Gru'",
    ),
    "no layout": (
        lambda: torch7.load(gru(), SIX), ArgumentError, "layouts", "one for each of the 1", "none",
    ),
    "a layout too many": (
        lambda: torch7.load(nn.Linear(3, 4), SIX[3:5], "nn.GRU"),
        ArgumentError, "layouts", "no name, as Linear has no cell", "'nn.GRU'",
    ),
    "reset after": (
        lambda: torch7.load(cells.GRU(3, 4), SIX, "nn.GRU"),
        ArgumentError, "module", 'reset="before"', "GRU(3, 4)",
    ),
    "another cell": (
        lambda: torch7.load(cells.LSTM(3, 4), SIX, "nn.GRU"),
        ArgumentError, "module", "cells.GRU(I, H", "LSTM(3, 4)",
    ),
    "a projection too many": (
        lambda: torch7.load(cells.LSTM(3, 4, proj_size=2), [], "nn.SeqLSTM"),
        ArgumentError, "module", "cells.LSTM(I, H)", "proj_size=2",
    ),
    "no projection": (
        lambda: torch7.load(cells.LSTM(3, 4), [], "nn.SeqLSTMP"),
        ArgumentError, "module", "proj_size=R", "LSTM(3, 4)",
    ),
    "layer norm": (
        lambda: torch7.load(cells.LSTM(3, 4, layer_norm=True), [], "nn.FastLSTM"),
        ArgumentError, "module", "cells.LSTM(I, H)", "layer_norm=True",
    ),
    "no bias": (
        lambda: torch7.load(cells.LSTM(3, 4, bias=False), [], "nn.FastLSTM"),
        ArgumentError, "module", "cells.LSTM(I, H)", "bias=False",
    ),
    "diagonal peepholes": (
        lambda: torch7.load(cells.PeepholeLSTM(3, 4), [], "lstm.MemoryCell"),
        ArgumentError, "module", 'peepholes="full"', "PeepholeLSTM(3, 4)",
    ),
    "full peepholes": (
        lambda: torch7.load(cells.PeepholeLSTM(3, 4, peepholes="full"), [], "nn.LSTM"),
        ArgumentError, "module", "cells.PeepholeLSTM(I, H)", "peepholes='full'",
    ),
    "relu": (
        lambda: torch7.load(cells.Elman(3, 4, activation="relu"), [], "minpy.rnn_step"),
        ArgumentError, "module", "cells.Elman(I, H)", "activation='relu'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_says_what_and_what_to_do(name: str) -> None:
    call, kind, argument, wanted, got = ERRORS[name]
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    assert error.argument == argument
    assert wanted in error.wanted
    assert got in error.got
    assert error.remedy.endswith(".")


def test_how_layouts_say_that_a_cell_is_made() -> None:
    """What an error tells users to make is made so, and can be loaded."""
    for name, known in torch7.LAYOUTS.items():
        for layout in known:
            made = layout.here.split(" for ")[0].split(", its")[0]
            made = made.replace("operations=...", "").replace("merge=...", "merge='sum'")
            scope = {"cells": cells, "BiSequencer": BiSequencer, "I": 3, "H": 4, "R": 2}
            module = eval(made, scope)
            torch7.load(module, torch7.export(module, name), name)


def test_it_is_read_qualified() -> None:
    assert ostinato.torch7 is torch7


def test_the_row_of_padding_is_zero() -> None:
    table = torch.randn(6, 3)
    for model, name in (
        (nn.Embedding(6, 3, padding_idx=0), "weight"),
        (Stack(nn.Embedding(6, 3, padding_idx=0), nn.Linear(3, 2)), "layers.0.module.weight"),
    ):
        rest = [p.detach() for p in model.parameters()][1:]
        torch7.load(model, [table, *rest])
        loaded = dict(model.named_parameters())[name]
        assert torch.equal(loaded[0], torch.zeros(3))
        assert torch.equal(loaded[1:], table[1:])
