"""What the drop-ins have beyond torch.nn: layer norm, skips, reset="before", any cell."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest
import torch
from beside_torch import Case, H, I, inputs, results
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.parametrizations import weight_norm

import ostinato
from catalogue import DictCell, Joined, MinimalGated
from conformance.scenario import assert_same
from ostinato import Cell, Recurrence, Stack, _tree, cells, unroll
from ostinato.cell import zeros
from ostinato.nn import GRU, LSTM, RNN

STANDARD = {
    "rnn": (RNN, cells.Elman, {}),
    "lstm": (LSTM, cells.LSTM, {}),
    "gru": (GRU, cells.GRU, {}),
    "gru_before": (GRU, cells.GRU, {"reset": "before"}),
}


@pytest.mark.parametrize("layer_norm", [False, True], ids=["", "layer_norm"])
@pytest.mark.parametrize("kind", STANDARD)
def test_two_layers_are_a_stack_of_cells(kind: str, layer_norm: bool) -> None:
    make, cell, options = STANDARD[kind]
    options = {**options, "layer_norm": layer_norm}
    layer = make(I, H, 2, dtype=torch.float64, **options)
    with torch.no_grad():
        for p in layer.parameters():  # gains of 1 would hide mistakes
            p += 0.1 * torch.randn_like(p)
    stack = Stack(cell(I, H, **options), cell(H, H, **options)).double()
    stack.load_state_dict(
        {
            f"layers.{name[-1]}.{name[:-3].replace('norm_c_', 'norm_c.')}": p
            for name, p in layer.state_dict().items()
        },
        strict=True,
    )
    x, _ = inputs(Case())
    ys, state = unroll(stack, x)
    output, after = layer(x)
    torch.testing.assert_close(output, ys)
    want = _tree.map(lambda *leaves: torch.stack(leaves), *state)
    torch.testing.assert_close(after, want)
    assert ("norm_ih_l1" in layer.state_dict()) == layer_norm


def test_layer_norm_has_its_names_in_order() -> None:
    layer = LSTM(I, H, bidirectional=True, layer_norm=True, proj_size=2)
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "norm_ih", "norm_hh", "weight_hr"]
    names += ["norm_c_weight", "norm_c_bias"]
    assert list(layer.state_dict()) == [
        name + suffix for suffix in ("_l0", "_l0_reverse") for name in names
    ]
    assert [len(row) for row in layer.all_weights] == [9, 9]


def test_reset_before_is_another_network_with_the_same_parameters() -> None:
    after = GRU(I, H)
    before = GRU(I, H, reset="before")
    before.load_state_dict(after.state_dict(), strict=True)
    x = torch.randn(5, 2, I)
    assert not torch.allclose(before(x)[0], after(x)[0])


@pytest.mark.parametrize(("input_size", "skips"), [(H, (True, True)), (I, (False, True))])
def test_residual_where_the_widths_agree(input_size: int, skips: tuple[bool, ...]) -> None:
    layer = GRU(input_size, H, 2, residual=True, dtype=torch.float64)
    x = torch.randn(5, 2, input_size, dtype=torch.float64)
    want = x
    for k, skip in enumerate(skips):
        cell = cells.GRU(input_size if k == 0 else H, H).double()
        state = layer.state_dict()
        cell.load_state_dict({name[:-3]: p for name, p in state.items() if name.endswith(f"_l{k}")})
        ys, h = unroll(cell, want)
        want = want + ys if skip else ys
    output, h_n = layer(x)
    torch.testing.assert_close(output, want)
    torch.testing.assert_close(h_n[1], h)


def test_residual_over_both_directions() -> None:
    plain = GRU(2 * H, H, bidirectional=True)
    layer = GRU(2 * H, H, bidirectional=True, residual=True)
    layer.load_state_dict(plain.state_dict(), strict=True)
    x = torch.randn(5, 2, 2 * H)
    torch.testing.assert_close(layer(x)[0], x + plain(x)[0])


def test_repr_says_what_is_beyond_torch() -> None:
    layer = LSTM(I, H, 2, dropout=0.1, layer_norm=True, zoneout=(0.1, 0.2), residual=True)
    assert repr(layer) == (
        "LSTM(3, 4, num_layers=2, dropout=0.1, layer_norm=True, zoneout=(0.1, 0.2), residual=True)"
    )
    assert repr(GRU(I, H, reset="before")) == "GRU(3, 4, reset='before')"
    assert repr(RNN(I, H, cell=MinimalGated)) == "RNN(3, 4, cell=MinimalGated)"


@pytest.mark.parametrize("form", ["batched", "batch_first", "unbatched", "unsorted"])
@pytest.mark.parametrize("given", [False, True], ids=["", "hx"])
def test_a_standard_cell_given_by_hand_is_the_standard_layer(form: str, given: bool) -> None:
    options = {"bidirectional": True, "batch_first": form == "batch_first", "dtype": torch.float64}
    layer = LSTM(I, H, 2, **options)
    own = RNN(I, H, 2, **options, cell=cells.LSTM)
    own.load_state_dict(layer.state_dict(), strict=True)
    x, hx = inputs(Case("lstm", 2, True, form=form, given=given))
    assert_same(results(own, x, hx), results(layer, x, hx), 0)


def test_a_cell_of_the_users_own() -> None:
    layer = RNN(3, 5, num_layers=2, cell=MinimalGated, bidirectional=True)
    assert list(layer.state_dict())[:6] == [
        "f_weight_l0",
        "f_bias_l0",
        "n_weight_l0",
        "n_bias_l0",
        "f_weight_l0_reverse",
        "f_bias_l0_reverse",
    ]
    assert layer.f_weight_l1.shape == (5, 15)
    x = torch.randn(6, 2, 3)
    output, h_n = layer(x, lengths=[6, 3])
    ahead, back = MinimalGated(3, 5), MinimalGated(3, 5)
    for cell, suffix in ((ahead, "_l0"), (back, "_l0_reverse")):
        state = {n: layer.get_parameter(n.replace(".", "_") + suffix) for n in cell.state_dict()}
        cell.load_state_dict(state, strict=True)
    first = ostinato.BiSequencer(ahead, back)(x, lengths=[6, 3])
    assert output.shape == (6, 2, 10)
    assert h_n.shape == (4, 2, 5)
    torch.testing.assert_close(h_n[0], torch.stack([first[5, 0, :5], first[2, 1, :5]]))
    output.sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


def test_a_state_tree_is_stacked_leaf_by_leaf() -> None:
    layer = GRU(I, H, 2, cell=DictCell, bidirectional=True)
    x = torch.randn(6, 3, I)
    output, state = layer(x)
    assert list(state) == ["h", "trace"]
    assert [leaf.shape for leaf in _tree.leaves(state)] == [(4, 3, H), (4, 3, H, 2), (4, 3, 1)]
    # going on from it, in a packed sequence too
    again, _ = layer(x, state)
    packed = nn.utils.rnn.pack_padded_sequence(x[:, [2, 0, 1]], torch.tensor([6, 6, 6]))
    there, _ = layer(packed, _tree.map(lambda leaf: leaf[:, [2, 0, 1]], state))
    torch.testing.assert_close(nn.utils.rnn.pad_packed_sequence(there)[0], again[:, [2, 0, 1]])
    assert not torch.allclose(again, output)


def test_a_packed_sequence_moves_the_rows_of_every_leaf() -> None:
    layer = RNN(I, H, cell=DictCell, bidirectional=True)
    rows = [torch.randn(n, I) for n in (2, 5, 3)]
    packed = nn.utils.rnn.pack_sequence(rows, enforce_sorted=False)
    _, start = layer(torch.randn(4, 3, I))
    output, after = layer(packed, start)
    padded, want = layer(nn.utils.rnn.pad_sequence(rows), start, lengths=[2, 5, 3])
    torch.testing.assert_close(nn.utils.rnn.pad_packed_sequence(output)[0], padded)
    torch.testing.assert_close(after, want)


def test_torch_cells_and_modules_of_others() -> None:
    layer = RNN(I, H, 2, cell=lambda i, h: Recurrence(nn.LSTMCell(i, h), (h, h)))
    plain = LSTM(I, H, 2)
    plain.load_state_dict({n.removeprefix("module_"): p for n, p in layer.state_dict().items()})
    x = torch.randn(5, 2, I)
    torch.testing.assert_close(layer(x), plain(x))
    joined = RNN(I, H, 2, cell=lambda i, h: Recurrence(Joined(i, h), h))
    assert "module_map_weight_l1" in joined.state_dict()
    assert joined(x)[1].shape == (2, 2, H)


def test_a_module_without_a_state() -> None:
    layer = RNN(I, H, 2, cell=nn.Linear)
    x = torch.randn(5, 2, I)
    output, state = layer(x)
    assert state == ()
    assert torch.equal(layer(x, ())[0], output)
    assert next(iter(layer.state_dict())) == "module_weight_l0"


def test_weight_drop_under_functional_call() -> None:
    def make(input_size: int, hidden_size: int) -> Cell:
        return ostinato.WeightDrop(cells.GRU(input_size, hidden_size), 0.3)

    layer = RNN(I, H, 2, cell=make)
    x = torch.randn(5, 2, I)
    weights = {name: 2 * p.detach() for name, p in layer.named_parameters()}
    torch.manual_seed(1)
    got, (_, (masks,)) = functional_call(layer, weights, (x,))
    torch.manual_seed(1)
    layer.load_state_dict(weights)
    torch.testing.assert_close(layer(x)[0], got)
    assert masks.shape == (2, 1, 3 * H, H)
    assert not masks.all()


class Normalised(Cell):
    """A cell with a parametrized map inside."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inner = MinimalGated(input_size, hidden_size)
        weight_norm(self.inner.f)

    def initial_state(self, batch_size: int, **like: Any) -> Any:
        return self.inner.initial_state(batch_size, **like)

    def forward(self, x: Tensor, state: Any) -> Any:
        return self.inner(x, state)


