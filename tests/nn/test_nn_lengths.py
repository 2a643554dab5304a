"""lengths, a PackedSequence, and each row alone are one thing; and sequences of no steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from beside_torch import CHOICES, B, Case, H, I, T, hidden, ids, pair, weighed
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import ostinato
from conformance.scenario import assert_same
from ostinato import _tree
from ostinato.nn import GRU, LSTM, RNN

LENGTHS = [2, 5, 0, 3]
SOME = [2, 5, 1, 3]
CASES = [
    Case(kind, num_layers, bidirectional, given=given)
    for kind in CHOICES["kind"]
    for num_layers, bidirectional in ((1, False), (1, True), (2, True))
    for given in (False, True)
]


def padded() -> Tensor:
    """x [T, B, I] with NaN beyond the lengths, which nothing may read."""
    x = torch.randn(T, B, I, dtype=torch.float64)
    for b, length in enumerate(LENGTHS):
        x[length:, b] = float("nan")
    return x.requires_grad_()


def state(case: Case) -> Any:
    return hidden(case) if case.given else None


def rows(module: nn.Module, x: Tensor, hx: Any, lengths: list[int]) -> tuple[Tensor, Any]:
    """The oracle: each row alone, only its own steps; a row of no steps keeps its state."""
    outputs, states = [], []
    for b, length in enumerate(lengths):
        before = _tree.map(lambda leaf, b=b: leaf[:, b : b + 1], hx)
        output, after = module(x[:length, b : b + 1], before)
        padding = output.new_zeros(T - length, 1, output.shape[2])
        outputs.append(torch.cat([output, padding]))
        states.append(after)
    joined = _tree.map(lambda *leaves: torch.cat(leaves, dim=1), *states)
    return torch.cat(outputs, dim=1), joined


def gradients(
    module: nn.Module, output: Tensor, after: Any, x: Tensor, hx: Any
) -> dict[str, Tensor]:
    seed = torch.Generator().manual_seed(1)
    leaves = {"output": output, **dict(_tree.paths(after, "state"))}
    loss = torch.stack([weighed(leaf, seed) for leaf in leaves.values()]).sum()
    read = {"input": x, **dict(module.named_parameters())}
    read |= {} if hx is None else dict(_tree.paths(hx, "hx"))
    grads = torch.autograd.grad(loss, list(read.values()))
    return leaves | {f"d {name}": grad for name, grad in zip(read, grads, strict=True)}


def zeros_like_state(case: Case) -> Any:
    return _tree.map(lambda leaf: torch.zeros_like(leaf), hidden(case))


@pytest.mark.parametrize("backend", ["auto", "eager"])
@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_lengths_are_each_row_alone(case: Case, backend: str) -> None:
    theirs, ours = pair(case)
    x, hx = padded(), state(case)
    with ostinato.backend(backend):
        got = gradients(ours, *ours(x, hx, lengths=LENGTHS), x, hx)
    start = zeros_like_state(case) if hx is None else hx
    # torch.nn cannot run no steps: there the drop-in itself, which leaves the state as it is
    alone = Alone(theirs, ours)
    want = gradients(alone, *rows(alone, x, start, LENGTHS), x, hx)
    want = {name.replace("theirs.", ""): leaf for name, leaf in want.items()}
    assert_same(got, want, 1e-10)
    for b, length in enumerate(LENGTHS):
        assert not got["output"][length:, b].any()
        assert not got["d input"][length:, b].any()


class Alone(nn.Module):
    """torch.nn's layer where there are steps, the drop-in where there are none."""

    def __init__(self, theirs: nn.Module, ours: nn.Module) -> None:
        super().__init__()
        self.theirs = theirs
        self.empty = (ours,)

    def forward(self, x: Tensor, hx: Any) -> Any:
        return self.theirs(x, hx) if len(x) else self.empty[0](x, hx)


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_lengths_are_a_packed_sequence(case: Case) -> None:
    _, ours = pair(case)
    x, hx = torch.randn(T, B, I, dtype=torch.float64, requires_grad=True), state(case)
    packed = pack_padded_sequence(x, torch.tensor(SOME), enforce_sorted=False)
    output, after = ours(packed, hx)
    assert isinstance(output, PackedSequence)
    want = gradients(ours, nn.utils.rnn.pad_packed_sequence(output)[0], after, x, hx)
    got = gradients(ours, *ours(x, hx, lengths=SOME), x, hx)
    assert_same(got, want, 1e-10)


