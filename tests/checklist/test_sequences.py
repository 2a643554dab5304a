"""Rows 27, 29, 30 and 34 to 44 of the checklist: sequencers, directions, readouts.

Each test is the decisive one of its row; deeper ones are beside the module it is about.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

import ostinato
from catalogue import MinimalGated, gru, lstm
from ostinato import (
    BiSequencer,
    BiSequencerLM,
    LearnedState,
    Repeater,
    Sequencer,
    Stack,
    _tree,
    backend,
    cells,
    last,
    reverse,
    unroll,
)
from ostinato.criteria import NormStabilizer
from ostinato.errors import ArgumentError, ShapeError

XS = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(0))
LENGTHS = [6, 2, 4]
THERE = torch.arange(6)[:, None] < torch.tensor(LENGTHS)
BACKENDS = ("eager", "auto")


def test_row_27_norm_stabilizer() -> None:
    """Its gradient, numerically and as Torch adds it; 12.5 for norms 5 and 10; evaluation."""
    hs = torch.randn(5, 3, 4, dtype=torch.float64, requires_grad=True)
    penalty = NormStabilizer(beta=0.7)
    assert torch.autograd.gradcheck(penalty, hs, atol=1e-5)
    (got,) = torch.autograd.grad(penalty(hs), hs)
    norms = hs.norm(dim=-1)
    steps = torch.zeros_like(norms)
    steps[1:] += norms[1:] - norms[:-1]
    steps[:-1] += norms[:-1] - norms[1:]
    torch.testing.assert_close(got, (0.7 * 2 / 3) * (steps / norms)[..., None] * hs)
    # the loss that Torch's updateLoss should give; it added the norms, and gave 112.5
    fives = torch.tensor([[[3.0, 4.0]], [[6.0, 8.0]]])
    assert NormStabilizer(reduction="mean")(fives).item() == pytest.approx(12.5)
    zero = torch.zeros(3, 2, 4, requires_grad=True)
    penalty(zero).backward()
    assert not zero.grad.any()
    assert penalty.eval()(hs).item() == 0


def test_row_29_tensors_and_lists() -> None:
    """What goes in comes out, tensor, tuple or list of steps; any T and B from call to call."""
    shell = Sequencer(lstm(), nn.Linear(5, 2))
    for num_steps, batch_size in ((6, 3), (1, 1), (9, 2)):
        xs = torch.randn(num_steps, batch_size, 3)
        ys = shell(xs)
        assert ys.shape == (num_steps, batch_size, 2)
        steps = shell(list(xs))
        assert isinstance(steps, list)
        torch.testing.assert_close(torch.stack(steps), ys)
    assert shell([]) == []
    assert shell(XS[:0]).shape == (0, 3, 2)
    pair = Sequencer(nn.Identity())((XS, XS))
    assert isinstance(pair, tuple)
    # Torch's errors for a gradOutput of another length are torch's own here, and ours for steps
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        shell(XS).backward(torch.ones(5, 3, 2))
    with pytest.raises(ShapeError, match=r"xs\[1\]: wanted shape \[3, 3\], as in xs\[0\]"):
        shell([XS[0], XS[1, :2]])
    with pytest.raises(ostinato.errors.DtypeError, match="module"):
        Sequencer(torch.tanh)


def test_row_30_sequencers_in_a_row_are_one_over_a_stack() -> None:
    layers = [lstm(), gru(5, 4), nn.Linear(4, 2)]
    one = Sequencer(*layers, remember="both")
    several = nn.Sequential(*(Sequencer(layer, remember="both") for layer in layers))
    for _ in range(2):
        grads = []
        for model in (one, several):
            ys = model(XS)
            grads.append([ys, *torch.autograd.grad(ys.square().sum(), list(one.parameters()))])
        assert all(map(torch.equal, *grads))


def test_row_34_batch_first_layers() -> None:
    """rnn_temporal and lstm_temporal [N, T, D], by their steps with W [D, H] as MinPy has them."""
    n, t, d, h = 3, 6, 3, 5
    x = torch.randn(n, t, d)
    h0, wx, wh, b = (torch.randn(*size) for size in ((n, h), (d, h), (h, h), (h,)))
    rnn = ostinato.nn.RNN(d, h, batch_first=True)
    rnn.load_state_dict(
        {"weight_ih_l0": wx.T, "weight_hh_l0": wh.T, "bias_ih_l0": b, "bias_hh_l0": 0 * b}
    )
    state, want = h0, []
    for step in x.unbind(1):
        state = torch.tanh(step @ wx + state @ wh + b)
        want.append(state)
    torch.testing.assert_close(rnn(x, h0[None])[0], torch.stack(want, 1))

    wx, wh, b = torch.randn(d, 4 * h), torch.randn(h, 4 * h), torch.randn(4 * h)
    state, c, want = h0, torch.zeros(n, h), []
    for step in x.unbind(1):
        i, f, o, g = (step @ wx + state @ wh + b).chunk(4, 1)  # MinPy's order of gates
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        state = torch.sigmoid(o) * torch.tanh(c)
        want.append(state)

    def torch_order(columns: Tensor) -> Tensor:
        i, f, o, g = columns.chunk(4, -1)
        return torch.cat([i, f, g, o], -1)

    layer = ostinato.nn.LSTM(d, h, batch_first=True)
    given = {"weight_ih_l0": wx, "weight_hh_l0": wh, "bias_ih_l0": b, "bias_hh_l0": 0 * b}
    layer.load_state_dict({name: torch_order(w).movedim(-1, 0) for name, w in given.items()})
    torch.testing.assert_close(layer(x, (h0[None], 0 * h0[None]))[0], torch.stack(want, 1))


def gradcheck(model: nn.Module, run: Any, *given: Tensor) -> bool:
    """The gradients of all parameters of a model and of what is given, numerically."""
    names = [name for name, _ in model.named_parameters()]

    class Run(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: Tensor) -> Tensor:
            return run(self.model, *values)

    def outputs(*values: Tensor) -> Tensor:
        own = {f"model.{name}": value for name, value in zip(names, values, strict=False)}
        return functional_call(Run(), own, values[len(names) :])

    values = [*model.parameters(), *(x.double().requires_grad_() for x in given)]
    with backend("eager"):  # the same on every backend: tests/conformance
        return torch.autograd.gradcheck(outputs, tuple(values), atol=1e-5)


DEEP = {
    "two LSTMs": lambda: Stack(lstm(3, 2), lstm(2, 2)),
    "three LSTMs": lambda: Stack(lstm(3, 2), lstm(2, 3), lstm(3, 2)),
    "three of a kind each": lambda: Stack(gru(3, 2), lstm(2, 2), cells.Elman(2, 2)),
    "three dense": lambda: Stack(gru(3, 2), gru(5, 2), lstm(7, 2), skip="dense"),
}


@pytest.mark.parametrize("name", DEEP)
def test_row_35_deep_stacks(name: str) -> None:
    """Gradients of all steps, and of each row's own last one alone: the right edge, where the
    ``lstm`` rock took the gradient of h in place of that of x."""
    cell, xs = DEEP[name]().double(), XS[:4, :2]

    def all_steps(model: nn.Module, xs: Tensor) -> Tensor:
        return unroll(model, xs, lengths=[4, 2])[0]

    def right_edge(model: nn.Module, xs: Tensor) -> Tensor:
        return last(unroll(model, xs, lengths=[4, 2])[0], [4, 2])

    assert gradcheck(cell, all_steps, xs)
    assert gradcheck(cell, right_edge, xs)


class Times(nn.Module):
    """a * b."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b


