"""Steps without gradients: a stream equals the cell itself, whatever is done to either."""

from __future__ import annotations

import copy
import gc
import io
import resource
import threading
from collections.abc import Callable, Iterator
from typing import Any, final

import pytest
import torch
from compare import TOLERANCE
from steps import Step
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import ostinato
from catalogue import ENTRIES, Entry, gru, lstm
from ostinato import Composite, Recursor, Stack, Zoneout, _tree, cells
from ostinato.backends.call import Call
from ostinato.backends.fused.stream.stream import Stream
from ostinato.backends.stepping import FUSED, Parts
from ostinato.errors import ArgumentError, BackendError, DtypeError, ShapeError, StateError
from ostinato.typing import State, Tree


@pytest.fixture(autouse=True)
def _streaming() -> Iterator[None]:
    """Nothing wants gradients."""
    with torch.no_grad():
        yield


def pair(cell: nn.Module) -> tuple[Recursor, Recursor]:
    """The same cell as a stream and as it is."""
    return Recursor(cell), Recursor(cell, backend="eager")


def steps(xs: Tree) -> list[Tree]:
    """The steps of a sequence."""
    count = _tree.leaves(xs)[0].shape[0]
    return [_tree.map(lambda leaf, t=t: leaf[t], xs) for t in range(count)]


def assert_same(got: Tree, want: Tree) -> None:
    """Equal trees, dtypes and values."""
    assert _tree.describe(got) == _tree.describe(want)
    for a, b in zip(_tree.leaves(got), _tree.leaves(want), strict=True):
        assert a.dtype == b.dtype
        if b.is_floating_point():
            torch.testing.assert_close(a, b, rtol=0, atol=TOLERANCE[b.dtype])
        else:
            assert torch.equal(a, b)


def assert_go_on(stream: Recursor, plain: Recursor, x: Tensor | None = None) -> None:
    """Three more steps give the same, the stream being one all the while."""
    for _ in range(3):
        x = torch.randn(1, 3) if x is None else x
        assert_same(stream(x), plain(x))
        assert stream._live is not None
    assert_same(stream.state, plain.state)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_every_cell_equals_itself(entry: Entry, dtype: torch.dtype, batch: int) -> None:
    stream, plain = pair(entry.build(dtype))
    xs = steps(entry.inputs(7, batch, dtype))
    for part in (xs[:4], xs[4:]):
        found: list[Tree] = []
        for shell in (stream, plain):
            torch.manual_seed(3)  # for the masks of the initial state
            shell.forget()
            found.append((tuple(shell(x) for x in part), shell.state))
        assert_same(*found)


IN_PARTS = ("stack_lifted", "language_model", "weight_drop", "nested_learned")
"""Entries of these names are not taken as they are, and have streams in them."""


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_who_streams(entry: Entry) -> None:
    cell, xs = entry.build(torch.float32), entry.inputs(1, 1, torch.float32)
    stream, x = Recursor(cell), steps(xs)[0]
    state = cell.initial_state(1)
    taken = FUSED.accept(Call(cell, xs, state)) if _tree.leaves(state) else "no state to keep"
    stream(x)
    said = str(stream.explain(x))
    assert isinstance(stream._live, Stream) != isinstance(taken, str), said
    assert isinstance(stream._live, Parts) or not entry.name.startswith(IN_PARTS), said
    assert ("a step at a time: compiled" in said) == (stream._live is not None)


def test_auto_streams() -> None:
    x = torch.randn(1, 3)
    stream = Recursor(lstm())
    stream(x)
    assert stream._live is not None
    assert "fused" in str(stream.explain(x))
    stream = Recursor(lstm(), backend="fused")
    stream(x)
    assert stream._live is not None


def test_a_surrounding_backend_is_followed() -> None:
    stream, plain = pair(lstm())
    assert_go_on(stream, plain)
    with ostinato.backend("eager"):
        assert_same(stream(torch.ones(1, 3)), plain(torch.ones(1, 3)))
        assert stream._live is None
    with ostinato.backend("fused"):
        assert_go_on(stream, plain)
    assert_go_on(stream, plain)


def test_a_backend_by_name_refuses_in_words() -> None:
    with pytest.raises(BackendError, match="branch on data"):
        Recursor(Step(lambda p, x, h: h if x.sum() > 0 else -h, w=(1,)), backend="fused")(
            torch.randn(1, 6)
        )
    with pytest.raises(ArgumentError, match="backend"):
        Recursor(lstm(), backend="fast")
    x = torch.randn(2, 3)
    assert_same(Recursor(lstm_of(0), backend="aten")(x), Recursor(lstm_of(0), backend="eager")(x))


