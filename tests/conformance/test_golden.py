"""Numbers of the original Torch7 ``rnn``, outputs and gradients, to 1e-8."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from catalogue import Joined, Times
from ostinato import (
    BiSequencer,
    Recurrence,
    Recurrent,
    Recursor,
    Sequencer,
    Stack,
    _tree,
    cells,
    unroll,
)

GOLDEN = Path(__file__).parent.parent / "golden"
Case = dict[str, Any]


def load(name: str) -> dict[str, Case]:
    return {case["name"]: case for case in json.loads((GOLDEN / f"{name}.json").read_text())}


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=key) for key, case in load(name).items()]


def tensor(given: Any) -> Tensor:
    """A recorded tensor; a list of steps as [T, ...]. Indices count from 0."""
    if isinstance(given, list):
        return torch.stack([tensor(one) for one in given])
    if given.get("dtype") == "long":
        return torch.tensor(given["data"], dtype=torch.long).reshape(given["shape"]) - 1
    return torch.tensor(given["data"], dtype=torch.float64).reshape(given["shape"])


def batched(xs: Tensor, case: Case) -> Tensor:
    """xs [T, B, ...]; a case without a batch has one row."""
    return xs[:, None] if case.get("batch") is False else xs


# Layouts: each takes the tensors of one Torch7 module from an iterator, and gives ours by name.
# Gradients are laid out as parameters are, so the same function converts them; bias_hh, which
# Torch7 has not, becomes zero.


def fast_lstm(values: Iterator[Tensor]) -> dict[str, Tensor]:
    """FastLSTM: rows i, g, f, o."""
    return lstm_rows(*(gates(next(values), "igfo", "ifgo") for _ in range(3)))


def lstm_without_peepholes(values: Iterator[Tensor]) -> dict[str, Tensor]:
    """LSTM with cell2gate=false: (W, b, U) of forget, input, hidden, output."""
    parts = [[next(values) for _ in range(3)] for _ in range(4)]
    return lstm_rows(*(gates(torch.cat(one), "figo", "ifgo") for one in zip(*parts, strict=True)))


def seq_lstm(values: Iterator[Tensor]) -> dict[str, Tensor]:
    """SeqLSTM: one matrix [I + H, 4H] of columns i, f, o, g."""
    weight, bias = next(values).T, next(values)
    width = weight.shape[1] - weight.shape[0] // 4
    both = gates(weight, "ifog", "ifgo")
    return lstm_rows(both[:, :width], gates(bias, "ifog", "ifgo"), both[:, width:])


def step_gru(values: Iterator[Tensor]) -> dict[str, Tensor]:
    """GRU: (W, b, U) of r and z, then of the candidate; z keeps the old state, as ours."""
    parts = [[next(values) for _ in range(3)] for _ in range(2)]
    return lstm_rows(*(torch.cat(one) for one in zip(*parts, strict=True)))


def seq_gru(values: Iterator[Tensor]) -> dict[str, Tensor]:
    """SeqGRU: one matrix [I + H, 3H] of columns r, z, n."""
    weight, bias = next(values).T, next(values)
    width = weight.shape[1] - weight.shape[0] // 3
    return lstm_rows(weight[:, :width], bias, weight[:, width:])


def gates(rows: Tensor, given: str, wanted: str) -> Tensor:
    named = dict(zip(given, rows.chunk(len(given)), strict=True))
    return torch.cat([named[gate] for gate in wanted])


def lstm_rows(w: Tensor, b: Tensor, u: Tensor) -> dict[str, Tensor]:
    return {"weight_ih": w, "weight_hh": u, "bias_ih": b, "bias_hh": torch.zeros_like(b)}


Layout = Callable[[Iterator[Tensor]], dict[str, Tensor]]
LAYOUTS: dict[str, Layout] = {
    "nn.FastLSTM": fast_lstm,
    "nn.LSTM": lstm_without_peepholes,
    "nn.SeqLSTM": seq_lstm,
    "nn.SeqBRNN": seq_lstm,
    "nn.GRU": step_gru,
    "nn.SeqGRU": seq_gru,
}


def layouts(case: Case) -> dict[type[nn.Module], Layout]:
    """The layouts of the LSTMs and GRUs of a case, by what its text names."""
    text = case["module"] + case.get("construct", "")
    named = [key for key in LAYOUTS if f"{key}(" in text or text.startswith(key)]
    named += [key for key in LAYOUTS if key in text and key not in named]
    found: dict[type[nn.Module], Layout] = {}
    for key in named:
        found.setdefault(cells.GRU if "GRU" in key else cells.LSTM, LAYOUTS[key])
    return found


def convert(module: nn.Module, values: Iterator[Tensor], case: Case) -> dict[str, Tensor]:
    """Tensors in the order of Torch7's ``parameters()`` as ours, by name."""
    if type(module) in (cells.LSTM, cells.GRU):
        return layouts(case)[type(module)](values)
    out = {name: next(values) for name, _ in module.named_parameters(recurse=False)}
    for name, child in module.named_children():
        out |= {f"{name}.{key}": value for key, value in convert(child, values, case).items()}
    return out