@pytest.mark.parametrize("merge", ["concat", "sum", Times()], ids=str)
@pytest.mark.parametrize("name", BACKENDS)
def test_row_36_bisequencer(merge: Any, name: str) -> None:
    """Equal to reversing, running, reversing again and merging, by hand."""
    ahead, back = lstm(), gru()
    module = BiSequencer(ahead, back, merge)
    with backend(name):
        ys = module(XS)
    a, b = unroll(ahead, XS)[0], unroll(back, XS.flip(0))[0].flip(0)
    by_hand = {"concat": lambda: torch.cat([a, b], -1), "sum": lambda: a + b}
    want = by_hand[merge]() if isinstance(merge, str) else a * b
    torch.testing.assert_close(ys, want)
    weights = torch.randn_like(want)
    grads = [
        torch.autograd.grad((out * weights).sum(), list(module.parameters())) for out in (ys, want)
    ]
    for got, wanted in zip(*grads, strict=True):
        torch.testing.assert_close(got, wanted)
    assert [*module.parameters()] == [*ahead.parameters(), *back.parameters()]
    # the backward cell defaults to a copy with weights of its own; a wrong merge is told
    twin = BiSequencer(ahead).backward_cell
    assert type(twin) is type(ahead)
    assert not torch.equal(twin.weight_hh, ahead.weight_hh)
    with pytest.raises(ArgumentError, match="merge"):
        BiSequencer(ahead, back, 1)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("lengths", [None, [6, 5, 2]], ids=str)