def lstm_of(seed: int) -> cells.LSTM:
    torch.manual_seed(seed)
    return lstm()


@pytest.mark.parametrize("backend", ["auto", "fused", "aten"])
def test_gradients_take_the_ordinary_way(backend: str) -> None:
    cell = lstm()
    stream, plain = Recursor(cell, backend=backend), Recursor(cell, backend="eager")
    xs = [torch.randn(2, 3, requires_grad=True) for _ in range(6)]
    found = []
    for shell in (stream, plain):
        shell(xs[0])
        shell(xs[1])
        with torch.enable_grad():
            y = shell(xs[2]) + shell(xs[3])
        shell(xs[4])
        with torch.enable_grad():
            y = (y + shell(xs[5])).sum()
        found.append(torch.autograd.grad(y, [xs[2], xs[3], xs[5], cell.weight_hh]))
        assert shell.state[0].grad_fn is not None
    assert_same(*map(tuple, found))


CHANGES: dict[str, Callable[[cells.Elman], object]] = {
    "in place": lambda cell: cell.weight_hh.mul_(0.5),
    "by data": lambda cell: cell.weight_hh.data.mul_(0.5),
    "new data": lambda cell: setattr(cell.weight_hh, "data", torch.randn(3, 3)),
    "transposed in place": lambda cell: setattr(cell.weight_hh, "data", cell.weight_hh.data.t()),
    "new parameter": lambda cell: setattr(cell, "bias_hh", nn.Parameter(torch.randn(3))),
    "no parameter": lambda cell: setattr(cell, "bias_hh", None),
    "loaded": lambda cell: cell.load_state_dict(cells.Elman(3, 3).state_dict()),
    "assigned": lambda cell: cell.load_state_dict(cells.Elman(3, 3).state_dict(), assign=True),
    "optimiser": lambda cell: train_once(cell),
    "flattened": lambda cell: ostinato.flatten_parameters_and_grads(cell)[0].mul_(0.5),
    "other weights in the old memory": lambda cell: swap_memory(cell),
    "attribute": lambda cell: setattr(cell, "activation", "relu"),
    "hook": lambda cell: cell.register_forward_hook(lambda m, args, out: (out[0] + 1, out[1])),
}


def train_once(cell: cells.Elman) -> None:
    with torch.enable_grad():
        ostinato.unroll(cell, torch.randn(4, 2, 3))[0].sum().backward()
    torch.optim.SGD(cell.parameters(), lr=0.5).step()


def swap_memory(cell: cells.Elman) -> None:
    a, b = cell.weight_ih.data, cell.weight_hh.data
    cell.weight_ih.data, cell.weight_hh.data = b, a


@pytest.mark.parametrize("change", list(CHANGES))
def test_changes_of_the_cell_are_seen(change: str) -> None:
    cell = cells.Elman(3, 3)
    stream, plain = pair(cell)
    assert_go_on(stream, plain)
    first = stream(torch.ones(1, 3)), plain(torch.ones(1, 3))
    CHANGES[change](cell)
    # once more, for what a change leaves behind
    for _ in range(2):
        x = torch.randn(1, 3)
        assert_same(stream(x), plain(x))
        assert (stream._live is None) == (change == "hook")
    assert_same(stream.state, plain.state)
    assert_same(*first)


def test_a_flat_vector_of_parameters_is_followed_step_by_step() -> None:
    cell = lstm()
    values, _ = ostinato.flatten_parameters_and_grads(cell)
    stream, plain = pair(cell)
    for _ in range(4):
        assert_go_on(stream, plain)
        values.mul_(0.9)


def test_another_dtype() -> None:
    stream, plain = pair(gru())
    assert_go_on(stream, plain)
    for shell in (stream, plain):
        shell.double()
    x = torch.randn(1, 3).double()  # goes on from the state that it remembers, in double precision
    y = stream(x)
    assert y.dtype == torch.float64
    torch.testing.assert_close(y, plain(x), rtol=0, atol=TOLERANCE[torch.float32])
    for shell in (stream, plain):
        shell.forget()
    assert_go_on(stream, plain, torch.randn(1, 3).double())