def fill(module: nn.Module, case: Case, key: str = "params") -> None:
    values = iter([tensor(p) for p in case[key]])
    module.double().load_state_dict(convert(module, values, case))
    assert next(values, None) is None


def check_gradients(module: nn.Module, given: list[Any], case: Case) -> None:
    wanted = convert(module, iter([tensor(g) for g in given]), case)
    for name, p in module.named_parameters():
        if not name.endswith("bias_hh"):
            assert p.grad is not None
            close(p.grad, wanted[name])


def close(got: Tensor, want: Tensor) -> None:
    torch.testing.assert_close(got.detach(), want, rtol=0, atol=1e-8)


def check(module: nn.Module, run: Callable[[Tensor], Tensor], case: Case) -> None:
    """Forward, backward and, where it is recorded, evaluation."""
    fill(module, case)
    xs = batched(tensor(case["input"]), case)
    if xs.is_floating_point():
        xs.requires_grad_()
    ys = run(xs)
    close(ys, batched(tensor(case["output"]), case))
    ys.backward(batched(tensor(case["gradOutput"]), case))
    check_gradients(module, case["gradParams"], case)
    if xs.grad is not None:
        close(xs.grad, batched(tensor(case["gradInput"]), case))
    if "evalOutput" in case:
        close(run(xs), batched(tensor(case["evalOutput"]), case))


def sizes(case: Case) -> tuple[int, int]:
    low = {key.lower(): value for key, value in case["args"].items()}
    return low["inputsize"], low["outputsize"]


def masked(cell: nn.Module, case: Case) -> Callable[[Tensor], Tensor]:
    """Torch7's maskZero: a step of zeros gives zeros, and the state starts again after it."""

    def run(xs: Tensor) -> Tensor:
        if "maskZero" not in case["construct"] and "maskzero" not in case["construct"]:
            return unroll(cell, xs)[0]
        there = xs.detach().square().sum(-1) > 0
        return unroll(cell, xs, mask=there, resets=~there)[0]

    return run


@pytest.mark.parametrize("case", cases("lstm"))
def test_lstm(case: Case) -> None:
    cell = cells.LSTM(*sizes(case))
    if case["name"] in ("seqlstm_c0h0x", "seqlstm_h0x"):
        check_given_state(cell, case)
        return
    check(cell, masked(cell, case), case)


@pytest.mark.parametrize("case", cases("gru"))
def test_gru(case: Case) -> None:
    cell = cells.GRU(*sizes(case), reset="before")
    if case["name"] == "seqgru_h0x":
        check_given_state(cell, case)
        return
    check(cell, masked(cell, case), case)


