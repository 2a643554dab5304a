"""What surrounds an operator under `torch.compile`. Run by test_operator.py, one line for a fault.

``python compiled_cases.py NAME...`` runs these functions, or all.
"""

from __future__ import annotations

import copy
import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from compiled_forms import Pair, Single, ends, equal, gradients, h, plain, x
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.checkpoint import checkpoint

import ostinato
from ostinato import NormPenalty, Recursor, Sequencer, Stack, cells
from ostinato.backends import operator, request
from ostinato.errors import ArgumentError, ShapeError


def compiled(model: Any, *, fullgraph: bool = True, backend: str = "aot_eager") -> Any:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    return torch.compile(model, backend=backend, fullgraph=fullgraph)


def gru(**options: Any) -> nn.Module:
    return Pair(cells.GRU(3, 4), **options).double()


def calls_of_200_sizes() -> None:
    random = torch.Generator().manual_seed(0)
    for model in (gru(), Pair(ostinato.nn.LSTM(3, 4)).double()):
        run = compiled(model)
        for seed in range(200):
            t, b = torch.randint(1, 9, (2,), generator=random).tolist()
            given = (x(t, b),), {"lengths": ends(t, b)}
            if seed % 10 == 0:
                equal(run, model, model, given, seed)
            else:
                torch.testing.assert_close(
                    run(*given[0], **given[1])[1], model(*given[0], **given[1])[1]
                )
        graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        assert graphs <= 6, graphs


def no_steps_and_no_rows() -> None:
    model = gru()
    run = compiled(model)
    for t, b in ((0, 2), (3, 0), (0, 0), (1, 1), (4, 2)):
        equal(run, model, model, plain(t, b), 0)


def hooks_run_outside_the_graph() -> None:
    model, seen = gru(), []
    model.inner.register_forward_hook(lambda *_: seen.append(1))
    equal(compiled(model, fullgraph=False), model, model, plain(4, 2), 0)
    assert len(seen) == 8
    assert "there are hooks" in str(torch._dynamo.utils.counters["graph_break"])


def hooks_that_come_later_are_called() -> None:
    model, seen = gru(), []
    run = compiled(model)
    run(*plain(4, 2)[0])
    model.inner.register_forward_hook(lambda *_: seen.append(1))
    run(*plain(4, 2)[0])
    assert len(seen) == 4


def hooks_of_parameters_run_once() -> None:
    model, seen = gru(), []
    model.inner.weight_ih.register_hook(lambda _: seen.append("gradient"))
    model.inner.weight_ih.register_post_accumulate_grad_hook(lambda _: seen.append("sum"))
    compiled(model)(*plain(4, 2)[0])[0].sum().backward()
    assert seen == ["gradient", "sum"], seen


def expect(kind: type[Exception], words: str, run: Callable[[], Any]) -> None:
    with pytest.raises(kind) as caught:
        run()
    assert words in str(caught.value), str(caught.value)


def errors_are_those_of_the_call() -> None:
    model = gru()
    run = compiled(model, fullgraph=False)
    expect(ShapeError, "wanted [T, B, 3]", lambda: run(torch.randn(4, 2, 5).double()))
    for full in (False, True):
        run = compiled(model, fullgraph=full)
        given = x(4, 2)
        wanted = "numbers from 0 to T=4, got 1 to 9"
        expect(ArgumentError, wanted, lambda: run(given, lengths=torch.tensor([9, 1])))  # noqa: B023
    run = compiled(model)
    expect(RuntimeError, "wanted [T, B, 3]", lambda: run(torch.randn(4, 2, 5).double()))


