"""Numbers of the original Torch7 ``rnn``, outputs and gradients, to 1e-8."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from catalogue import Joined, Times
from conformance.golden import (
    Case,
    built,
    cases,
    check,
    check_gradients,
    close,
    convert,
    fill,
    load,
    masked,
    sizes,
    tensor,
)
from ostinato import (
    BiSequencer,
    Recurrence,
    Recurrent,
    Recursor,
    Sequencer,
    Stack,
    cells,
    unroll,
)


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


@pytest.mark.parametrize("case", cases("bidirectional", "peephole_bidirectional"))
def test_bidirectional(case: Case) -> None:
    merge = "sum" if case["args"]["merge"] == "CAddTable" else "concat"
    module = BiSequencer(*built(case["construct"]), merge=merge)
    check(module, module, case)


def traced(case: Case) -> tuple[list[nn.Module], bool]:
    """The modules of a stateful case, and whether they take one step a call."""
    text, stepwise = case["construct"], "remember" not in case["args"]
    if "Recurrent(" not in text and "Recurrence(" not in text:
        return built(text), stepwise
    above = [nn.Linear(4, 2)] if "add(nn.Linear(4,2))" in text else []
    return [recurrent(case), *above], stepwise


@pytest.mark.parametrize("case", cases("traces", "peephole_traces"))
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
        wanted = convert(self.shell, op["params"], self.case)
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


TRAINED = load("training", "peephole_training")


@pytest.mark.parametrize("name", [name for name in TRAINED if "coupling" not in name])
def test_training(name: str) -> None:
    """Five steps of SGD on the sum over time of the mean NLL."""
    case = TRAINED[name]
    args = case["args"]
    first = built(case["construct"])
    if "Recurrent(" in case["construct"]:
        first = [recurrent(case), nn.Linear(args["H"], args["V"])]
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
    kind = cells.PeepholeLSTM if case["module"].endswith("nn.LSTM") else cells.LSTM
    encoder, decoder = (kind(case["args"]["I"], case["args"]["H"]) for _ in range(2))
    fill(encoder, case, "enc_params")
    fill(decoder, case, "dec_params")
    source, target = (tensor(case[key]).requires_grad_() for key in ("enc_input", "dec_input"))
    seen, state = unroll(encoder, source)
    close(seen, tensor(case["enc_output"]))
    for leaf, want in zip(state, case["enc_final_hidden"], strict=True):
        close(leaf, tensor(want))
    state = tuple(leaf.clone() for leaf in state)  # gradients of the decoder alone
    for leaf in state:
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