def test_attributes_and_modules_that_change() -> None:
    cell = Stack(Zoneout(gru(), 0.3), lstm(5, 4)).eval()
    stream, plain = pair(cell)
    assert_go_on(stream, plain)
    cell.layers[0].p = (0.6,)
    assert_go_on(stream, plain)
    cell.layers[1] = lstm(5, 4)
    assert_go_on(stream, plain)
    hook = cell.layers[1].register_forward_hook(lambda m, args, out: (out[0] + 1, out[1]))
    x = torch.randn(1, 3)
    assert_same(stream(x), plain(x))
    hook.remove()
    assert_go_on(stream, plain)
    stream.cell = plain.cell = gru()
    fresh(stream, plain)
    assert_go_on(stream, plain)


def fresh(*shells: Recursor) -> None:
    for shell in shells:
        shell.forget()


def test_computed_weights() -> None:
    cell = parametrizations.weight_norm(gru(), "weight_hh")
    stream, plain = pair(cell)
    assert_go_on(stream, plain)
    cell.parametrizations.weight_hh.original0.data.mul_(2)
    assert_go_on(stream, plain)


@pytest.mark.parametrize("make", [lstm, lambda: Stack(nn.Embedding(7, 3), lstm(), nn.Linear(5, 2))])
def test_the_state_is_read_and_set(make: Callable[[], nn.Module]) -> None:
    cell = make()
    stream, plain = pair(cell)
    indexed = isinstance(cell, Stack)
    xs = torch.randint(7, (9, 2)) if indexed else torch.randn(9, 2, 3)
    read: list[tuple[State, State]] = []
    for t, x in enumerate(xs):
        assert_same(stream(x), plain(x))
        if t == 2:
            read.append((stream.state, plain.state))
        if t == 4:  # what is read may be changed in place, as the state itself
            for shell in (stream, plain):
                _tree.leaves(shell.state)[0].mul_(0.5)
        if t == 6:
            for shell in (stream, plain):
                shell.state = read[0][1]
    assert_same(*read[0])
    assert_same(stream.state, plain.state)
    given = stream.state
    stream.state = given
    assert stream.state is given


def test_outputs_are_the_users() -> None:
    stream, plain = pair(lstm())
    xs = torch.randn(5, 1, 3)
    kept = [stream(x) for x in xs]
    assert_same(tuple(kept), tuple(plain(x) for x in xs))
    before = copy.deepcopy(stream.state)
    kept[-1].zero_()
    assert_same(stream.state, before)
    assert kept[0].is_contiguous()
    assert not kept[0].requires_grad


@pytest.mark.parametrize("mode", ["neither", "train", "eval", "both"])
def test_modes(mode: str) -> None:
    stream, plain = pair(lstm())
    fresh(stream.remember(mode), plain.remember(mode))
    for training in (True, False, False, True, True):
        for shell in (stream, plain):
            shell.train(training)
        for x in torch.randn(3, 1, 3):
            assert_same(stream(x), plain(x))
        assert_same(stream.state, plain.state)
    stream.training = plain.training = False
    assert_same(stream(x), plain(x))


def test_other_forms_of_x() -> None:
    stream, plain = pair(lstm())
    assert_go_on(stream, plain, torch.randn(1, 6)[:, ::2])
    assert_go_on(stream, plain, torch.randn(3, 1).t())
    assert_same(stream(nn.Parameter(torch.ones(1, 3))), plain(torch.ones(1, 3)))
    for wrong, error in (
        (torch.ones(1, 4), ShapeError),
        (torch.ones(3), StateError),
        (torch.ones(2, 3), StateError),
        (torch.ones(1, 3).double(), DtypeError),
        (torch.ones(()), ShapeError),
    ):
        for shell in (stream, plain):
            with pytest.raises(error):
                shell(wrong)
    assert_go_on(stream, plain)
    fresh(stream, plain)
    assert_go_on(stream, plain, torch.ones(2, 3))


def test_a_step_that_fails_leaves_the_state() -> None:
    cell = Stack(nn.Embedding(7, 3), lstm(), nn.Linear(4, 2), gru(2, 4))
    stream, plain = pair(cell)
    for shell in (stream, plain):
        with pytest.raises(RuntimeError):
            shell(torch.tensor([1]))
    cell.layers[2].module = nn.Linear(5, 2)
    for i in (1, 2, 3):
        assert_same(stream(torch.tensor([i])), plain(torch.tensor([i])))
    cell.layers[2].module = nn.Linear(4, 2)
    for shell in (stream, plain):
        with pytest.raises(RuntimeError):
            shell(torch.tensor([1]))
    assert_same(stream.state, plain.state)


