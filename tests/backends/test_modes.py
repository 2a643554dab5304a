"""Calls within torch's other ways to look at a model: traces, fake tensors, profiles, counters."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.profiler import ProfilerActivity
from torch.profiler import profile as torch_profile
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import ostinato
from ostinato import BiSequencer, Recursor, Sequencer, Stack, cells
from ostinato.errors import BackendError


class Unrolled(nn.Module):
    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, xs: Tensor) -> Tensor:
        return ostinato.unroll(self.cell, xs)[0]


MODELS: dict[str, Callable[[], nn.Module]] = {
    "GRU": lambda: Unrolled(cells.GRU(3, 4)),
    "layer norm": lambda: Unrolled(cells.LSTM(3, 4, layer_norm=True)),
    "stack": lambda: Unrolled(Stack(nn.Linear(3, 4), cells.LSTM(4, 4))),
    "drop-in": lambda: ostinato.nn.LSTM(3, 4, 2, bidirectional=True),
    "sequencer": lambda: Sequencer(cells.MGU(3, 4)),
    "bisequencer": lambda: BiSequencer(cells.GRU(3, 4), cells.GRU(3, 4)),
}
each = pytest.mark.parametrize("name", list(MODELS))
KERNELS = ("GRU", "stack", "drop-in", "bisequencer")
"""Those that torch's own kernels run, of which a trace holds for any length."""


def output(made: Any) -> Tensor:
    return made[0] if isinstance(made, tuple) else made


def gradients(run: Any, xs: Tensor, model: nn.Module) -> tuple[Tensor, ...]:
    xs = xs.clone().requires_grad_()
    return torch.autograd.grad(output(run(xs)).square().sum(), [xs, *model.parameters()])


@each
def test_trace_with_gradients(name: str) -> None:
    model, xs = MODELS[name]().double(), torch.randn(5, 2, 3, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch: traces are on their way out, sizes are fixed
        traced = torch.jit.trace(model, xs)
        other = torch.randn_like(xs)
        torch.testing.assert_close(traced(other), model(other))
        torch.testing.assert_close(gradients(traced, other, model), gradients(model, other, model))
        if name in KERNELS:
            longer = torch.randn(7, 3, 3, dtype=torch.float64)
            torch.testing.assert_close(output(traced(longer)), output(model(longer)))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@each
def test_script_is_refused_in_words(name: str) -> None:
    for model in (MODELS[name](), nn.Sequential(MODELS[name]())):
        with pytest.raises(BackendError, match=r"torch\.jit\.script: .* Use torch\.export"):
            torch.jit.script(model)


def test_trace_of_a_stream() -> None:
    stream, x = Recursor(cells.GRU(3, 4)), torch.randn(2, 3)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(stream, x, check_trace=False)
        torch.testing.assert_close(traced(x), Recursor(stream.cell)(x))


@each
def test_fake_tensors(name: str) -> None:
    want = output(MODELS[name]()(torch.randn(5, 2, 3)))
    with warnings.catch_warnings(), FakeTensorMode():
        warnings.simplefilter("ignore")  # torch asks a fake tensor for its address when it prints
        model = MODELS[name]()
        ys = output(model(torch.randn(5, 2, 3)))
        ys.sum().backward()
    assert isinstance(ys, FakeTensor)
    assert (ys.shape, ys.dtype) == (want.shape, want.dtype)
    assert all(isinstance(p.grad, FakeTensor) for p in model.parameters())


@each
def test_checkpoint(name: str) -> None:
    model, xs = MODELS[name]().double(), torch.randn(5, 2, 3, dtype=torch.float64)
    want = gradients(model, xs, model)
    for reentrant in (True, False):
        leaf = xs.clone().requires_grad_()
        model.zero_grad()
        output(checkpoint(model, leaf, use_reentrant=reentrant)).square().sum().backward()
        torch.testing.assert_close((leaf.grad, *(p.grad for p in model.parameters())), want)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's jvp uses it
@each
def test_transforms(name: str) -> None:
    model, xs = MODELS[name]().double(), torch.randn(4, 2, 3, dtype=torch.float64)
    held = dict(model.named_parameters())

    def loss(held: dict[str, Tensor], xs: Tensor) -> Tensor:
        return output(torch.func.functional_call(model, held, (xs,))).square().sum()

    grads = torch.func.grad(loss)(held, xs)
    want = gradients(model, xs, model)[1:]
    torch.testing.assert_close(tuple(grads.values()), want)
    rows = torch.func.vmap(lambda row: loss(held, row[:, None]), in_dims=1)(xs)
    torch.testing.assert_close(rows.sum(), loss(held, xs))
    _, slope = torch.func.jvp(lambda xs: loss(held, xs), (xs,), (xs,))
    torch.testing.assert_close(slope, (gradients(model, xs, model)[0] * xs).sum())


def shown(model: nn.Module, xs: Tensor) -> list[str]:
    """What a profile of a training step shows of ours."""
    with torch_profile(activities=[ProfilerActivity.CPU]) as found:
        output(model(xs)).sum().backward()
    return [e.key for e in found.key_averages() if e.key.startswith("ostinato::")]


def test_profiles_show_each_cell_with_its_arithmetic() -> None:
    xs = torch.randn(5, 2, 3, requires_grad=True)
    # products [B, 3] and [B, 4] with three gates of four units, at T * B rows
    count = 2 * (3 + 4) * 12 * 10
    assert shown(MODELS["GRU"](), xs) == [
        f"ostinato::GRU, {count:,} FLOPs",
        f"ostinato::GRU backward, {2 * count:,} FLOPs",
    ]
    found = shown(MODELS["stack"](), xs)
    assert [name.split(",")[0] for name in found] == ["ostinato::LSTM", "ostinato::LSTM backward"]


@each
def test_flops_are_counted(name: str) -> None:
    model, xs, counts = MODELS[name](), torch.randn(5, 2, 3, requires_grad=True), []
    for backend in ("auto", "eager"):
        with ostinato.backend(backend), FlopCounterMode(display=False) as counter:
            output(model(xs)).sum().backward()
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0