def check_given_state(cell: nn.Module, case: Case) -> None:
    """Input {[c0,] h0, x}: gradients reach the state."""
    fill(cell, case)
    *given, xs = (tensor(one).requires_grad_() for one in case["input"])
    h = given[-1]
    c = given[0] if len(given) == 2 else torch.zeros_like(h)
    ys, _ = unroll(cell, xs, (h, c) if isinstance(cell, cells.LSTM) else h)
    close(ys, tensor(case["output"]))
    ys.backward(tensor(case["gradOutput"]))
    check_gradients(cell, case["gradParams"], case)
    for one, want in zip([*given, xs], case["gradInput"], strict=True):
        assert one.grad is not None
        close(one.grad, tensor(want))


def recurrent(case: Case) -> nn.Module:
    """The `Recurrent` or `Recurrence` of a case."""
    args, hidden = case["args"], case["args"]["H"]
    lookup = "LookupTable" in case["construct"]
    width = 0 if lookup else args["I"]
    feed = nn.Embedding(args["V"], hidden) if lookup else nn.Linear(width, hidden)
    if "Recurrent(" not in case["construct"]:
        join = "JoinTable" in case["construct"]
        return Recurrence(JoinTanh(width, hidden) if join else Added(feed, hidden), hidden)
    back = nn.Linear(hidden, hidden)
    if args.get("merge") == "CMulTable":
        start = nn.Linear(hidden, hidden)
        return Recurrent(start, feed, back, merge=Times(), hidden_size=hidden)
    return Recurrent(hidden, feed, back, nn.Tanh() if "Tanh" in case["construct"] else None)


class Added(nn.Module):
    """sigmoid(a(x) + W h), for `Recurrence`."""

    def __init__(self, feed: nn.Module, hidden_size: int) -> None:
        super().__init__()
        self.feed, self.back = feed, nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.sigmoid(self.feed(x) + self.back(h))