def test_a_cell_with_parametrizations_inside() -> None:
    layer = RNN(I, H, 2, cell=Normalised)
    weight = layer.inner_f_parametrizations_weight_original0_l1
    x = torch.randn(5, 2, I)
    before = layer(x)[0]
    with torch.no_grad():
        weight *= 2
    assert not torch.allclose(layer(x)[0], before)
    twin = copy.deepcopy(layer)
    assert torch.equal(twin(x)[0], layer(x)[0])
    twin(x)[0].sum().backward()
    assert all(p.grad is not None for p in twin.parameters())
    assert weight.grad is None


def test_a_layer_is_freed_at_once() -> None:
    layer = LSTM(I, H, 2, bidirectional=True, recurrent_dropout=0.1)
    layer(torch.randn(3, 2, I))[0].sum().backward()
    gone = weakref.ref(layer.weight_hh_l1)
    gc.disable()
    try:
        del layer
        assert gone() is None, "a cycle holds the parameters"
    finally:
        gc.enable()


def test_one_cell_in_all_layers() -> None:
    shared = cells.GRU(H, H)
    layer = RNN(H, H, 3, cell=lambda i, h: shared)
    assert len(list(layer.parameters())) == 4
    assert len(layer.state_dict()) == 12
    assert layer.weight_hh_l2 is shared.weight_hh
    x = torch.randn(5, 2, H)
    want = unroll(Stack(shared, shared, shared), x)[0]
    torch.testing.assert_close(layer(x)[0], want)
    torch.testing.assert_close(copy.deepcopy(layer)(x)[0], want)
    assert len(list(copy.deepcopy(layer).parameters())) == 4


