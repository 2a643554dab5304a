"""How the compiler is called: subsets of gradients, layouts, threads, forks, swapped weights."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading

import pytest
import torch
from compare import assert_equal, results
from steps import Step
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import ostinato
from ostinato import cells
from ostinato.errors import BackendError


def sequence(*size: int, grad: bool = True) -> Tensor:
    torch.manual_seed(5)
    return torch.randn(*size, dtype=torch.float64, requires_grad=grad)


@pytest.mark.parametrize("wanted", [(), ("weight_hh",), ("weight_ih", "bias_hh"), ("bias_ih",)])
def test_any_subset_of_gradients(wanted: tuple[str, ...]) -> None:
    cell = cells.GRU(5, 7).double()
    for name, p in cell.named_parameters():
        p.requires_grad_(name in wanted)
    assert_equal(cell, sequence(6, 4, 5))
    assert_equal(cell, sequence(6, 4, 5, grad=False))
    assert_equal(cell, sequence(6, 4, 5, grad=False), torch.randn(4, 7).double().requires_grad_())


def test_layouts_of_memory() -> None:
    cell = cells.LSTM(5, 7).double()
    assert_equal(cell, sequence(4, 6, 5).transpose(0, 1))
    assert_equal(cell, sequence(6, 4, 9)[:, :, 2:7])
    assert_equal(cell, sequence(6, 8, 5)[:, ::2])
    assert_equal(cell, sequence(1, 1, 5).expand(6, 4, 5))


def test_ys_are_contiguous_and_free_to_change() -> None:
    cell = cells.LSTM(5, 7)
    ys, _ = ostinato.unroll(cell, torch.randn(6, 4, 5), backend="fused")
    assert ys.is_contiguous()
    ys.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        ys.sum().backward()


@pytest.mark.parametrize("grad", [True, False])
def test_the_same_values_twice_are_two_tensors(grad: bool) -> None:
    class Twice(cells.Elman):
        def forward(self, x: Tensor, state: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
            y, state = super().forward(x, state)
            return (y, y), state

    cell, xs = Twice(5, 7).double(), sequence(6, 4, 5, grad=grad)
    assert_equal(cell, xs)
    with torch.set_grad_enabled(grad):
        (one, two), _ = ostinato.unroll(cell, xs, backend="fused")
    before = two.detach().clone()
    one.detach().zero_()
    assert torch.equal(two, before)


def test_backward_twice() -> None:
    cell = cells.LSTM(5, 7).double()
    xs = sequence(6, 4, 5)
    ys, _ = ostinato.unroll(cell, xs, backend="fused")
    first = torch.autograd.grad(ys.sum(), [xs, *cell.parameters()], retain_graph=True)
    second = torch.autograd.grad(ys.sum(), [xs, *cell.parameters()])
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("options", [{}, {"lengths": [3, 0, 4]}, {"reverse": True}])
def test_gradients_of_gradients(options: dict[str, object]) -> None:
    cell = cells.GRU(3, 4).double()
    xs = sequence(4, 3, 3)
    found = []
    for backend in ("eager", "fused"):
        ys, state = ostinato.unroll(cell, xs, backend=backend, **options)
        leaves = [xs, *cell.parameters()]
        first = torch.autograd.grad((ys.sin().sum() + state.sum()), leaves, create_graph=True)
        found.append(torch.autograd.grad(sum(g.square().sum() for g in first), leaves))
    for want, got in zip(*found, strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-10)


def test_a_step_that_changes_the_cell_is_refused() -> None:
    def step(p: Step, x: Tensor, h: Tensor) -> Tensor:
        p.calls = getattr(p, "calls", 0) + 1
        return h + x

    with pytest.raises(BackendError, match=r"changes Step\.calls"):
        ostinato.unroll(Step(step), torch.randn(3, 2, 6), backend="fused")


def test_changed_weights_are_seen() -> None:
    cell = cells.GRU(5, 7).double()
    xs = sequence(6, 4, 5)
    assert_equal(cell, xs)
    with torch.no_grad():
        cell.weight_hh.mul_(0.5)
    assert_equal(cell, xs)
    cell.weight_ih = nn.Parameter(torch.randn(21, 5, dtype=torch.float64))
    assert_equal(cell, xs)


def test_changed_attributes_are_seen() -> None:
    cell = ostinato.Zoneout(cells.GRU(5, 7), 0.3).eval().double()
    assert_equal(cell, sequence(6, 4, 5))
    cell.p = (0.6,)
    assert_equal(cell, sequence(6, 4, 5))


def test_parametrised_weights() -> None:
    cell = parametrizations.weight_norm(cells.GRU(5, 7), "weight_hh").double()
    assert_equal(cell, sequence(6, 4, 5))


@pytest.mark.parametrize("training", [True, False])
def test_weight_drop(training: bool) -> None:
    cell = ostinato.WeightDrop(cells.LSTM(5, 7), 0.4).double().train(training)
    assert_equal(cell, sequence(6, 4, 5))
    assert_equal(cell, sequence(6, 4, 5), lengths=[2, 6, 0, 5])


def test_learned_state_and_stack() -> None:
    layers = (cells.LSTM(5, 7), nn.Linear(7, 6), ostinato.LearnedState(cells.GRU(6, 7)))
    cell = ostinato.Stack(*layers)
    with torch.random.fork_rng():
        outs = []
        for backend in ("eager", "auto"):
            cell = cell.double()
            cell.zero_grad()
            ys, _ = ostinato.unroll(cell, sequence(6, 4, 5), backend=backend)
            ys.cos().sum().backward()
            outs.append([ys, *(p.grad for p in cell.parameters())])
    for a, b in zip(*outs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


def test_zoneout_in_training_draws_anew() -> None:
    torch.manual_seed(0)
    cell = ostinato.EmitState(ostinato.Zoneout(cells.Elman(5, 64), 0.25)).double()
    xs = sequence(40, 8, 5)
    (_, ys), _ = ostinato.unroll(cell, xs, backend="fused")
    before = torch.cat([torch.zeros(1, 8, 64, dtype=torch.float64), ys[:-1]])
    kept = (ys == before).double().mean().item()
    assert abs(kept - 0.25) < 0.02
    ys.sum().backward()
    (_, again), _ = ostinato.unroll(cell, xs, backend="fused")
    assert not torch.equal(ys, again)


def test_not_a_number_goes_where_it_goes_in_eager() -> None:
    for cell in (cells.LSTM(5, 7), cells.GRU(5, 7), cells.LSTM(5, 7, layer_norm=True)):
        cell.double()
        xs = sequence(6, 4, 5, grad=False)
        xs[2, 1, 3], xs[3, 0, 0], xs[1, 2, 1] = float("nan"), float("inf"), -float("inf")
        assert_equal(cell, xs.requires_grad_())


def test_masked_nan_has_no_influence() -> None:
    cell = cells.LSTM(5, 7).double()
    xs = sequence(6, 4, 5, grad=False)
    xs[4:, 1] = float("nan")
    found = results(cell, xs.requires_grad_(), None, "fused", lengths=[6, 4, 0, 2])
    assert all(t.isfinite().all() for t in found.values())


def test_several_python_threads() -> None:
    cell = cells.LSTM(5, 32).double()
    xs = [sequence(20, 8, 5, grad=False) + i for i in range(4)]
    wanted = [ostinato.unroll(cell, x, backend="eager")[0] for x in xs]
    got: dict[int, Tensor] = {}

    def work(i: int) -> None:
        for _ in range(20):
            got[i] = ostinato.unroll(cell, xs[i], backend="fused")[0]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, want in enumerate(wanted):
        torch.testing.assert_close(got[i], want, rtol=0, atol=1e-12)


def in_child(queue: multiprocessing.Queue) -> None:
    torch.set_num_threads(1)
    cell = cells.LSTM(5, 7)
    ys, _ = ostinato.unroll(cell, torch.ones(6, 4, 5), backend="fused")
    ys.sum().backward()
    queue.put(ys.shape)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_after_fork() -> None:
    ostinato.unroll(cells.LSTM(5, 7), torch.ones(6, 4, 5), backend="fused")
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == (6, 4, 7)
    child.join()


REFUSED = {
    "sum over the batch": (
        lambda p, x, h: h + x.sum(0),
        "aten.sum.dim_IntList acts across the rows",
    ),
    "branch": (lambda p, x, h: h if x.sum() > 0 else -h, "Python value is read"),
    "batch size": (lambda p, x, h: h / x.shape[0], "computes with the batch size"),
    "unknown": (lambda p, x, h: torch.cumsum(h, -1), "aten.cumsum.default is not an operation"),
    "in place on state": (lambda p, x, h: h.mul_(2), "did not make"),
    "stale view": (lambda p, x, h: stale(h), "through another view"),
    "rows by rows": (lambda p, x, h: (h @ h.t()) @ h, "aten.t.default"),
    "double": (lambda p, x, h: (h.double() * 2).to(h.dtype), "gives torch.float64"),
}


def stale(h: Tensor) -> Tensor:
    a = h * 2
    a[:, :3].mul_(2)
    return a + 1


@pytest.mark.parametrize("name", list(REFUSED))
def test_refused_with_the_op_and_the_line(name: str) -> None:
    function, words = REFUSED[name]
    cell = Step(function, w=(1,))
    with pytest.raises(BackendError, match=words) as error:
        ostinato.unroll(cell, torch.randn(3, 2, 6), backend="fused")
    assert "test_calls.py" in str(error.value)


def test_context_that_is_refused() -> None:
    cell, xs = cells.LSTM(5, 7), torch.randn(3, 2, 5)
    with torch.autocast("cpu"), pytest.raises(BackendError, match="autocast"):
        ostinato.unroll(cell, xs, backend="fused")
    cell.register_forward_hook(lambda *_: None)
    with pytest.raises(BackendError, match="hooks"):
        ostinato.unroll(cell, xs, backend="fused")


def test_run_again_from_within_a_backward() -> None:
    """A hook of a gradient trains another sequence while the first backward is under way."""
    cell, xs = cells.LSTM(3, 5, dtype=torch.float64), sequence(6, 2, 3)
    inner: list[Tensor] = []

    def hook(grad: Tensor) -> None:
        with torch.enable_grad():
            ys, _ = ostinato.unroll(cell, xs.detach(), backend="fused")
            inner.extend(torch.autograd.grad(ys.sum(), list(cell.parameters())))

    def outer(hooked: bool) -> list[Tensor]:
        ys, state = ostinato.unroll(cell, xs, backend="fused")
        if hooked:
            ys.register_hook(hook)
        more, _ = ostinato.unroll(cell, xs, state, backend="fused")
        loss = ys.square().sum() + more.sum()
        return [*torch.autograd.grad(loss, [xs, *cell.parameters()])]

    for plain, hooked in zip(outer(False), outer(True), strict=True):
        assert torch.equal(plain, hooked)
    ys, _ = ostinato.unroll(cell, xs.detach(), backend="fused")
    for want, got in zip(
        torch.autograd.grad(ys.sum(), list(cell.parameters())), inner, strict=True
    ):
        assert torch.equal(want, got)


def test_two_processes_give_the_same_bits() -> None:
    code = (
        "import torch, ostinato; torch.manual_seed(0); torch.set_num_threads(2)\n"
        "cell = ostinato.cells.LSTM(64, 160); xs = torch.randn(40, 16, 64)\n"
        "ys, _ = ostinato.unroll(cell, xs, backend='fused'); ys.square().sum().backward()\n"
        "print([float(p.grad.double().abs().sum()).hex() for p in cell.parameters()])"
    )
    run = [sys.executable, "-c", code]
    first, second = (subprocess.run(run, capture_output=True, text=True, check=True) for _ in "ab")
    assert first.stdout.startswith("['0x")
    assert first.stdout == second.stdout


@pytest.mark.parametrize("backend", ["fused", "eager"])
@pytest.mark.parametrize("twice", [False, True])
def test_hooks_of_weights_run_once(backend: str, twice: bool) -> None:
    cell, seen = cells.GRU(3, 5).double(), list[Tensor]()
    cell.weight_hh.register_hook(seen.append)
    ys, _ = ostinato.unroll(cell, sequence(4, 2, 3), backend=backend)
    torch.autograd.grad(ys.sum(), list(cell.parameters()), create_graph=twice)
    assert len(seen) == 1
