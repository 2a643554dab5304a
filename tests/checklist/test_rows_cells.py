"""Rows 15 to 33 of the checklist of the older libraries: cells, and their old parameters."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ostinato
from conformance.golden import (
    check,
    check_gradients,
    close,
    convert,
    fill,
    load,
    masked,
    tensor,
)
from conformance.test_golden_cells import check_dropped, made
from conformance.test_golden_sines import CASES, by_sine
from ostinato import EmitState, GateDropout, Recurrence, Sequencer, Stack, cells, torch7, unroll
from ostinato.combine.dropout import keep_masks
from ostinato.errors import ArgumentError, BackendError

GOLDEN = load("cells", "lstm", "gru", "gate_dropout", "nngraph", "cell_init")
FAST = ("eager", "fused")


def check_golden(name: str, cell: nn.Module) -> None:
    """Outputs, gradients and evaluation of a recorded case, on both backends for any cell."""
    for backend in FAST:
        cell.zero_grad()
        check(cell.train(), masked(cell, GOLDEN[name], backend), GOLDEN[name])


def check_sines(name: str, cell: nn.Module) -> None:
    """Two steps of the original from parameters 0.3 sin(k), to 1e-10, on both backends."""
    case = CASES[name]
    steps = torch.tensor([[[0.5, -0.2]], [[-0.4, 0.9]]], dtype=torch.float64)
    for backend in FAST:
        ys, _ = unroll(by_sine(cell, case.layout), steps, backend=backend)
        want = torch.tensor(case.want, dtype=torch.float64)
        torch.testing.assert_close(ys[:, 0].detach(), want, rtol=0, atol=1e-10)


def before(*sizes: int, **options: Any) -> cells.GRU:
    return cells.GRU(*sizes, reset="before", **options)


def gradients(cell: nn.Module, xs: Tensor, state: Any = None) -> list[Tensor]:
    ys, _ = unroll(cell, xs, state)
    return list(torch.autograd.grad(ys.square().sum(), [*cell.parameters()]))


class Concatenated(nn.Module):
    """tanh(W [h; x] + b), the unit of the nngraph tutorial."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(hidden_size + input_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(self.map(torch.cat([h, x], -1)))


def test_row_15_vanilla_rnn_concatenated_and_in_two_matrices() -> None:
    joined = Recurrence(Concatenated(1, 26), 26).double()
    readout = nn.Linear(26, 1)
    assert sum(p.numel() for m in (joined, readout) for p in m.parameters()) == 755
    split = torch7.load(cells.Elman(1, 26).double(), [*joined.parameters()], "nngraph RNN")
    xs = torch.randn(3, 20, 1, dtype=torch.float64)
    torch.testing.assert_close(unroll(split, xs), unroll(joined, xs))
    w, b = gradients(joined, xs)
    w_ih, w_hh, *biases = gradients(split, xs)
    torch.testing.assert_close(torch.cat([w_hh, w_ih], dim=1), w)
    assert all(torch.allclose(one, b) for one in biases)
    # the same cell in MinPy's and the blog post's form, h' = tanh(x Wx + h Wh + b)
    parts = split.weight_ih.T, split.weight_hh.T, split.bias_ih
    again = torch7.load(cells.Elman(1, 26).double(), parts, "minpy.rnn_step")
    torch.testing.assert_close(unroll(again, xs), unroll(joined, xs))


def test_row_16_identity_and_zero_bias() -> None:
    for activation in ("tanh", "relu"):
        options = {"activation": activation, "init_hh": "identity", "init_bias": "zeros"}
        cell = cells.Elman(7, 128, **options)
        assert torch.equal(cell.weight_hh, torch.eye(128))
        assert not cell.bias_ih.any()
        assert not cell.bias_hh.any()
        assert cell.weight_ih.std() > 0.04