class Normed(Cell):
    """A cell with buffers: one that is saved and counts, and one that is not saved."""

    count: Tensor
    scale: Tensor

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.map = nn.Linear(input_size, hidden_size)
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("scale", torch.full((1,), 2.0), persistent=False)

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Tensor:
        return zeros(self, batch_size, self.hidden_size, dtype=dtype, device=device)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        self.count.add_(1)
        h = torch.tanh(self.map(x) + self.scale * state)
        return h, h


def test_buffers_of_cells() -> None:
    layer = RNN(I, H, 2, cell=Normed)
    names = [f"{name}_l{k}" for k in (0, 1) for name in ("map_weight", "map_bias", "count")]
    assert sorted(layer.state_dict()) == sorted(names)
    assert [name for name, _ in layer.named_buffers()] == [
        "count_l0",
        "scale_l0",
        "count_l1",
        "scale_l1",
    ]
    layer.double()(torch.randn(5, 2, I, dtype=torch.float64))
    assert layer.count_l0 == layer.count_l1 == 5
    assert layer.scale_l1.dtype == torch.float64


def test_the_cell_of_the_caller_is_left_alone() -> None:
    cell = MinimalGated(I, H)
    layer = RNN(I, H, cell=lambda i, h: cell)
    assert layer.f_weight_l0 is cell.f.weight
    x = torch.randn(5, 2, I)
    torch.testing.assert_close(layer(x)[0], unroll(cell, x)[0])


def test_dtype_and_device_of_a_cell_of_ones_own() -> None:
    layer = RNN(I, H, cell=MinimalGated, dtype=torch.float64)
    assert layer.f_weight_l0.dtype == torch.float64
    assert layer(torch.randn(5, 2, I, dtype=torch.float64))[0].dtype == torch.float64
    with pytest.raises(TypeError, match=r"wanted torch\.float64, the dtype of the cell"):
        layer(torch.randn(5, 2, I))
    assert RNN(I, H, cell=MinimalGated, device="meta").f_weight_l0.device.type == "meta"


def test_reset_parameters_of_a_cell_of_ones_own() -> None:
    layer = RNN(I, H, cell=MinimalGated)
    before = {name: p.clone() for name, p in layer.named_parameters()}
    layer.reset_parameters()
    assert not any(torch.equal(p, before[name]) for name, p in layer.named_parameters())