def test_row_37_bisequencer_lm_never_sees_its_own_step(name: str, lengths: Any) -> None:
    module, xs = BiSequencerLM(lstm(), gru()), XS.clone().requires_grad_()
    with backend(name):
        ys = module(xs, lengths=lengths)
    for t, b in itertools.product(range(6), range(3)):
        length = 6 if lengths is None else lengths[b]
        (dxs,) = torch.autograd.grad(ys[t, b].sum(), xs, retain_graph=True)
        seen = [s for s in range(6) if dxs[s, b].any()]
        assert seen == ([s for s in range(length) if s != t] if t < length else [])
    # before t by the forward cell, after t by the backward one
    ahead, _ = unroll(module.forward_cell, XS[:3])
    back, _ = unroll(module.backward_cell, XS[4:].flip(0))
    if lengths is None:
        torch.testing.assert_close(ys[3], torch.cat([ahead[-1], back[-1]], -1))
    with pytest.raises(ShapeError, match="at least 2 steps"):
        module(XS[:1])


@pytest.mark.parametrize("merge", ["sum", "concat"])
def test_row_38_two_lstms_over_a_batch_first_sequence(merge: str) -> None:
    """SeqBRNN; the rows first is a transposition, or `ostinato.nn`, which concatenates."""
    module = BiSequencer(lstm(), merge=merge)
    batch_first = XS.transpose(0, 1)
    ys = module(batch_first.transpose(0, 1)).transpose(0, 1)
    a, _ = unroll(module.forward_cell, XS)
    b = reverse(unroll(module.backward_cell, reverse(XS))[0])
    want = a + b if merge == "sum" else torch.cat([a, b], -1)
    torch.testing.assert_close(ys, want.transpose(0, 1))
    if merge == "concat":
        layer = ostinato.nn.LSTM(3, 5, bidirectional=True, batch_first=True)
        for p, q in zip(layer.parameters(), module.parameters(), strict=True):
            p.data = q.data
        torch.testing.assert_close(layer(batch_first)[0], ys)


def test_row_39_repeater() -> None:
    """T outputs of one input, afresh in each call; its gradient is the sum over the steps."""
    module, x = Repeater(lstm(), 4), XS[0].clone().requires_grad_()
    ys = module(x)
    state, want = module.cell.initial_state(3), []
    copies = [x.detach().clone().requires_grad_() for _ in range(4)]
    for copy in copies:
        y, state = module.cell(copy, state)
        want.append(y)
    torch.testing.assert_close(ys, torch.stack(want))
    torch.testing.assert_close(module(x), ys)
    ys.square().sum().backward()
    torch.stack(want).square().sum().backward()
    torch.testing.assert_close(x.grad, sum(copy.grad for copy in copies))
    with pytest.raises(ArgumentError, match="num_steps"):
        Repeater(lstm(), "4")


def test_row_40_reversal() -> None:
    """[1, 2, 3, 0] of length 3 is [3, 2, 1, 0]; twice is nothing; any dimension is a flip."""
    row = torch.tensor([[1.0], [2], [3], [0]])
    assert reverse(row, [3]).flatten().tolist() == [3, 2, 1, 0]
    assert reverse(row).flatten().tolist() == [0, 3, 2, 1]
    padded = XS * THERE[..., None]
    assert torch.equal(reverse(reverse(padded, LENGTHS), LENGTHS), padded)
    for dim in range(3):
        assert torch.equal(reverse(XS.movedim(dim, 0)).movedim(0, dim), XS.flip(dim))
    xs, dys = XS.clone().requires_grad_(), torch.randn_like(XS)
    reverse(xs, LENGTHS).backward(dys)
    assert torch.equal(xs.grad, reverse(dys, LENGTHS))
    with pytest.raises(ArgumentError, match="lengths: wanted numbers from 0 to T=6"):
        reverse(XS, [7, 1, 1])