def test_row_17_lstm_with_diagonal_peepholes() -> None:
    for name in ("lstm_peephole_batch", "lstm_peephole_tensor"):
        case = GOLDEN[name]
        check_golden(
            name, cells.PeepholeLSTM(case["args"]["inputSize"], case["args"]["outputSize"])
        )
        assert len(case["params"]) == 15
    check_golden("lstm_nopeephole_batch", cells.LSTM(3, 4))
    check_sines("LSTM", cells.PeepholeLSTM(2, 2))
    check_sines("LSTM cell2gate=false", cells.LSTM(2, 2))
    for kind, tensors, numbers in ((cells.PeepholeLSTM, 15, 140), (cells.LSTM, 12, 128)):
        old = torch7.export(kind(3, 4), "nn.LSTM")
        assert (len(old), sum(t.numel() for t in old)) == (tensors, numbers)


def test_row_18_lstm_with_full_biased_peepholes() -> None:
    check_sines("MemoryCell", cells.PeepholeLSTM(2, 2, peepholes="full"))
    model = Stack(cells.PeepholeLSTM(1, 16, peepholes="full"), nn.Linear(16, 1))
    assert sum(p.numel() for p in model.parameters()) == 2049
    small = cells.PeepholeLSTM(2, 2, peepholes="full")
    assert sum(p.numel() for p in small.parameters()) == 66
    xs = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    small.double()
    assert torch.autograd.gradcheck(lambda *_: unroll(small, xs)[0], (xs, *small.parameters()))


def test_row_19_fast_lstm() -> None:
    for name in ("fastlstm_batch", "fastlstm_tensor", "fastlstm_nngraph"):
        case = GOLDEN[name]
        check_golden(name, cells.LSTM(case["args"]["inputSize"], case["args"]["outputSize"]))
    check_sines("FastLSTM", cells.LSTM(2, 2))
    # an LSTM without peepholes, whose tensors stand in another order
    fast = cells.LSTM(3, 4).double()
    slow = torch7.load(cells.LSTM(3, 4).double(), torch7.export(fast, "nn.LSTM"), "nn.LSTM")
    xs = torch.randn(5, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(unroll(slow, xs), unroll(fast, xs))
    torch.testing.assert_close(gradients(slow, xs), gradients(fast, xs))


def test_row_20_recurrent_batch_norm() -> None:
    case = GOLDEN["fastlstm_batchnorm"]
    cell = cells.BatchNormLSTM(3, 2)
    norms = (cell.norm_x, cell.norm_h, cell.norm_c)
    assert all(torch.equal(n.weight, torch.full_like(n.weight, 0.1)) for n in norms)
    assert not any(n.bias.any() for n in norms)
    check(cell, masked(cell, case), case)  # in training, then in evaluation
    wanted = case["bn_running_of_first_module"]
    for norm, want in zip(norms, wanted, strict=True):
        # one set for all steps, which each of the three steps has updated
        assert norm.num_batches_tracked == 3
        for name in ("running_mean", "running_var"):
            old = tensor(want[name])
            if norm is not cell.norm_c:
                i, g, f, o = old.chunk(4)  # the order of FastLSTM: i, z, f, o
                old = torch.cat([i, f, g, o])
            close(getattr(norm, name), old)
    with pytest.raises(
        BackendError,
        match=r"num_batches_tracked of norm_x .* in place",
    ):
        unroll(cell.train(), tensor(case["input"]), backend="fused")
    for norm in norms:  # the refusal has left them as they were
        assert norm.num_batches_tracked == 3
    assert ostinato.explain(cell.eval(), tensor(case["input"])).segments[0].backend == "eager"


def minpy_gru_step(x: Any, h: Any, wx: Any, wh: Any, b: Any, wxh: Any, whh: Any, bh: Any) -> Any:
    a = 1 / (1 + np.exp(-(x @ wx + h @ wh + b)))
    r, z = np.split(a, 2, axis=1)
    return z * h + (1 - z) * np.tanh(x @ wxh + (r * h) @ whh + bh)


def test_row_21_gru() -> None:
    for name in ("gru_batch", "gru_p0_mono_tensor"):
        case = GOLDEN[name]
        check_golden(name, before(case["args"]["inputSize"], case["args"]["outputSize"]))
    check_sines("GRU", before(2, 2))
    drawn = np.random.default_rng(0)
    shapes = ((3, 8), (4, 8), (8,), (3, 4), (4, 4), (4,))
    weights = [drawn.normal(size=shape) for shape in shapes]
    cell = torch7.load(before(3, 4).double(), weights, "minpy.gru_step")
    xs, h = drawn.normal(size=(5, 2, 3)), drawn.normal(size=(2, 4))
    ys, _ = unroll(cell, torch.tensor(xs), torch.tensor(h))
    for x, y in zip(xs, ys, strict=True):
        h = minpy_gru_step(x, h, *weights)
        close(y, torch.tensor(h))


def test_row_22_gru_of_the_lstm_rock() -> None:
    check_sines("GRUCell", before(2, 2))
    case = GOLDEN["lstmplay_GRUCell"]
    candidate = nn.Sequential(nn.Tanh(), nn.Dropout(0.3))
    cell = before(3, 4, activation=candidate).double()
    torch7.load(cell, [tensor(p) for p in case["params"]], "lstm.GRUCell graph")
    h, x = (tensor(one) for one in case["input"])
    want = tensor(case["output"])
    assert not torch.allclose(cell(x, h)[0], want)
    close(cell.eval()(x, h)[0], want)  # the original cannot switch its dropout off
    ys, _ = unroll(cell, x[None], h, backend="fused")
    close(ys[0], want)
    model = Stack(before(1, 16), nn.Linear(16, 1))
    assert sum(p.numel() for p in model.parameters()) == 929


def test_row_23_mufuru() -> None:
    for name in ("mufuru_default_ops", "mufuru_keep_replace"):
        args = GOLDEN[name]["args"]
        cell = cells.MuFuRu(args["inputSize"], args["outputSize"], operations=args["ops"])
        check_golden(name, cell)
    check_sines("MuFuRu", cells.MuFuRu(2, 2))
    check_sines("MuFuRu of two", cells.MuFuRu(2, 2, operations=("keep", "replace")))
    with pytest.raises(ArgumentError, match=r"operations: wanted one or more of 'keep'.*got 'add'"):
        cells.MuFuRu(3, 4, operations=("keep", "add"))
    cell = cells.MuFuRu(3, 4).double()
    xs = torch.randn(4, 3, 3, dtype=torch.float64, requires_grad=True)
    h = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *_: unroll(cell, xs, h), (xs, h, *cell.parameters()))
    # the square root has no gradient where h = v; the original's is infinite there
    for p in cell.parameters():
        nn.init.zeros_(p)
    half = torch.full((3, 4), 0.5, dtype=torch.float64, requires_grad=True)  # v = sigmoid(0)
    for backend in FAST:
        ys, _ = unroll(cell, xs[:1], half, backend=backend)
        assert torch.autograd.grad(ys.sum(), half)[0].isfinite().all()


