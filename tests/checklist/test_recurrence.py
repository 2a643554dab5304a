"""Rows 1 to 14 and 109 of the checklist: stepping, state, truncation, sharing, printing.

Each test is the decisive one of its row; deeper ones are beside the module it is about.
"""

from __future__ import annotations

import copy
import gc
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

import ostinato
from catalogue import ENTRIES, Entry, MinimalGated, Side, gru, lstm
from conformance.test_golden import Case, cases, check, recurrent
from ostinato import (
    Cell,
    EmitState,
    Recurrence,
    Recurrent,
    Recursor,
    Sequencer,
    Stack,
    _tree,
    cells,
    detach,
    flatten_parameters_and_grads,
    unroll,
)
from ostinato.cell import zeros
from ostinato.errors import ArgumentError
from ostinato.typing import State

XS = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(0))


def same(got: State, want: State) -> None:
    for a, b in zip(_tree.leaves(got), _tree.leaves(want), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_row_01_stepping_equals_the_sequence(entry: Entry) -> None:
    """Outputs and all gradients: of the inputs, the parameters and the state before."""
    cell = entry.build(torch.float64)
    torch.manual_seed(1)
    start = cell.initial_state(2, dtype=torch.float64)

    def results(stepwise: bool) -> list[Tensor]:
        xs = entry.inputs(5, 2, torch.float64)
        xs = _tree.map(lambda leaf: leaf.requires_grad_(leaf.is_floating_point()), xs)
        state = _tree.map(
            lambda leaf: leaf.detach().clone().requires_grad_(leaf.is_floating_point()), start
        )
        if stepwise:
            shell = Recursor(cell)
            shell.state = state
            steps = [shell(_tree.map(lambda leaf, t=t: leaf[t], xs)) for t in range(5)]
            ys, after = _tree.map(lambda *leaves: torch.stack(leaves), *steps), shell.state
        else:
            ys, after = unroll(cell, xs, state)
        out = [leaf for leaf in _tree.leaves((ys, after)) if leaf.is_floating_point()]
        wanted = [leaf for leaf in _tree.leaves((xs, state)) if leaf.requires_grad]
        wanted += [p for p in cell.parameters() if p.requires_grad]
        loss = sum(((n + 1) * leaf.sin()).sum() for n, leaf in enumerate(out))
        return out + list(torch.autograd.grad(loss, wanted, materialize_grads=True))

    for got, want in zip(results(True), results(False), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("training", [True, False])
def test_row_02_forget(training: bool) -> None:
    """Same outputs after it, no state left, in evaluation too (Torch kept stale states there)."""
    for cell in (lstm(), Stack(gru(), Recurrent(5, nn.Linear(5, 5), nn.Linear(5, 5)))):
        shell = Recursor(cell).train(training)
        shell.state = _tree.map(torch.ones_like, cell.initial_state(2))
        assert shell.forget() is shell
        assert shell.state is None
        first = [shell(x) for x in XS]
        assert not torch.equal(shell(XS[0]), first[0])
        shell.forget()
        for x, want in zip(XS, first, strict=True):
            assert torch.equal(shell(x), want)


def graph_size(y: Tensor) -> int:
    """How many nodes of the graph back-propagation from y can reach."""
    seen, todo = set(), [y.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [parent for parent, _ in node.next_functions]
    return len(seen)


def test_row_03_truncation() -> None:
    """rho is how far apart the cuts are: ``detach()`` in a stream, `chunks` of a sequence."""
    rho, cell = 3, lstm()
    shell = Recursor(cell)
    steps = [x.clone().requires_grad_() for x in torch.cat([XS, XS, XS])]
    sizes = []
    for t, x in enumerate(steps):
        if t % rho == 0:
            shell.detach()
            carried = shell.state
        y = shell(x)
        sizes.append(graph_size(y))
    # what is kept does not grow with the length of the stream
    assert sizes[rho:] == sizes[rho : 2 * rho] * 5
    # beyond the window there is no gradient, and torch says so
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        torch.autograd.grad(y.sum(), steps[-rho - 1], retain_graph=True)
    y.sum().backward()
    assert [x.grad is not None for x in steps] == [False] * 15 + [True] * 3
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()
    # within it is the gradient of the window alone, from the state that was carried into it
    window = torch.stack(steps[-rho:]).detach().requires_grad_()
    got = cell.weight_hh.grad.clone()
    cell.zero_grad()
    unroll(cell, window, carried)[0][-1].sum().backward()
    torch.testing.assert_close(torch.stack([x.grad for x in steps[-rho:]]), window.grad)
    torch.testing.assert_close(got, cell.weight_hh.grad)


def test_row_04_evaluation_in_constant_memory() -> None:
    """A hundred thousand steps leave not one tensor behind; outputs are those of training."""

    def alive() -> int:
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    cell = cells.Elman(2, 3)
    shell = Recursor(cell)
    x = torch.randn(1, 2)
    trained = [shell(x) for _ in range(5)]
    shell.eval()
    with torch.no_grad():
        evaluated = [shell(x) for _ in range(5)]  # and they stay as they are: no shared buffer
        shell(x)
        before = alive()
        for _ in range(100_000):
            shell(x)
        assert alive() == before
    same(tuple(evaluated), tuple(trained))
    assert shell.state.grad_fn is None


def test_row_05_remember_modes() -> None:
    """Who carries the state in which mode; the default; a switch of the mode; a wrong name."""
    for mode in ("neither", "train", "eval", "both"):
        for training in (True, False):
            shell = Sequencer(lstm()).remember(mode).train(training)
            carried = not torch.equal(shell(XS), shell(XS))
            assert carried == (mode in ("both", "train" if training else "eval"))
        shell = Sequencer(lstm(), remember=mode)
        shell(XS)
        assert shell.eval().state is None
        shell(XS)
        assert shell.train().state is None
    default = Sequencer(lstm())
    assert torch.equal(default(XS), default(XS))
    assert not torch.equal(default.remember()(XS), default(XS))  # called with nothing: both
    with pytest.raises(ArgumentError, match=r"remember: wanted one of 'neither', .*got 'always'"):
        default.remember("always")


def test_row_06_chunks_equal_stepping_by_hand() -> None:
    """Truncated BPTT, each chunk trained on: every output and gradient, and the last weights."""
    sizes = (5, 4, 5, 3, 7, 3, 3, 3)
    whole = torch.randn(sum(sizes), 2, 3)
    layers = lstm(), nn.Linear(5, 2)
    models = [Sequencer(*copy.deepcopy(layers), remember="both"), Recursor(*layers)]
    trace: list[list[Tensor]] = [[], []]
    for model, made in zip(models, trace, strict=True):
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        for piece in whole.split(sizes):
            xs = piece.clone().requires_grad_()
            if isinstance(model, Recursor):
                model.detach()
                ys = torch.stack([model(x) for x in xs])
            else:
                ys = model(xs)
            optimiser.zero_grad()
            ys.square().sum().backward()
            made += [ys, xs.grad, *(p.grad.clone() for p in model.parameters())]
            optimiser.step()
        made += list(model.parameters())
    same(*map(tuple, trace))


def nested() -> Stack:
    """Layers with states of all kinds, one in another."""
    inner = Recurrence(Stack(Side(), lstm(5 + 4, 4)), 4)
    return Stack(
        gru(), Stack(nn.Linear(5, 5), inner), Recurrent(3, nn.Linear(4, 3), nn.Linear(3, 3))
    )


@pytest.mark.parametrize("kind", [Sequencer, Recursor])
@pytest.mark.parametrize("training", [True, False])
def test_row_07_states_and_their_gradients_are_read_and_set(kind: type, training: bool) -> None:
    """One copy takes over from another in the middle: same outputs, same gradients."""
    alone, first, second = (kind(nested(), remember="both").double() for _ in range(3))
    for shell in (first, second):
        shell.load_state_dict(alone.state_dict())
        shell.train(training)
    xs = XS.double().requires_grad_()

    def run(shell: Any, part: Tensor) -> Tensor:
        return shell(part) if kind is Sequencer else torch.stack([shell(x) for x in part])

    want, _ = unroll(alone.cell, xs)
    dxs, *dwant = torch.autograd.grad(want.square().sum(), [xs, *alone.parameters()])
    ahead = run(first, xs[:3])
    # the state after step 3, as the other's step 0: used in training too, where Torch lost it
    second.state = border = _tree.map(lambda leaf: leaf.view_as(leaf), first.state)
    after = run(second, xs[3:])
    torch.testing.assert_close(torch.cat([ahead, after]), want, rtol=1e-7, atol=1e-7)
    floats = [leaf for leaf in _tree.leaves(border) if leaf.is_floating_point()]
    dstate = torch.autograd.grad(after.square().sum(), floats, retain_graph=True)
    both = after.square().sum() + ahead.square().sum()
    leaves = [xs, *first.parameters(), *second.parameters()]
    dgot = torch.autograd.grad(both, leaves, retain_graph=True)
    torch.testing.assert_close(dgot[0], dxs, rtol=1e-7, atol=1e-7)
    for a, b, c in zip(dgot[1 : len(dwant) + 1], dgot[len(dwant) + 1 :], dwant, strict=True):
        torch.testing.assert_close(a + b, c, rtol=1e-7, atol=1e-7)
    # the gradient of the border handed over by hand, Torch's get- and setGradHiddenState
    (by_hand,) = torch.autograd.grad([ahead.square().sum(), *floats], xs, [None, *dstate])
    torch.testing.assert_close(by_hand[:3], dxs[:3], rtol=1e-7, atol=1e-7)


def test_row_07_every_state_of_a_sequence() -> None:
    """The state after each step, by `EmitState`; that after none is the initial one."""
    cell = nested()
    (_, states), last = unroll(EmitState(cell), XS)
    shell = Recursor(cell)
    for t, x in enumerate(XS):
        shell(x)
        same(_tree.map(lambda leaf, t=t: leaf[t], states), shell.state)
    same(last, shell.state)


@pytest.mark.parametrize("make", [lstm, gru])
@pytest.mark.parametrize("batch_size", [2, 3])
def test_row_08_gradients_through_encoder_and_decoder(make: Any, batch_size: int) -> None:
    """Numerically, of all parameters of both; for each batch size."""
    encoder, decoder = (Sequencer(make(2, 3)).double() for _ in range(2))
    source, target = torch.randn(4, batch_size, 2), torch.randn(3, batch_size, 2)
    names = [f"{part}.{name}" for part in "01" for name, _ in encoder.named_parameters()]

    class Both(nn.ModuleList):
        def forward(self) -> Tensor:
            self[0](source.double(), lengths=range(1, batch_size + 1))
            self[1].state = self[0].state
            return self[1](target.double())

    both = Both([encoder, decoder])

    def outputs(*values: Tensor) -> Tensor:
        return functional_call(both, dict(zip(names, values, strict=True)), ())

    with ostinato.backend("eager"):  # the same on every backend: tests/conformance
        assert torch.autograd.gradcheck(outputs, tuple(both.parameters()), atol=1e-5)


@pytest.mark.parametrize("case", [c for c in cases("recurrent") if "recurrent" in c.id])
def test_row_09_recurrent_golden(case: Case) -> None:
    cell = recurrent(case)
    check(cell, lambda xs: unroll(cell, xs)[0], case)


def test_row_09_recurrent_starts_by_its_bias_alone() -> None:
    """The start has a part in step 1 only, feedback in all others; tables serve as states."""
    cell = Recurrent(5, nn.Linear(3, 5), nn.Linear(5, 5), nn.Tanh())
    ys, state = unroll(cell, XS)
    torch.testing.assert_close(ys[0], torch.tanh(cell.input(XS[0]) + cell.start.bias))
    torch.testing.assert_close(ys[1], torch.tanh(cell.input(XS[1]) + cell.feedback(ys[0])))
    (dstart,) = torch.autograd.grad(ys[0].sum(), cell.start.bias, retain_graph=True)
    assert dstart.any()
    used = torch.autograd.grad(
        ys[0].sum(), list(cell.feedback.parameters()), retain_graph=True, materialize_grads=True
    )
    assert not any(leaf.any() for leaf in used)
    # a window that begins later says nothing of the start
    again, _ = unroll(cell, XS, detach(state))
    (dstart,) = torch.autograd.grad(again.sum(), cell.start.bias, materialize_grads=True)
    assert not dstart.any()

    class Each(nn.ModuleDict):
        """Torch's ParallelTable: a module for each of a pair."""

        def forward(self, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return self["a"](pair[0]), self["b"](pair[1])

    class Added(nn.Module):
        def forward(self, a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return tuple(map(torch.add, a, b))

    def each() -> Each:
        return Each({"a": nn.Linear(5, 5), "b": nn.Linear(2, 2)})

    feed = Each({"a": nn.Linear(3, 5), "b": nn.Linear(3, 2)})
    table = Recurrent(each(), feed, each(), nn.Identity(), Added(), hidden_size=(5, 2))
    (a, b), _ = unroll(table, (XS, XS))
    torch.testing.assert_close(a[1], feed["a"](XS[1]) + table.feedback["a"](a[0]))
    assert b.shape == (6, 2, 2)
    with pytest.raises(ArgumentError, match="start"):
        Recurrent("5", nn.Linear(3, 5), nn.Linear(5, 5))


def test_row_10_recurrence() -> None:
    """Of an LSTM's step it is the LSTM; of a start that is shared it is `Recurrent`."""
    ours, theirs = lstm().double(), Recurrence(nn.LSTMCell(3, 5), (5, 5)).double()
    theirs.module.load_state_dict(ours.state_dict())
    for batch_size in (1, 2, 4):  # x is always batched, and its rank is never guessed
        xs = torch.randn(6, batch_size, 3, dtype=torch.float64)
        for cell in (ours, theirs):
            cell.zero_grad()
            unroll(cell, xs)[0].square().sum().backward()
        same(unroll(ours, xs), unroll(theirs, xs))
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(p.grad, q.grad)

    class Plain(nn.Module):
        """sigmoid(W x + U h + b)."""

        def __init__(self, feed: nn.Module, back: nn.Module) -> None:
            super().__init__()
            self.feed, self.back = feed, back

        def forward(self, x: Tensor, h: Tensor) -> Tensor:
            return torch.sigmoid(self.feed(x) + self.back(h))

    simple = Recurrent(5, nn.Embedding(7, 5), nn.Linear(5, 5))
    simple.start.bias = simple.feedback.bias
    plain = Recurrence(Plain(simple.input, simple.feedback), 5)
    index = torch.arange(8).view(4, 2) % 7
    want, _ = unroll(simple, index)
    got, _ = unroll(plain, index)
    torch.testing.assert_close(got, want)
    for p in simple.parameters():
        both = [torch.autograd.grad(ys.sum(), p, retain_graph=True)[0] for ys in (got, want)]
        torch.testing.assert_close(*both)


def test_row_11_recursors_nest_and_lift() -> None:
    """Recursor(Recursor(Stack(LSTM))) is the LSTM; stateless modules need no wrapping."""
    cell = lstm()
    shell = Recursor(Recursor(Stack(cell)))
    assert list(shell.parameters()) == list(cell.parameters())
    want, _ = unroll(cell, XS)
    torch.testing.assert_close(torch.stack([shell(x) for x in XS]), want)
    linear = nn.Linear(3, 2)
    mixed = Recursor(linear, nn.Tanh())
    torch.testing.assert_close(mixed(XS[0]), linear(XS[0]).tanh())
    assert list(mixed.parameters()) == list(linear.parameters())


class Counter(Cell):
    """Passes x on, and counts its steps."""

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Tensor:
        return zeros(self, batch_size, 1, dtype=dtype, device=device)

    def forward(self, x: Any, state: Tensor) -> tuple[Any, Tensor]:
        return x, state + 1


def test_row_12_nested_recurrence() -> None:
    """An LSTM inside a `Recurrence` keeps step with it through three switches of the mode."""
    inner = Stack(Side(), Counter(), lstm(3 + 5, 5), nn.Sigmoid())
    shell = Recursor(Counter(), Recurrence(inner, 5))
    outputs = []
    for switch in range(4):
        shell.train(switch % 2 == 0)
        assert shell.state is None
        for t, x in enumerate(XS):
            y = shell(x)
            outer, (h, (_, count, (cell_h, _), _)) = shell.state
            assert outer.eq(t + 1).all()
            assert count.eq(t + 1).all()
            assert torch.equal(h, y)
            torch.testing.assert_close(cell_h.sigmoid(), y)
        outputs.append(y)
        shell.forget()
    for y in outputs[1:]:
        torch.testing.assert_close(y, outputs[0])
    ys, _ = unroll(shell.cell, XS)
    torch.testing.assert_close(ys[-1], outputs[0])


@pytest.mark.parametrize(
    ("make", "numbers"),
    [
        (lstm, 4 * 5 * (3 + 5) + 2 * 4 * 5),
        (gru, 3 * 5 * (3 + 5) + 2 * 3 * 5),
        (lambda: MinimalGated(3, 5), 2 * (5 * (3 + 5) + 5)),
    ],
)
def test_row_13_parameters_are_shared_over_time(make: Any, numbers: int) -> None:
    """P parameters whatever T is, and a gradient that is the sum over a copy for each step."""
    cell = make().double()
    shell = Recursor(cell)
    xs = XS.double()
    ys = torch.stack([shell(x) for x in xs])
    # after T steps, in training, with the graph of all of them: P and not T * P
    assert sum(p.numel() for p in shell.parameters()) == numbers
    assert sum(p.numel() for p in Sequencer(cell).parameters()) == numbers
    want = torch.autograd.grad(ys.square().sum(), list(cell.parameters()))
    names = [name for name, _ in cell.named_parameters()]
    copies = [[p.detach().clone().requires_grad_() for p in cell.parameters()] for _ in xs]
    state, loss = cell.initial_state(2), 0.0
    for x, own in zip(xs, copies, strict=True):
        y, state = functional_call(cell, dict(zip(names, own, strict=True)), (x, state))
        loss = loss + y.square().sum()
    grads = torch.autograd.grad(loss, [p for own in copies for p in own], materialize_grads=True)
    for n, total in enumerate(want):
        torch.testing.assert_close(sum(grads[n :: len(want)]), total)


class Concatenated(nn.Module):
    """tanh(W [h; x] + b), of the beginners' network of 26 units."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(hidden_size + input_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(self.map(torch.cat([h, x], -1)))


class ElevenMaps(nn.Module):
    """The LSTM of Graves 2013 with full peepholes, each of the eleven maps with a bias."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.x, self.h = (
            nn.Linear(input_size, 4 * hidden_size),
            nn.Linear(hidden_size, 4 * hidden_size),
        )
        self.i, self.f, self.o = (nn.Linear(hidden_size, hidden_size) for _ in range(3))

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        h, c = state
        i, f, g, o = (self.x(x) + self.h(h)).chunk(4, -1)
        c = torch.sigmoid(f + self.f(c)) * c + torch.sigmoid(i + self.i(c)) * torch.tanh(g)
        return torch.sigmoid(o + self.o(c)) * torch.tanh(c), c


FLAT: dict[int, Any] = {
    755: lambda: Stack(Recurrence(Concatenated(1, 26), 26), nn.Linear(26, 1)),
    761: lambda: Stack(nn.Linear(3, 152), nn.Sigmoid(), nn.Linear(152, 1)),
    2049: lambda: Stack(Recurrence(ElevenMaps(1, 16), (16, 16)), nn.Linear(16, 1)),
}


@pytest.mark.parametrize("size", FLAT)
def test_row_14_parameters_as_one_vector(size: int) -> None:
    """Read, set, drawn and trained as one; SGD on the vector is SGD on the tensors."""
    ours, theirs = FLAT[size](), FLAT[size]()
    values, grads = flatten_parameters_and_grads(ours)
    assert values.shape == grads.shape == (size,)
    values.uniform_(-0.1, 0.1)  # init all
    assert all(0 < p.abs().max() <= 0.1 for p in ours.parameters())
    kept = values.clone()  # get
    torch.nn.utils.vector_to_parameters(kept, theirs.parameters())
    optimiser = torch.optim.SGD(theirs.parameters(), lr=0.05)
    xs = torch.randn(4, 3, 3 if size == 761 else 1)
    for _ in range(3):
        for model in (ours, theirs):
            model.zero_grad(set_to_none=False)
            (unroll(model, xs)[0] - 1).square().mean().backward()
        values -= 0.05 * grads
        optimiser.step()
    assert not torch.equal(values, kept)
    torch.testing.assert_close(values, torch.cat([p.flatten() for p in theirs.parameters()]))
    values.copy_(kept)  # set
    torch.testing.assert_close(torch.cat([p.flatten() for p in ours.parameters()]), kept)


def test_row_109_models_print_as_trees_with_sizes() -> None:
    """The shells, cells and combinators of a nested model, in torch's style."""
    cell = Stack(
        nn.Embedding(10, 7),
        Recurrence(Stack(Side(), cells.LSTM(14, 7)), 7),
        Recurrent(7, nn.Linear(7, 7), nn.Linear(7, 7)),
        nn.Linear(7, 10),
    )
    assert (
        repr(Sequencer(Recursor(cell), remember="both"))
        == """\
Sequencer(
  remember='both'
  (cell): Stack(
    (0): Embedding(10, 7)
    (1): Recurrence(
      hidden_size=7
      (module): Stack(
        (0): Side()
        (1): LSTM(14, 7)
      )
    )
    (2): Recurrent(
      hidden_size=7
      (start): Bias(7)
      (input): Linear(in_features=7, out_features=7, bias=True)
      (feedback): Linear(in_features=7, out_features=7, bias=True)
      (transfer): Sigmoid()
      (merge): Sum()
    )
    (3): Linear(in_features=7, out_features=10, bias=True)
  )
)"""
    )
    assert (
        repr(ostinato.BiSequencer(gru(), lstm(), "sum"))
        == """\
BiSequencer(
  merge='sum'
  (forward_cell): GRU(3, 5)
  (backward_cell): LSTM(3, 5)
)"""
    )
    for ours, theirs in ((ostinato.nn.LSTM, nn.LSTM), (ostinato.nn.GRU, nn.GRU)):
        options = {"num_layers": 2, "bidirectional": True, "batch_first": True}
        assert repr(ours(3, 5, **options)) == repr(theirs(3, 5, **options))


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_row_109_whatever_has_weights_says_its_size(entry: Entry) -> None:
    for module in entry.make().modules():
        own = list(module.parameters(recurse=False))
        if not own or not type(module).__module__.startswith("ostinato"):
            continue
        sizes = [getattr(module, name, None) for name in ("input_size", "hidden_size")]
        sizes = [size for size in sizes if size is not None] or [p.shape[-1] for p in own]
        assert all(str(size) in module.extra_repr() for size in sizes), repr(module)