class JoinTanh(nn.Module):
    """tanh(W [x; h]), for `Recurrence`."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.map = Joined(input_size, hidden_size).map

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(self.map(torch.cat([x, h], -1)))


@pytest.mark.parametrize("case", cases("recurrent"))
def test_recurrent_and_recurrence(case: Case) -> None:
    cell = recurrent(case)
    check(cell, lambda xs: unroll(cell, xs)[0], case)


@pytest.mark.parametrize("case", cases("bidirectional"))
def test_bidirectional(case: Case) -> None:
    args = case["args"]
    width, hidden = args.get("I", args.get("inputDim")), args.get("H", args.get("hiddenDim"))
    backward = None
    if "GRU" in case["construct"]:
        backward = cells.GRU(width, hidden, reset="before")
    merge = "sum" if args["merge"] == "CAddTable" else "concat"
    module = BiSequencer(cells.LSTM(width, hidden), backward, merge)
    check(module, module, case)


def traced(case: Case) -> tuple[list[nn.Module], bool]:
    """The modules of a stateful case, and whether they take one step a call."""
    text, args = case["construct"], case["args"]
    if "Recurrent(" in text or "Recurrence(" in text:
        layers: list[nn.Module] = [recurrent(case)]
    elif "GRU(" in text:
        width = 4 if "Linear(4,4)" in text else args["I"]
        layers = [cells.GRU(width, args["H"], reset="before")]
        if width == 4:
            layers.insert(0, nn.Linear(4, 4))
    else:
        layers = [cells.LSTM(args["I"], args["H"])]
    if "add(nn.Linear(4,2))" in text:
        layers.append(nn.Linear(4, 2))
    return layers, "remember" not in args


@pytest.mark.parametrize("case", cases("traces"))
def test_stateful(case: Case) -> None:
    layers, stepwise = traced(case)
    mode = case["args"].get("remember", "both")
    shell = Recursor(*layers) if stepwise else Sequencer(*layers, remember=mode)
    fill(shell, case)
    Replay(shell, case, stepwise).run()


class Replay:
    """Calls a shell as a trace says, and compares what comes.

    Torch7 goes back step by step, newest first; here all those steps go back at once, when the
    next thing of another kind is called.
    """

    def __init__(self, shell: Recursor | Sequencer, case: Case, stepwise: bool) -> None:
        self.shell, self.case, self.stepwise = shell, case, stepwise
        self.made: list[tuple[Tensor, Tensor]] = []
        self.owed: list[tuple[Tensor, Tensor, dict[str, Any]]] = []

    def run(self) -> None:
        trace = self.case["trace"]
        for place, op in enumerate(trace):
            if op["op"] != "backward":
                self.go_back()
            if op["op"] == "forward" and self.stepwise and window_begins(trace, place):
                assert isinstance(self.shell, Recursor)
                self.shell.detach()
            getattr(self, op["op"])(op)
        self.go_back()

    def forward(self, op: Case) -> None:
        x = self.shape(tensor(op["input"]))
        if x.is_floating_point():
            x.requires_grad_()
        y = self.shell(x)
        close(y, self.shape(tensor(op["output"])))
        self.made.append((x, y))

    def backward(self, op: Case) -> None:
        self.owed.append((*self.made.pop(), op))

    def go_back(self) -> None:
        if not self.owed:
            return
        ys = [y for _, y, _ in self.owed]
        dys = [self.shape(tensor(op["gradOutput"])) for _, _, op in self.owed]
        torch.autograd.backward(ys, dys)
        for x, _, op in self.owed:
            if x.grad is not None:
                close(x.grad, self.shape(tensor(op["gradInput"])))
        self.owed, self.made = [], []

    def shape(self, x: Tensor) -> Tensor:
        return x[None] if "nonbatch" in self.case["name"] else x

    def gradParams(self, op: Case) -> None:
        check_gradients(self.shell, op["gradParams"], self.case)

    def zeroGradParameters(self, op: Case) -> None:
        self.shell.zero_grad(set_to_none=False)

    def params(self, op: Case) -> None:
        wanted = convert(self.shell, iter([tensor(p) for p in op["params"]]), self.case)
        for name, p in self.shell.named_parameters():
            if not name.endswith(("bias_ih", "bias_hh")):
                close(p, wanted[name])
            elif name.endswith("bias_hh"):  # Torch7 has one bias where torch has two
                close(p + self.shell.get_parameter(name[:-2] + "ih"), wanted[name[:-2] + "ih"])

    def call(self, op: Case) -> None:
        if op["method"] == "updateParameters":
            with torch.no_grad():
                for name, p in self.shell.named_parameters():
                    if p.grad is not None and not name.endswith("bias_hh"):
                        p -= op["args"][0] * p.grad
            return
        called = {"evaluate": self.shell.eval, "training": self.shell.train}
        called.get(op["method"], self.shell.forget)()


def window_begins(trace: list[Case], place: int) -> bool:
    """Whether the steps that go back, all after one another, begin with this one."""
    ops = [op["op"] for op in trace]
    end = place
    while end < len(ops) and ops[end] == "forward":
        end += 1
    back = end
    while back < len(ops) and ops[back] == "backward":
        back += 1
    return back > end and place == end - (back - end)


TRAINED = load("training")


@pytest.mark.parametrize("name", [name for name in TRAINED if "coupling" not in name])
def test_training(name: str) -> None:
    """Five steps of SGD on the sum over time of the mean NLL."""
    case = TRAINED[name]
    args, hidden = case["args"], case["args"]["H"]
    first: list[nn.Module]
    if "GRU" in case["construct"]:
        first = [cells.GRU(args["I"], hidden, reset="before"), nn.Linear(hidden, 3)]
    elif "FastLSTM" in case["construct"]:
        first = [nn.Linear(4, 5), cells.LSTM(5, hidden), nn.Linear(hidden, args["V"])]
    else:
        first = [recurrent(case), nn.Linear(hidden, args["V"])]
    model = Stack(*first, nn.LogSoftmax(-1))
    fill(model, case)
    records = {op["key"]: op["value"] for op in case["trace"] if op["op"] == "record"}
    xs, targets = tensor(records["input"]), records["target"]
    if isinstance(targets[0], dict):
        wanted = tensor(targets)
    else:
        wanted = torch.tensor(targets)[:, None] - 1
        if wanted.shape[0] == xs.shape[0] and xs.dim() == 2:
            xs = xs[:, None]
    losses = [op["loss"] for op in case["trace"] if op["op"] == "loss"]
    for step, want in enumerate(losses):
        ys, _ = unroll(model, xs)
        loss = nn.functional.nll_loss(ys.flatten(0, 1), wanted.flatten()) * len(ys)
        assert abs(loss.item() - want) < 1e-8
        model.zero_grad()
        loss.backward()
        if step == 0:
            given = next(op["gradParams"] for op in case["trace"] if op["op"] == "gradParams")
            check_gradients(model, given, case)
        with torch.no_grad():
            for key, p in model.named_parameters():
                if not key.endswith("bias_hh"):
                    assert p.grad is not None
                    p -= args["lr"] * p.grad


@pytest.mark.parametrize("name", [name for name in TRAINED if "coupling" in name])
def test_encoder_and_decoder(name: str) -> None:
    """The decoder starts from the encoder's last state; gradients flow back through it."""
    case = TRAINED[name]
    encoder, decoder = (cells.LSTM(case["args"]["I"], case["args"]["H"]) for _ in range(2))
    fill(encoder, case, "enc_params")
    fill(decoder, case, "dec_params")
    source, target = (tensor(case[key]).requires_grad_() for key in ("enc_input", "dec_input"))
    seen, state = unroll(encoder, source)
    close(seen, tensor(case["enc_output"]))
    for leaf, want in zip(state, case["enc_final_hidden"], strict=True):
        close(leaf, tensor(want))
        leaf.retain_grad()
    said, _ = unroll(decoder, target, state)
    close(said, tensor(case["dec_output"]))
    said.backward(tensor(case["dec_gradOutput"]))
    for leaf, want in zip(state, case["dec_grad_hidden0"], strict=True):
        close(leaf.grad, tensor(want))
    check_gradients(decoder, case["dec_gradParams"], case)
    check_gradients(encoder, case["enc_gradParams"], case)
    close(target.grad, tensor(case["dec_gradInput"]))
    close(source.grad, tensor(case["enc_gradInput"]))