def minpy_lstm_step(x: Any, h: Any, c: Any, wx: Any, wh: Any, b: Any) -> Any:
    i, f, o, g = np.split(x @ wx + h @ wh + b, 4, axis=1)
    i, f, o = (1 / (1 + np.exp(-a)) for a in (i, f, o))
    c = f * c + i * np.tanh(g)
    return o * np.tanh(c), c


def test_row_24_minpy_steps() -> None:
    drawn = np.random.default_rng(0)
    weights = [drawn.normal(size=shape) for shape in ((3, 16), (4, 16), (16,))]
    cell = torch7.load(cells.LSTM(3, 4).double(), weights, "minpy.lstm_step")
    xs, h, c = (drawn.normal(size=shape) for shape in ((5, 2, 3), (2, 4), (2, 4)))
    ys, _ = unroll(cell, torch.tensor(xs), (torch.tensor(h), torch.tensor(c)))
    for x, y in zip(xs, ys, strict=True):
        h, c = minpy_lstm_step(x, h, c, *weights)
        close(y, torch.tensor(h))
    weights = [drawn.normal(size=shape) for shape in ((3, 4), (4, 4), (4,))]
    cell = torch7.load(cells.Elman(3, 4).double(), weights, "minpy.rnn_step")
    y, _ = cell(torch.tensor(xs[0]), torch.tensor(h))
    close(y, torch.tensor(np.tanh(xs[0] @ weights[0] + h @ weights[1] + weights[2])))
    # SeqLSTM has the same columns i, f, o, g, with Wx above Wh
    case = GOLDEN["seqlstm_T4B3I3H4"]
    weight, bias = (tensor(p) for p in case["params"])
    cell = cells.LSTM(3, 4).double()
    torch7.load(cell, [weight[:3], weight[3:], bias], "minpy.lstm_step")
    close(unroll(cell, tensor(case["input"]))[0], tensor(case["output"]))


