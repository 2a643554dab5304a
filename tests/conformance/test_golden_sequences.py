"""Numbers of the original Torch7 ``rnn`` for its sequencers, to 1e-8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from conformance.test_golden import (
    Case,
    Replay,
    check,
    check_gradients,
    close,
    convert,
    fill,
    load,
    recurrent,
    tensor,
)
from ostinato import (
    BiSequencer,
    BiSequencerLM,
    Recurrence,
    Recursor,
    Repeater,
    Sequencer,
    Stack,
    cells,
    reverse,
    unroll,
)
from ostinato.criteria import NormStabilizer

CASES = load("sequencers")
# the record names the class of its step in short
CASES["recurrence_table_output_lstm"]["construct"] += "; LSTM is nn.LSTM"


class AsModule(nn.Module):
    """A cell as a module (x, state) -> state."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return self.cell(x, state)[1]


peepholes = cells.PeepholeLSTM


def gru(input_size: int, hidden_size: int) -> cells.GRU:
    return cells.GRU(input_size, hidden_size, reset="before")


WHOLE: dict[str, Callable[[], nn.Module]] = {
    "bisequencer_lstm_default_join": lambda: BiSequencer(peepholes(3, 4), peepholes(3, 4)),
    "bisequencerlm_lstm_join": lambda: BiSequencerLM(peepholes(3, 4), peepholes(3, 4)),
    "bisequencerlm_gru_fastlstm_add": lambda: BiSequencerLM(gru(4, 3), cells.LSTM(4, 3), "sum"),
    "repeater_recurrent": lambda: Repeater(recurrent(CASES["repeater_recurrent"]), 4),
    "repeater_lstm": lambda: Repeater(peepholes(4, 3), 3),
    "recurrence_table_output_lstm": lambda: Sequencer(
        Recurrence(AsModule(peepholes(3, 4)), (4, 4))
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_sequences(name: str) -> None:
    module = WHOLE[name]()
    check(module, module, CASES[name])


@pytest.mark.parametrize("name", [name for name in CASES if "seqreverse" in name])
def test_reversal_is_a_flip(name: str) -> None:
    """SeqReverseSequence counts dimensions from 1; along time it is `reverse`."""
    case = CASES[name]
    dim = case["args"]["dim"] - 1
    xs = tensor(case["input"]).requires_grad_()
    ys = xs.flip(dim)
    close(ys, tensor(case["output"]))
    close(reverse(xs.movedim(dim, 0)).movedim(0, dim), tensor(case["output"]))
    ys.backward(tensor(case["gradOutput"]))
    close(xs.grad, tensor(case["gradInput"]))


def test_a_table_reversed_is_a_list_reversed() -> None:
    case = CASES["reversetable"]
    close(torch.stack([tensor(one) for one in case["input"]][::-1]), tensor(case["output"]))


@pytest.mark.parametrize("name", [name for name in CASES if "normstabilizer" in name])
def test_norm_stabilizer(name: str) -> None:
    """Torch7 adds the gradient of the penalty behind the loss's back; here it is added to it.

    Torch's ``updateLoss`` adds the two norms where the paper subtracts them; ours subtracts, and
    adding is shown to give Torch's figure.
    """
    case = CASES[name]
    cell = recurrent(case) if case["params"] else nn.Identity()
    fill(cell, case)
    xs = tensor(case["input"]).requires_grad_()
    hs, _ = unroll(cell, xs)
    close(hs, tensor(case["output"]))
    beta = case["args"]["beta"]
    penalty = NormStabilizer(beta)
    ((hs * tensor(case["gradOutput"])).sum() + penalty(hs)).backward()
    close(xs.grad, tensor(case["gradInput"]))
    if case["params"]:
        check_gradients(cell, case["gradParams"], case)
    norms = hs.norm(dim=-1)
    pairs = (norms[1:] + norms[:-1]).square().mean(1).sum()
    assert abs(beta / len(hs) * pairs.item() - case["updateLoss"]) < 1e-8
    pairs = (norms[1:] - norms[:-1]).square().mean(1).sum()
    close(NormStabilizer(beta, reduction="mean")(hs), beta / len(hs) * pairs.detach())


STATEFUL: dict[str, Callable[[Case], Recursor | Sequencer]] = {
    "recursor_recurrent_linear_chunks_update": lambda c: Recursor(recurrent(c), nn.Linear(4, 2)),
    "recursor_lstm_chunks_update": lambda c: Recursor(peepholes(3, 3), nn.Linear(3, 4)),
    "recurrent_lookup_bare_chunks_update": lambda c: Recursor(recurrent(c)),
    "recursor_nonrecurrent_linear_tanh": lambda c: Recursor(nn.Linear(3, 4), nn.Tanh()),
    "sequencer_recurrent_neither": lambda c: Sequencer(recurrent(c)),
    "sequencer_lstm_neither": lambda c: Sequencer(peepholes(3, 4)),
    "sequencer_gru_neither": lambda c: Sequencer(gru(3, 4)),
    "seqgru_neither": lambda c: Sequencer(gru(3, 4)),
    "stacked_neither": lambda c: Sequencer(peepholes(3, 4), gru(4, 4)),
}


@pytest.mark.parametrize("name", STATEFUL)
def test_stateful(name: str) -> None:
    case = CASES[name]
    shell = STATEFUL[name](case)
    fill(shell, case)
    Replay(shell, case, isinstance(shell, Recursor)).run()


def test_every_case_is_used() -> None:
    rest = {"coupling_lstm", "stacked_lookup_two_lstm_nll", "reversetable"}
    named = {name for name in CASES if "seqreverse" in name or "normstabilizer" in name}
    assert set(CASES) == {*WHOLE, *STATEFUL, *rest, *named}


def test_two_layers_trained() -> None:
    """Five steps of SGD on the sum over time of the mean NLL, and the parameters after them."""
    case = CASES["stacked_lookup_two_lstm_nll"]
    model = Stack(
        nn.Embedding(5, 4), peepholes(4, 4), peepholes(4, 3), nn.Linear(3, 5), nn.LogSoftmax(-1)
    )
    fill(model, case)
    records = {op["key"]: op["value"] for op in case["trace"] if op["op"] == "record"}
    xs, targets = tensor(records["input"]), tensor(records["target"])
    # Torch7 has one bias where we have two
    trained = {n: p for n, p in model.named_parameters() if not n.endswith("bias_hh")}
    optimiser = torch.optim.SGD(trained.values(), lr=case["args"]["lr"])

    def loss_now() -> Tensor:
        ys, _ = unroll(model, xs)
        return nn.functional.nll_loss(ys.flatten(0, 1), targets.flatten()) * len(ys)

    losses = [op["loss"] for op in case["trace"] if op["op"] == "loss"]
    for step, want in enumerate(losses):
        loss = loss_now()
        assert abs(loss.item() - want) < 1e-8
        if step + 1 == len(losses):
            break
        optimiser.zero_grad()
        loss.backward()
        if step == 0:
            given = next(op["gradParams"] for op in case["trace"] if op["op"] == "gradParams")
            check_gradients(model, given, case)
        optimiser.step()
    (final,) = (op["params"] for op in case["trace"] if op["op"] == "params")
    wanted = convert(model, final, case)
    for name, p in trained.items():
        close(p, wanted[name])


def coupled(case: Case) -> tuple[Recursor, Recursor, dict[str, Any]]:
    """Encoder and decoder as shells, filled, and what went in."""
    encoder, decoder = (Recursor(peepholes(3, 4)) for _ in range(2))
    fill(encoder, case, "enc_params")
    fill(decoder, case, "dec_params")
    given = {key: tensor(case[key]).requires_grad_() for key in ("enc_input", "dec_input")}
    return encoder, decoder, given


def test_encoder_and_decoder_step_by_step() -> None:
    """Torch's userPrevOutput, userPrevCell and setGradHiddenState are one assignment of state."""
    case = CASES["coupling_lstm"]
    encoder, decoder, given = coupled(case)
    for x, want in zip(given["enc_input"], case["enc_output"], strict=True):
        close(encoder(x), tensor(want))
    for leaf, want in zip(encoder.state, case["enc_final_hidden"], strict=True):
        close(leaf, tensor(want))
    # views, as h is made from c and would add its share to the gradient of c itself
    decoder.state = border = tuple(leaf.view_as(leaf) for leaf in encoder.state)
    for leaf in border:
        leaf.retain_grad()
    ys = torch.stack([decoder(x) for x in given["dec_input"]])
    close(ys, tensor(case["dec_output"]))
    ys.backward(tensor(case["dec_gradOutput"]))
    for leaf, want in zip(border, case["dec_grad_hidden0"], strict=True):
        close(leaf.grad, tensor(want))
    check_gradients(decoder, case["dec_gradParams"], case)
    check_gradients(encoder, case["enc_gradParams"], case)
    close(given["dec_input"].grad, tensor(case["dec_gradInput"]))
    close(given["enc_input"].grad, tensor(case["enc_gradInput"]))


def test_the_gradient_of_a_state_passed_by_hand() -> None:
    """getGradHiddenState(0) of the decoder, setGradHiddenState(T, ...) of the encoder."""
    case = CASES["coupling_lstm"]
    encoder, decoder, given = coupled(case)
    _, last = unroll(encoder.cell, given["enc_input"])
    start = tuple(leaf.detach().requires_grad_() for leaf in last)
    ys, _ = unroll(decoder.cell, given["dec_input"], start)
    dstate = torch.autograd.grad(ys, start, tensor(case["dec_gradOutput"]))
    torch.autograd.backward(last, dstate)
    check_gradients(encoder, case["enc_gradParams"], case)
    close(given["enc_input"].grad, tensor(case["enc_gradInput"]))