class Bilayer(nn.Module):
    """A forward cell, and a backward one that reads what it gave beside the input."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.ahead = cells.LSTM(1, hidden_size)
        self.back = Stack(cells.LSTM(1 + hidden_size, hidden_size), nn.Linear(hidden_size, 1))

    def forward(self, xs: Tensor, lengths: Tensor) -> Tensor:
        seen, _ = unroll(self.ahead, xs, lengths=lengths)
        both = torch.cat([xs, seen], -1)
        return unroll(self.back, both, lengths=lengths, reverse=True)[0]


def inverse_toy(num_rows: int, drawn: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """f(z), f(z - 1), ... with little noise, to be inverted to z, z - 1, ...; 2 to 4 steps."""
    z = 10 * torch.rand(num_rows, generator=drawn) - torch.arange(4.0)[:, None]
    f = 2 + 0.5 * torch.sin(z / 2 - 1) + z.sin() + torch.sin(2 * z + 2) + torch.sin(z / 4 + 1)
    xs = f + 0.01 * torch.randn(f.shape, generator=drawn) - 2.87  # the mean of f
    return xs[..., None], z[..., None], torch.arange(num_rows) % 3 + 2


def test_row_41_a_forward_cell_that_feeds_a_backward_one() -> None:
    """It learns the toy: ten times as near as the mean."""
    drawn = torch.Generator().manual_seed(0)
    xs, zs, lengths = inverse_toy(6000, drawn)
    model = Bilayer(16)

    def loss_of(rows: Tensor, xs: Tensor, zs: Tensor, lengths: Tensor) -> Tensor:
        there = torch.arange(4)[:, None] < lengths[rows]
        return (model(xs[:, rows], lengths[rows]) - zs[:, rows])[there].square().mean()

    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(500):
        loss = loss_of(torch.randint(6000, (128,), generator=drawn), xs, zs, lengths)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    xs, zs, lengths = inverse_toy(1000, drawn)
    there = torch.arange(4)[:, None] < lengths
    error = loss_of(torch.arange(1000), xs, zs, lengths)
    assert error < 0.1 * zs[there].var()


@pytest.mark.parametrize("name", BACKENDS)
def test_row_42_final_step_of_each_row(name: str) -> None:
    """From many to one: the gradient enters at step ``lengths[b] - 1`` alone."""
    cell = Stack(lstm(), gru(5, 4))
    with backend(name):
        ys, (_, h) = unroll(cell, XS, lengths=LENGTHS)
    ys.retain_grad()
    y = last(ys, LENGTHS)
    torch.testing.assert_close(y, h)
    for b, length in enumerate(LENGTHS):
        alone, _ = unroll(cell, XS[:length, b : b + 1])
        torch.testing.assert_close(y[b], alone[-1, 0])
    y.sum().backward()
    want = torch.zeros(6, 3, 4)
    want[torch.tensor(LENGTHS) - 1, torch.arange(3)] = 1
    assert torch.equal(ys.grad, want)
    whole, _ = unroll(cell, XS)
    assert torch.equal(last(whole), whole[-1])


@pytest.mark.parametrize("name", BACKENDS)
def test_row_43_labelling_with_lengths(name: str) -> None:
    """Beyond each length outputs are exactly zero, and so are gradients, whatever stands there."""
    cell = Stack(lstm(), nn.Linear(5, 2))
    for beyond in (0.0, 1e30, torch.nan):
        xs = torch.where(THERE[..., None], XS, beyond).requires_grad_()
        with backend(name):
            ys, _ = unroll(cell, xs, lengths=LENGTHS)
        assert not ys[~THERE].any()
        assert ys[THERE].all()
        dys = torch.where(THERE[..., None], torch.ones(2), 1e30)  # gradients there are ignored too
        grads = torch.autograd.grad(ys, [xs, *cell.parameters()], dys)
        assert not grads[0][~THERE].any()
        alone = [
            torch.autograd.grad(unroll(cell, XS[:n, b, None])[0].sum(), list(cell.parameters()))
            for b, n in enumerate(LENGTHS)
        ]
        for got, *rows in zip(grads[1:], *alone, strict=True):
            torch.testing.assert_close(got, sum(rows))


INITIALISED = {
    "GRU": lambda: gru(3, 2),
    "LSTM": lambda: lstm(3, 2),
    "two layers": lambda: Stack(gru(3, 2), lstm(2, 2)),
    "a cell of one's own": lambda: MinimalGated(3, 2),
}


@pytest.mark.parametrize("name", INITIALISED)
def test_row_44_a_given_initial_state_and_its_gradient(name: str) -> None:
    """d/dh0 numerically, for rows of all lengths; and it can be learned."""
    cell = INITIALISED[name]().double()
    start = cell.initial_state(3)
    flat = [torch.randn_like(leaf) for leaf in _tree.leaves(start)]

    def run(model: nn.Module, *leaves: Tensor) -> Tensor:
        given = iter(leaves)
        state = _tree.map(lambda leaf: next(given), start)
        return unroll(model, XS[:3].double(), state, lengths=[3, 1, 2])[0]

    assert gradcheck(cell, run, *flat)
    learned = LearnedState(cell)
    unroll(learned, XS.double())[0].sum().backward()
    assert all(p.grad.any() for p in learned.start)