@pytest.mark.parametrize("make", [cells.LSTM, cells.PeepholeLSTM, before])
def test_row_25_gal_dropout_by_gate(make: Any) -> None:
    cell = GateDropout(make(30, 40), 0.25)
    xs = torch.randn(6, 8, 30)
    seen: list[Tensor] = []
    for _ in range(3):  # in every sequence, not in the first alone
        _, state = unroll(cell, xs)
        (_, held), _ = unroll(EmitState(cell), xs, cell.initial_state(8))
        for mask in held.mask:
            assert torch.equal(mask, mask[:1].expand_as(mask))  # at every step
        seen.append(state.mask[0])
        for mask in state.mask:
            gates = mask.unbind(1)
            assert len(gates) == cell.cell.num_gates
            for k in range(len(gates) - 1):
                assert not torch.equal(gates[k], gates[k + 1])
            assert 0.7 < mask.double().mean() < 0.8
    assert not torch.equal(seen[0], seen[1])
    # kept with probability 3/4 and scaled by 4/3: the expectation is what there was
    wide = GateDropout(make(1000, 4), 0.25)
    (mask, _), ones = wide.initial_state(50).mask, torch.ones(50, 1000)
    assert ((ones[:, None] * mask / 0.75).mean() - 1).abs() < 0.005  # five standard deviations
    cell.eval()
    assert torch.equal(unroll(cell, xs)[0], unroll(cell.cell, xs)[0])


def test_row_25_gal_dropout_of_the_original() -> None:
    for name in ("gru_dropout_p0.5_mono_false", "gru_dropout_p0.5_mono_true"):
        case = GOLDEN[name]
        mono = case["args"]["mono"]
        cell = GateDropout(before(3, 4), 0.5, mono=mono).double()
        fill(cell, case)
        check_dropped(cell, case, [case["dropoutMasks"][0]] * 3, case)
        assert all(mask.shape[0] == (1 if mono else 2) for mask in cell.initial_state(2).mask)
        # the original draws anew at each step from the second sequence on; here masks hold
        first, second = (unroll(cell, tensor(case["input"]))[1] for _ in range(2))
        kept = keep_masks(cell.initial_state(2), second)
        assert all(torch.equal(a, b) for a, b in zip(kept.mask, second.mask, strict=True))
        differs = [not torch.equal(a, b) for a, b in zip(first.mask, second.mask, strict=True)]
        assert any(differs)
        if not mono:
            state = cell.initial_state(2)
            runs = [unroll(cell, tensor(case["input"]), state, backend=b)[0] for b in FAST]
            close(*(run.detach() for run in runs))


def test_row_26_parameters_of_a_gru_into_one_with_dropout() -> None:
    plain = before(3, 4).double()
    dropped = GateDropout(before(3, 4), 0.5).double().eval()
    torch7.load(dropped, torch7.export(plain, "nn.GRU"), "nn.GRU")
    xs = torch.randn(5, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(
        unroll(dropped, xs), (unroll(plain, xs)[0], dropped_state(plain, xs))
    )
    dropped.cell.load_state_dict(plain.state_dict())  # or as any other module
    assert torch.equal(unroll(dropped, xs)[0], unroll(plain, xs)[0])
    # and from the nine tensors of a GRU with dropout to one without
    case = GOLDEN["gru_dropout_p0.5_mono_false"]
    assert len(case["params"]) == 9
    torch7.load(plain, [tensor(p) for p in case["params"]], "nn.GRU")
    close(unroll(plain, tensor(case["input"]))[0], tensor(case["evalOutput"]))


def dropped_state(plain: nn.Module, xs: Tensor) -> Any:
    """The last state of a GRU as one with dropout has it in evaluation: nothing is masked."""
    fresh = GateDropout(before(3, 4), 0.5).double().eval().initial_state(xs.shape[1])
    return fresh._replace(state=unroll(plain, xs)[1])


class HardForget(cells.GatedMemory):
    """An LSTM whose forget gate is a hard sigmoid: one line is not that of `cells.LSTM`."""

    num_gates = 4

    def step(self, x: Tensor, read: Tensor, state: Any) -> tuple[Tensor, Any]:
        _, c = state
        i, f, g, o = (self.from_input(x) + self.from_hidden(read)).chunk(4, dim=-1)
        c = nn.functional.hardsigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)