def autocast_inside_and_outside() -> None:
    cell, xs = cells.GRU(3, 4), torch.randn(4, 2, 3)

    def inside(xs: Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return ostinato.unroll(cell, xs)

    torch.testing.assert_close(compiled(inside)(xs), inside(xs))
    model = Pair(cell)
    run = compiled(model)
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(run(xs), model(xs))
        torch.testing.assert_close(run(xs), model(xs))


def without_gradients() -> None:
    model, xs = gru(), torch.randn(4, 2, 3).double()
    run = compiled(model)
    for mode in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with mode():
            torch.testing.assert_close(run(xs), model(xs))


def some_parameters_are_frozen() -> None:
    model = gru()
    model.requires_grad_(False)
    model.inner.weight_hh.requires_grad_(True)
    equal(compiled(model), model, model, ((x(4, 2).detach(),), {}), 0)
    model.requires_grad_(False)
    run = compiled(model)
    xs = x(4, 2)
    grads = [torch.autograd.grad(f(xs)[0].sum(), xs) for f in (run, model)]
    torch.testing.assert_close(*grads)


def packed_sequences_run_outside_the_graph() -> None:
    layer = ostinato.nn.GRU(3, 4).double()
    packed = pack_padded_sequence(x(5, 3), torch.tensor([5, 2, 3]), enforce_sorted=False)
    got, want = compiled(layer, fullgraph=False)(packed), layer(packed)
    torch.testing.assert_close(tuple(got[0]), tuple(want[0]))
    torch.testing.assert_close(got[1], want[1])


def penalties_reach_the_loss() -> None:
    model = Pair(Stack(cells.GRU(3, 4), NormPenalty(0.1))).double()
    xs, grads = x(4, 2), []
    for run in (compiled(model, fullgraph=False), model):
        with ostinato.penalties() as added:
            ys, _ = run(xs)
        grads.append(torch.autograd.grad(ys.sum() + added.total, xs))
    torch.testing.assert_close(*grads)


def cells_that_share() -> None:
    first, second = cells.GRU(3, 3), cells.GRU(3, 3)
    second.weight_ih = first.weight_ih

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stack, self.alias = Stack(first, second), first

        def forward(self, xs: Tensor) -> Any:
            ys, _ = ostinato.unroll(self.stack, xs)
            return ostinato.unroll(self.alias, ys)

    model = Twice().double()
    equal(compiled(model), model, model, plain(4, 2), 0)


def modules_that_change() -> None:
    model = gru()
    run = compiled(model)
    equal(run, model, model, plain(4, 2), 0)
    model.inner.weight_hh = nn.Parameter(torch.randn(12, 4).double())
    equal(run, model, model, plain(4, 2), 0)
    model.inner = cells.LSTM(3, 4).double()
    equal(run, model, model, plain(4, 2), 0)
    model.inner.register_parameter("further", nn.Parameter(torch.randn(3).double()))
    equal(run, model, model, plain(4, 2), 0)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for p in other.parameters():
            p.mul_(2)
    equal(torch.compile(other, backend="aot_eager", fullgraph=True), other, other, plain(4, 2), 0)
    equal(run, model, model, plain(4, 2), 0)


def training_and_evaluation_by_turns() -> None:
    model = Pair(Stack(cells.GRU(3, 4), nn.Dropout(0.5))).double()
    run = compiled(model)
    for mode in (True, False, True):
        model.train(mode)
        equal(run, model, model, plain(4, 2), 0)


def parametrized_weights() -> None:
    for model, name in (
        (gru(), "weight_hh"),
        (Pair(ostinato.nn.GRU(3, 4)).double(), "weight_hh_l0"),
    ):
        nn.utils.parametrizations.weight_norm(model.inner, name)
        equal(compiled(model), model, model, plain(4, 2), 0)


def parameters_from_elsewhere() -> None:
    model, xs = gru(), x(4, 2)
    given = {name: (2 * p).detach().requires_grad_() for name, p in model.named_parameters()}

    def run(given: dict[str, Tensor], xs: Tensor) -> Any:
        return torch.func.functional_call(model, given, (xs,))

    made = [f(given, xs) for f in (compiled(run), run)]
    torch.testing.assert_close(*made)
    torch.testing.assert_close(*[gradients(m, [xs, *given.values()]) for m in made])


def torch_func() -> None:
    model, xs = gru(), x(4, 2).detach()
    given = dict(model.named_parameters())

    def loss(given: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(model, given, (xs,))[0].sum()

    grad = torch.func.grad(loss)
    torch.testing.assert_close(compiled(grad, fullgraph=False)(given), grad(given))


def trees_of_inputs_and_states() -> None:
    class Two(ostinato.Cell):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Linear(5, 4)

        def forward(self, x: Any, state: Any) -> Any:
            new = torch.tanh(self.mix(torch.cat([x["a"], x["b"]], -1))) + state["h"]
            state = {"h": new, "count": state["count"] + 1}
            return {"y": new, "more": (state["count"],)}, state

        def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Any:
            made = torch.zeros(batch_size, 4, dtype=torch.float64, device=device)
            return {
                "h": made,
                "count": torch.zeros(batch_size, 1, dtype=torch.int64, device=device),
            }

    cell = Two().double()

    def run(xs: Any) -> Any:
        return ostinato.unroll(cell, xs, lengths=torch.tensor([3, 1]))

    xs = {"a": x(3, 2), "b": x(3, 2)[..., :2]}
    made = [f(xs) for f in (compiled(run), run)]
    torch.testing.assert_close(*made)
    to = [xs["a"], *cell.parameters()]
    torch.testing.assert_close(*[gradients(m, to) for m in made])


def embedded_tokens() -> None:
    cell = Stack(nn.Embedding(7, 3), cells.GRU(3, 4))
    xs = torch.randint(0, 7, (4, 2))
    run = compiled(lambda xs: ostinato.unroll(cell, xs))
    torch.testing.assert_close(run(xs), ostinato.unroll(cell, xs))


def changes_in_place_around_it() -> None:
    cell = cells.GRU(3, 4).double()

    class InPlace(nn.Module):
        def __init__(self, place: bool) -> None:
            super().__init__()
            self.cell, self.place = cell, place

        def forward(self, xs: Tensor) -> Any:
            ys, state = ostinato.unroll(self.cell, xs.sin())
            if self.place:
                ys += 1
                return ys.relu_() * 2, state.cos_()
            return (ys + 1).relu() * 2, state.cos()

    model, twin = InPlace(True), InPlace(False)
    equal(compiled(model), model, twin, plain(4, 2), 0)
    model, xs = gru(), x(4, 2)
    loss = compiled(model)(xs)[0].sum()
    with torch.no_grad():
        model.inner.weight_hh.add_(1)
    expect(RuntimeError, "modified by an inplace operation", loss.backward)


def graphs_are_kept_and_freed() -> None:
    known = set(request.REQUESTS)
    model, xs = gru(), x(4, 2)
    run = compiled(model)
    loss = run(xs)[0].sum()
    first = torch.autograd.grad(loss, xs, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(loss, xs), first)
    del loss, first
    made = run(xs)
    assert len(operator.SAVED) == 1
    del made
    assert not operator.SAVED
    torch._dynamo.reset()
    del model, run
    gc.collect()
    assert set(request.REQUESTS) <= known


def checkpoints_of_torch() -> None:
    class Inside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Pair(Stack(cells.GRU(3, 4), nn.Dropout(0.5), cells.GRU(4, 4)))

        def forward(self, xs: Tensor) -> Any:
            return checkpoint(self.inner, xs, use_reentrant=False)

    model = Inside().double()
    equal(compiled(model), model, model, plain(4, 2), 0)
    model = gru()
    run = compiled(model)
    for reentrant in (True, False):
        grads = []
        for f in (run, model):
            xs = x(4, 2).detach().fill_(0.3).requires_grad_()
            checkpoint(f, xs, use_reentrant=reentrant)[0].sum().backward()
            grads.append(xs.grad)
        torch.testing.assert_close(*grads)


def gradients_of_gradients() -> None:
    model, xs, found = gru(), x(4, 2), []
    for run in (compiled(model, backend="eager"), model):
        (grad,) = torch.autograd.grad(run(xs)[0].sum(), xs, create_graph=True)
        found.append(torch.autograd.grad(grad.square().sum(), xs))
    torch.testing.assert_close(*found)


def training_goes_the_same_way() -> None:
    models = [Pair(cells.LSTM(3, 4)).double()]
    models.append(copy.deepcopy(models[0]))
    runs = [compiled(models[0]), models[1]]
    for model, run in zip(models, runs, strict=True):
        optimiser = torch.optim.Adam(model.parameters(), 0.05)
        random = torch.Generator().manual_seed(0)
        for _ in range(10):
            optimiser.zero_grad()
            xs = torch.randn(5, 3, 3, generator=random).double()
            run(xs)[0].square().mean().backward()
            optimiser.step()
    torch.testing.assert_close(*[list(m.parameters()) for m in models])


def draws_are_drawn_each_time() -> None:
    model = Pair(Stack(nn.Dropout(0.5), cells.GRU(3, 4))).double()
    first, second = compiled(lambda xs: (model(xs)[0], model(xs)[0]))(x(4, 2))
    assert not torch.equal(first, second)


def a_shell_that_remembers() -> None:
    model = Single(Sequencer(cells.GRU(3, 4), remember="train")).double()
    twin, xs = copy.deepcopy(model), x(4, 2)
    run = compiled(model)

    def same() -> None:
        torch.testing.assert_close(run(xs), twin(xs))

    same()
    same()
    for one in (model, twin):
        one.inner.forget()
    same()
    state = h(2)
    for one in (model, twin):
        one.inner.state = state
    same()
    torch.testing.assert_close(model.inner.state, twin.inner.state)
    for one in (model, twin):
        one.eval()
    same()
    same()
    steps = Sequencer(cells.GRU(3, 4).double())
    torch.testing.assert_close(compiled(steps)(list(xs)), steps(list(xs)))


def a_stream_runs_outside_the_graph() -> None:
    one = Recursor(cells.GRU(3, 4))
    two = Recursor(one.cell)
    run = compiled(one, fullgraph=False)
    with torch.no_grad():
        for step in torch.randn(4, 2, 3):
            torch.testing.assert_close(run(step), two(step))


def lengths_beside_it() -> None:
    cell, xs, lengths = cells.GRU(3, 4).double(), x(4, 2), ends(4, 2)

    def run(xs: Tensor, lengths: Tensor) -> Any:
        ys, _ = ostinato.unroll(cell, xs, lengths=lengths)
        return ostinato.last(ys, lengths), ostinato.reverse(xs, lengths)

    torch.testing.assert_close(compiled(run)(xs, lengths), run(xs, lengths))
    late = compiled(lambda xs: ostinato.last(xs, lengths + 9))
    expect(RuntimeError, "lengths: wanted", lambda: late(xs))


def a_block_that_names_a_backend() -> None:
    model = gru()
    run = compiled(model)
    with ostinato.backend("eager"):
        equal(run, model, model, plain(4, 2), 0)


def gradients_to_tensors_from_elsewhere() -> None:
    outer = torch.ones(4, dtype=torch.float64, requires_grad=True)

    class Scaled(cells.GRU):
        def forward(self, x: Tensor, state: Tensor) -> Any:
            y, state = super().forward(x, state)
            return y * outer, state

    model, xs = Pair(Scaled(3, 4)).double(), x(4, 2)
    made = [f(xs) for f in (compiled(model, fullgraph=False), model)]
    torch.testing.assert_close(*[gradients(m, [xs, outer]) for m in made])
    assert "tensors that are not its own" in str(torch._dynamo.utils.counters["graph_break"])


def compiled_autograd() -> None:
    model, grads = gru(), []
    xs = x(4, 2)
    with torch._dynamo.config.patch(compiled_autograd=True):
        for run in (compiled(model), model):
            xs.grad = None
            run(xs)[0].square().sum().backward()
            grads.append(xs.grad)
    torch.testing.assert_close(*grads)


CASES = {
    name: case
    for name, case in list(globals().items())
    if getattr(case, "__module__", "") == __name__
    and getattr(case, "__annotations__", None) == {"return": "None"}
}


def main(names: list[str]) -> None:
    """Print a line for each case that fails, and how many held."""
    held = 0
    for name in names or CASES:
        torch.manual_seed(0)
        try:
            CASES[name]()
            held += 1
        except Exception as error:
            print(f"{name}: {error!r}"[:1000])
    print(f"{held} hold")


if __name__ == "__main__":
    main(sys.argv[1:])