def test_initial_ranges() -> None:
    """Recurrent draws its start bias and its maps from the ranges of the original."""
    (case,) = load("init").values()
    module = Recurrent(84, nn.Linear(120, 84), nn.Linear(84, 84))
    bounds = [84**-0.5, 120**-0.5, 120**-0.5, 84**-0.5, 84**-0.5]
    for p, want, bound in zip(module.parameters(), case["params"], bounds, strict=True):
        assert list(p.shape) == want["shape"]
        for low, high in ((p.min().item(), p.max().item()), (want["min"], want["max"])):
            assert -bound <= low < -0.85 * bound
            assert 0.85 * bound < high <= bound


# Appendix 1 of the feature inventory: parameters 0.3 sin(k) in the order of Torch7, two steps.
APPENDIX: dict[str, tuple[nn.Module, str, list[list[float]]]] = {
    "LSTM cell2gate=false": (
        cells.LSTM(2, 2),
        "nn.LSTM",
        [[0.0198724028, 0.0337445913], [-0.0263062920, 0.0303302991]],
    ),
    "FastLSTM": (
        cells.LSTM(2, 2),
        "nn.FastLSTM",
        [[-0.0159889106, 0.0639253165], [0.0065731267, 0.0937898358]],
    ),
    "GRU": (
        cells.GRU(2, 2, reset="before"),
        "nn.GRU",
        [[0.0521115999, 0.0821666023], [-0.0524881930, 0.0761704880]],
    ),
    "Recurrent": (
        Recurrent(2, nn.Linear(2, 2), nn.Linear(2, 2)),
        "nn.Recurrent",
        [[0.6262385071, 0.6088600445], [0.5199720029, 0.5860692709]],
    ),
    "SeqLSTM": (
        cells.LSTM(2, 2),
        "nn.SeqLSTM",
        [[0.0813260982, 0.1054263777], [0.1362450874, 0.0594228423]],
    ),
    "SeqGRU": (
        cells.GRU(2, 2, reset="before"),
        "nn.SeqGRU",
        [[-0.1184125861, -0.1484258537], [-0.1968808265, -0.2498159445]],
    ),
}
SHAPES = {
    "nn.LSTM": [(2, 2), (2,), (2, 2)] * 4,
    "nn.FastLSTM": [(8, 2), (8,), (8, 2)],
    "nn.GRU": [(4, 2), (4,), (4, 2), (2, 2), (2,), (2, 2)],
    "nn.Recurrent": [(2,), (2, 2), (2,), (2, 2), (2,)],
    "nn.SeqLSTM": [(4, 8), (8,)],
    "nn.SeqGRU": [(4, 6), (6,)],
}
STEPS = torch.tensor([[[0.5, -0.2]], [[-0.4, 0.9]]], dtype=torch.float64)