def test_row_28_a_gate_of_ones_own() -> None:
    cell = HardForget(3, 4, init_hh="orthogonal").double()
    xs = torch.randn(6, 2, 3, dtype=torch.float64)
    h = c = torch.zeros(2, 4, dtype=torch.float64)
    want = []
    for x in xs:
        a = x @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T + cell.bias_hh
        i, f, g, o = a.chunk(4, 1)
        c = (f / 6 + 0.5).clamp(0, 1) * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        want.append(h)
    for backend in FAST:
        close(unroll(cell, xs, backend=backend)[0], torch.stack(want).detach())
    # everything that is done to cells is done to it
    for wrapped in (GateDropout(cell, 0.5), Stack(cell, cells.GRU(4, 2).double())):
        assert unroll(wrapped, xs, lengths=[6, 2])[0].isfinite().all()
    assert ostinato.nn.LSTM(3, 4, num_layers=2, cell=HardForget)(xs.float())[0].shape == (6, 2, 4)


def normal(std: float) -> Any:
    return partial(nn.init.normal_, std=std)


def check_start(old: list[Tensor], recorded: list[Any]) -> None:
    """Drawn weights against the moments of the original's, biases against its values."""
    for got, want in zip(old, recorded, strict=True):
        assert list(got.shape) == want["shape"]
        if "blocks" not in want:
            assert abs(got.std().item() / want["std"] - 1) < 0.05
            assert abs(got.mean().item()) < 0.002
            continue
        for block, limits in zip(got.chunk(len(want["blocks"])), want["blocks"], strict=False):
            if limits["min"] == limits["max"]:
                assert torch.equal(block, torch.full_like(block, limits["min"]))


def test_row_31_seq_lstm() -> None:
    for name in ("seqlstm_T4B3I3H4", "seqlstm_T6B2I5H3", "seqlstm_maskzero_interior"):
        check_golden(name, made_of_sizes(GOLDEN[name]))
    check_sines("SeqLSTM", cells.LSTM(2, 2))
    for name in ("seqlstm_h0x", "seqlstm_c0h0x"):
        case = GOLDEN[name]
        cell = made_of_sizes(case)
        fill(cell, case)
        *given, xs = (tensor(one).requires_grad_() for one in case["input"])
        c0 = given[0] if len(given) == 2 else torch.zeros_like(given[-1])
        ys, _ = unroll(cell, xs, (given[-1], c0))
        ys.backward(tensor(case["gradOutput"]))
        close(ys, tensor(case["output"]))
        check_gradients(cell, case["gradParams"], case)
        for one, want in zip([*given, xs], case["gradInput"], strict=True):
            close(one.grad, tensor(want))
    # toFastLSTM: the same cell, gradients included, from the other order of the same numbers
    case = GOLDEN["seqlstm_toFastLSTM"]
    cell = cells.LSTM(3, 4).double()
    for key in ("params", "gradParams"):
        step = torch7.convert(cell, [tensor(p) for p in case[f"fastlstm_{key}"]], "nn.FastLSTM")
        for name, want in convert(cell, case[key], case).items():
            assert torch.equal(step[name], want)
    torch7.load(cell, [tensor(p) for p in case["fastlstm_params"]], "nn.FastLSTM")
    xs = tensor(case["input"])
    ys = Sequencer(cell)(xs)
    close(ys, tensor(case["output"]))
    ys.backward(tensor(case["gradOutput"]))
    check_gradients(cell, case["gradParams"], case)
    # batch first
    layer = ostinato.nn.LSTM(3, 4, batch_first=True, dtype=torch.float64)
    layer.load_state_dict({f"{name}_l0": p for name, p in cell.state_dict().items()})
    close(layer(xs.transpose(0, 1))[0], tensor(case["output"]).transpose(0, 1))
    # its initialisation
    std = (120 + 84) ** -0.5
    rules = {"init_ih": normal(std), "init_hh": normal(std), "init_bias": "zeros"}
    cell = cells.LSTM(120, 84, forget_bias=1.0, **rules)
    check_start(torch7.export(cell, "nn.SeqLSTM"), GOLDEN["SeqLSTM"]["params"])