def test_contexts() -> None:
    stream, plain = pair(lstm())
    x = torch.randn(1, 3)
    assert_go_on(stream, plain)
    with torch.autocast("cpu"):
        assert_same_loosely(stream(x), plain(x))
        assert stream._live is None
    fresh(stream, plain)
    with torch.inference_mode():
        assert_go_on(stream, plain)
        stream(x), plain(x)
    assert_go_on(stream, plain)
    with torch.inference_mode():
        made = pair(stream.cell)
        assert_go_on(*made)
    assert_same(made[0](x), made[1](x))
    fresh(stream, plain)
    got = torch.vmap(lambda x: stream.forget()(x))(torch.ones(2, 1, 3))
    assert_same(got, torch.vmap(lambda x: plain.forget()(x))(torch.ones(2, 1, 3)))


def assert_same_loosely(got: Tensor, want: Tensor) -> None:
    assert got.dtype == want.dtype
    torch.testing.assert_close(got, want, rtol=0, atol=1e-2)


def test_copies_go_on_by_themselves() -> None:
    stream, plain = pair(lstm())
    assert_go_on(stream, plain)
    stream(torch.ones(1, 3)), plain(torch.ones(1, 3))
    file = io.BytesIO()
    torch.save(stream, file)
    file.seek(0)
    twins = [copy.deepcopy(stream), copy.copy(stream), torch.load(file, weights_only=False)]
    assert not any("stream" in type(v).__module__ for v in twins[0].__dict__.values())
    assert list(stream.state_dict()) == list(plain.state_dict())
    assert_go_on(stream, copy.deepcopy(plain))
    for twin in twins:
        assert_go_on(twin, copy.deepcopy(plain))


def test_a_resumed_stream_is_equal_to_the_last_bit() -> None:
    stream = Recursor(lstm())
    xs = torch.randn(6, 1, 3)
    for x in xs[:3]:
        stream(x)
    twin = copy.deepcopy(stream)
    for x in xs[3:]:
        assert torch.equal(stream(x), twin(x))


def test_threads_with_streams_of_their_own() -> None:
    cell = Stack(lstm(3, 64), gru(64, 64))
    xs = torch.randn(4, 300, 1, 3)
    want = [[y.clone() for y in map(Recursor(cell, backend="eager"), xs[i])] for i in range(4)]
    got: dict[int, list[Tensor]] = {}

    def work(i: int) -> None:
        with torch.no_grad():  # which is of a thread
            got[i] = [y.clone() for y in map(Recursor(cell, backend="fused"), xs[i])]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        assert_same(tuple(got[i]), tuple(want[i]))


def test_memory_is_flat() -> None:
    stream, x = Recursor(lstm(3, 8), nn.Linear(8, 2)), torch.randn(1, 3)

    def run(count: int) -> int:
        for _ in range(count):
            stream(x)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def objects() -> int:
        gc.collect()
        return len(gc.get_objects())

    run(10)
    before = objects()
    peak = run(10_000)
    # kilobytes; a tensor that stayed behind at each step would take some 50 000
    assert run(100_000) - peak < 5000
    assert objects() - before < 100


def heads(p: Any, x: Tensor, h: Tensor) -> Tensor:
    # two vectors a row through one weight of whole panels
    made = torch.tanh(nn.functional.linear(h.view(-1, 2, 3), p.v))
    return torch.tanh(x + nn.functional.linear(made, p.w).reshape(-1, 6))


def right(p: Any, x: Tensor, h: Tensor) -> Tensor:
    # weights as [inputs, outputs], and a part of one
    return torch.tanh(x @ p.a[:6] + torch.cat([h, x], -1) @ p.b[:, :6] + p.c)


STEPS: dict[str, Callable[[], Step]] = {
    "several vectors a row": lambda: Step(heads, v=(16, 3), w=(3, 16)),
    "weights on the right": lambda: Step(right, a=(9, 6), b=(12, 9), c=(6,)),
    "wide": lambda: Step(right, 6, a=(6, 6), b=(12, 6), c=(1, 6)),
    "ignores x": lambda: Step(lambda p, x, h: torch.sin(h + p.a), a=(6,)),
    "ignores the state": lambda: Step(lambda p, x, h: torch.sin(x + p.a), a=(6,)),
}


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("name", list(STEPS))
def test_products(name: str, batch: int) -> None:
    stream, plain = pair(STEPS[name]().double())
    assert_go_on(stream, plain, torch.randn(batch, 6).double())