def by_sine(module: nn.Module, name: str) -> None:
    """Fill the parameters with 0.3 sin(1), 0.3 sin(2), ... in the order of Torch7."""
    counter = iter(range(1, 1000))
    drawn = [
        torch.tensor(
            [0.3 * math.sin(next(counter)) for _ in range(math.prod(shape))], dtype=torch.float64
        ).reshape(shape)
        for shape in SHAPES[name]
    ]
    module.double().load_state_dict(convert(module, iter(drawn), {"module": name}))


@pytest.mark.parametrize("row", APPENDIX)
def test_appendix(row: str) -> None:
    cell, name, want = APPENDIX[row]
    by_sine(cell, name)
    ys, _ = unroll(cell, STEPS)
    torch.testing.assert_close(
        ys[:, 0], torch.tensor(want, dtype=torch.float64), rtol=0, atol=1e-10
    )


def test_appendix_mask_zero() -> None:
    cell, name, _ = APPENDIX["SeqLSTM"]
    by_sine(cell, name)
    xs = torch.stack([STEPS[0], torch.zeros_like(STEPS[0]), STEPS[1]])
    there = torch.tensor([[True], [False], [True]])
    ys, _ = unroll(cell, xs, mask=there, resets=~there)
    want = [[0.0813260982, 0.1054263777], [0, 0], [0.1063901701, 0.0076778575]]
    torch.testing.assert_close(
        ys[:, 0], torch.tensor(want, dtype=torch.float64), rtol=0, atol=1e-10
    )


def test_appendix_truncation() -> None:
    """Gradients stop at the border between two remembered calls."""
    cell, name, _ = APPENDIX["GRU"]
    by_sine(cell, name)
    shell = Sequencer(cell, remember="both")
    shell(STEPS[:1])
    carried = _tree.map(lambda leaf: leaf.detach().requires_grad_(), shell.state)
    ys = shell(STEPS[1:])
    cell.zero_grad()
    ys.backward(torch.ones_like(ys))
    got = cell.weight_ih.grad
    assert got is not None
    want = [
        [-0.0003318386, 0.0007466368],
        [0.0007755610, -0.0017450122],
        [-0.0178676057, 0.0402021127],
        [-0.0012304937, 0.0027686108],
    ]
    torch.testing.assert_close(got[:4], torch.tensor(want, dtype=torch.float64), rtol=0, atol=1e-10)
    again, _ = unroll(cell, STEPS[1:], carried)
    (border,) = torch.autograd.grad(again, carried, torch.ones_like(again))
    want = torch.tensor([[0.4514188226, 0.4645190085]], dtype=torch.float64)
    torch.testing.assert_close(border, want, rtol=0, atol=1e-10)