@pytest.mark.parametrize(
    "lengths",
    [LENGTHS, tuple(LENGTHS), torch.tensor(LENGTHS), torch.tensor(LENGTHS, dtype=torch.int32)],
    ids=["list", "tuple", "int64", "int32"],
)
def test_any_form_of_lengths_and_batch_first(lengths: Any) -> None:
    layer = LSTM(I, H, 2, bidirectional=True, batch_first=True)
    x = torch.randn(B, T, I)
    output, (h, _) = layer(x, lengths=lengths)
    layer.batch_first = False
    want, (h_n, _) = layer(x.transpose(0, 1), lengths=LENGTHS)
    assert torch.equal(output, want.transpose(0, 1))
    assert torch.equal(h, h_n)
    assert not h[:, 2].any()


def test_the_state_of_a_row_is_that_at_its_own_end() -> None:
    layer, x = GRU(I, H, bidirectional=True), torch.randn(T, B, I)
    output, h_n = layer(x, lengths=SOME)
    ends = torch.stack([output[length - 1, b, :H] for b, length in enumerate(SOME)])
    assert torch.equal(h_n[0], ends)
    assert torch.equal(h_n[1], output[0, :, H:])


@pytest.mark.parametrize("options", [{"residual": True}, {"residual": True, "layer_norm": True}])
def test_skips_do_not_carry_padding(options: dict[str, Any]) -> None:
    layer = GRU(I, I, 2, dtype=torch.float64, **options)
    x = padded()
    output, h_n = layer(x, lengths=LENGTHS)
    start = torch.zeros(2, B, I, dtype=torch.float64)
    got = gradients(layer, output, h_n, x, None)
    assert_same(got, gradients(layer, *rows(layer, x, start, LENGTHS), x, None), 1e-10)


@pytest.mark.parametrize("backend", ["auto", "eager"])
@pytest.mark.parametrize("kind", CHOICES["kind"])
@pytest.mark.parametrize(("num_steps", "batch_size"), [(0, 2), (3, 0), (0, 0)])
def test_nothing_to_run(kind: str, num_steps: int, batch_size: int, backend: str) -> None:
    case = Case(kind, 2, bidirectional=True)
    _, ours = pair(case)
    x = torch.randn(num_steps, batch_size, I, dtype=torch.float64, requires_grad=True)
    hx = _tree.map(lambda leaf: torch.randn_like(leaf)[:, :batch_size], zeros_like_state(case))
    with ostinato.backend(backend):
        output, after = ours(x, hx)
        fresh, start = ours(x)
    width = 2 * (2 if kind == "lstm_proj" else H)
    assert output.shape == fresh.shape == (num_steps, batch_size, width)
    (output.sum() + fresh.sum()).backward()
    assert all(p.grad is None or not p.grad.any() for p in ours.parameters())
    if num_steps == 0:  # the state is as it was
        assert _tree.mismatch(after, hx, "state") is None
        pairs = zip(_tree.leaves(after), _tree.leaves(hx), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
        assert not any(leaf.any() for leaf in _tree.leaves(start))


def test_one_sequence_of_no_steps() -> None:
    h = torch.randn(1, H)
    output, h_n = GRU(I, H)(torch.randn(0, I), h)
    assert output.shape == (0, H)
    assert torch.equal(h_n, h)


@pytest.mark.parametrize(("num_steps", "batch_size"), [(0, 2), (3, 0)])
def test_lengths_of_nothing(num_steps: int, batch_size: int) -> None:
    x = torch.randn(num_steps, batch_size, I)
    output, (h_n, c_n) = LSTM(I, H, 2, bidirectional=True)(x, lengths=[0] * batch_size)
    assert output.shape == (num_steps, batch_size, 2 * H)
    assert h_n.shape == c_n.shape == (4, batch_size, H)
    assert not h_n.any()


def test_all_lengths_zero() -> None:
    layer, x = RNN(I, H, 2), torch.full((T, B, I), float("nan"))
    hx = torch.randn(2, B, H)
    output, h_n = layer(x, hx, lengths=[0] * B)
    assert not output.any()
    assert torch.equal(h_n, hx)