@pytest.mark.parametrize("size", [1, 15, 16, 17, 64, 130])
def test_sizes(size: int) -> None:
    for cell in (lstm(size, size), gru(size, size, reset="before")):
        stream, plain = pair(cell)
        assert_go_on(stream, plain, torch.randn(2, size))


def test_nan_and_infinity() -> None:
    for bad in (torch.nan, torch.inf):
        stream, plain = pair(lstm())
        x = torch.tensor([[1.0, bad, 0.0], [1.0, 2.0, 3.0]])
        for _ in range(3):
            torch.testing.assert_close(stream(x), plain(x), equal_nan=True)


@final
class Wired(Composite):
    """Two runs of one cell on tabled indices, with three states that are passed on at will."""

    def __init__(self, rule: Callable[..., Any]) -> None:
        super().__init__()
        self.table, self.cell, self.rule = nn.Embedding(7, 3), lstm(), rule

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        return tuple(
            self.cell.initial_state(batch_size, dtype=dtype, device=device) for _ in range(3)
        )

    def wire(self, run: Any, x: Tensor, state: State) -> tuple[Tensor, State]:
        one, two = self.table(x), self.table((x + 1) % 7)
        return self.rule(lambda n, s: run(self.cell, (one, two)[n], s), *state)


def from_one_state(run: Any, a: State, b: State, c: State) -> Any:
    (y, first), (z, second) = run(0, a), run(1, a)
    return y + z, (first, second, c)


def from_the_second(run: Any, a: State, b: State, c: State) -> Any:
    (y, first), (z, second) = run(0, a), run(1, a)
    return y + z, (second, first, c)


def crosswise(run: Any, a: State, b: State, c: State) -> Any:
    (y, first), (z, second) = run(0, b), run(1, a)
    return y + 2 * z, (first, second, c)


def late(run: Any, a: State, b: State, c: State) -> Any:
    (y, after), (z, _) = run(0, a), run(1, c)
    return y + 2 * z, (after, a, b)


def by_turns(run: Any, a: State, b: State, c: State) -> Any:
    y, after = run(0, a)
    return y, (b, c, after)


RULES = (from_one_state, from_the_second, crosswise, late, by_turns)


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_composites_that_pass_states_on_at_will(rule: Callable[..., Any], read: bool) -> None:
    stream, plain = pair(Wired(rule))
    for i in range(8):
        x = torch.tensor([i % 7, 6 - i % 7])
        assert_same(stream(x), plain(x))
        assert isinstance(stream._live, Parts)
        if read and i % 3 == 2:
            assert_same(stream.state, plain.state)
    assert_same(stream.state, plain.state)


def test_a_cell_that_stands_in_a_stack_twice() -> None:
    shared = lstm(5, 5)
    stream, plain = pair(Stack(nn.Embedding(7, 5), shared, nn.Tanh(), Stack(shared, gru(5, 5))))
    for i in range(5):
        x = torch.tensor([i, 2 * i % 7])
        assert_same(stream(x), plain(x))
        if i == 2:
            assert_same(stream.state, plain.state)
    assert_same(stream.state, plain.state)


def test_zoneout_draws_at_every_step() -> None:
    cell = Zoneout(gru(3, 200), 0.25)
    stream, still = Recursor(cell), torch.zeros(1, 3)
    before = stream(still)
    kept = []
    for _ in range(40):
        after = stream(still)
        kept.append((after == before).float().mean().item())
        before = after
    assert abs(sum(kept[:10]) / 10 - 0.25) < 0.05
    torch.manual_seed(1)
    first = stream.forget()(still)
    torch.manual_seed(1)
    assert torch.equal(stream.forget()(still), first)
    assert stream._live is not None


def test_explain_leaves_everything_alone() -> None:
    stream = Recursor(Stack(nn.Embedding(7, 3), lstm(), nn.Dropout(), nn.Linear(5, 2))).eval()
    x = torch.tensor([1])
    stream(x)
    state, drawn = copy.deepcopy(stream.state), torch.get_rng_state()
    said = str(stream.explain(x))
    assert "not fused: computes in float32 and float64, got torch.int64" in said
    assert "cell by cell" in said
    assert "fused  a step at a time: compiled; a step: 1 product, 1 kernel" in said
    assert "not fused: a stateless module" in said
    assert_same(stream.state, state)
    assert torch.equal(torch.get_rng_state(), drawn)