def made_of_sizes(case: Any) -> cells.LSTM:
    return cells.LSTM(case["args"]["inputsize"], case["args"]["outputsize"])


def test_row_32_seq_lstmp() -> None:
    for name in ("seqlstmp_T4B3I3H5R4", "seqlstmp_T5B2I4H3R3"):
        check_golden(name, made(GOLDEN[name]))
    check_sines("SeqLSTMP", cells.LSTM(2, 3, proj_size=2))
    # with W_O the identity it is a SeqLSTM
    plain = cells.LSTM(3, 4).double()
    projected = cells.PeepholeLSTM(3, 4, proj_size=4).double()
    tensors = [*torch7.export(plain, "nn.SeqLSTM"), torch.eye(4).double()]
    torch7.load(projected, tensors, "nn.SeqLSTMP")
    xs = torch.randn(5, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(unroll(projected, xs), unroll(plain, xs))
    # forget biases of 1 stand at H to 2H; the original puts them at R to 2R
    std = (120 + 84) ** -0.5
    rules = {"init_ih": normal(std), "init_hh": normal(std), "init_bias": "zeros"}
    cell = cells.LSTM(120, 84, proj_size=60, forget_bias=1.0, **rules)
    with torch.no_grad():
        normal((60 + 84) ** -0.5)(cell.weight_hr)
    weight, bias, weight_o = torch7.export(cell, "nn.SeqLSTMP")
    recorded = GOLDEN["SeqLSTMP"]["params"]
    check_start([weight, weight_o], [recorded[0], recorded[2]])
    assert torch.equal(bias.nonzero()[:, 0], torch.arange(84, 168))
    assert list(bias.shape) == recorded[1]["shape"]


def test_row_33_seq_gru() -> None:
    for name in ("seqgru_T4B3I3H4", "seqgru_T6B2I5H3", "seqgru_maskzero_leftpad"):
        args = GOLDEN[name]["args"]
        check_golden(name, before(args["inputSize"], args["outputSize"]))
    check_sines("SeqGRU", before(2, 2))
    case = GOLDEN["seqgru_h0x"]
    cell = before(4, 3)
    fill(cell, case)
    h, xs = (tensor(one).requires_grad_() for one in case["input"])
    ys, _ = unroll(cell, xs, h)
    ys.backward(tensor(case["gradOutput"]))
    close(ys, tensor(case["output"]))
    close(h.grad, tensor(case["gradInput"][0]))
    close(xs.grad, tensor(case["gradInput"][1]))
    # toGRU: one for one, gradients included
    case = GOLDEN["seqgru_toGRU"]
    cell = before(3, 4).double()
    for key in ("params", "gradParams"):
        step = torch7.convert(cell, [tensor(p) for p in case[f"gru_{key}"]], "nn.GRU")
        for name, want in convert(cell, case[key], case).items():
            assert torch.equal(step[name], want)
    torch7.load(cell, [tensor(p) for p in case["gru_params"]], "nn.GRU")
    ys = Sequencer(cell)(tensor(case["input"]))
    close(ys, tensor(case["output"]))
    ys.backward(tensor(case["gradOutput"]))
    check_gradients(cell, case["gradParams"], case)
    # its initialisation: the bias of the update gate is 1
    std = (120 + 84) ** -0.5
    cell = before(120, 84, init_ih=normal(std), init_hh=normal(std), init_bias="zeros")
    cell.set_bias(1, 1.0)
    check_start(torch7.export(cell, "nn.SeqGRU"), GOLDEN["SeqGRU"]["params"])
