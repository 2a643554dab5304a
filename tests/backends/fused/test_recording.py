"""What a recording sees and refuses, and that nobody else sees it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from compare import assert_equal
from steps import Step
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

import ostinato
from ostinato import Cell, cells
from ostinato.errors import BackendError


class Spike(torch.autograd.Function):
    """A step, with the slope of a sigmoid."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return g * s * (1 - s)


class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return -g


def hooked(t: Tensor) -> Tensor:
    t = t * 1
    if t.requires_grad:
        t.register_hook(lambda g: g * 2)
    return t


def swapped_in(t: Tensor) -> Tensor:
    made = t * 0
    made.data = t.detach().tanh()
    return made


def filled(p: Step, x: Tensor, h: Tensor) -> Tensor:
    torch.add(p.b.detach(), 1.0, out=p.seen)
    return torch.tanh(x + h + p.seen)


REFUSED: dict[str, tuple[Callable[[Step, Tensor, Tensor], Any], str]] = {
    "a surrogate slope": (lambda p, x, h: Spike.apply(x + h), "Spike"),
    "reversed gradient": (lambda p, x, h: torch.tanh(Reversal.apply(x) + h), "Reversal"),
    "on parameters alone": (lambda p, x, h: torch.tanh(x + h + Reversal.apply(p.b)), "Reversal"),
    "reentrant checkpoint": (
        lambda p, x, h: torch.tanh(x + checkpoint(torch.sin, h, use_reentrant=True)), "Checkpoint"
    ),
    "a hook on a tensor": (lambda p, x, h: torch.tanh(hooked(x + h)), "register_hook"),
    "autograd inside": (
        lambda p, x, h: h + torch.autograd.grad((x * h).sum(), h)[0] if h.requires_grad else h + x,
        "autograd inside the step",
    ),
    "numpy": (lambda p, x, h: h + torch.from_numpy(np.tanh(x.detach().numpy())), "by numpy"),
    "tolist": (lambda p, x, h: h + torch.tensor(x.detach().tolist()), "by tolist"),
    "a number": (lambda p, x, h: h + x * h.detach().abs().max().item(), "Python value"),
    "equal": (lambda p, x, h: h + x if torch.equal(x, h) else h - x, "Python value"),
    "a set of data": (lambda p, x, h: h + swapped_in(x), "sets data"),
    "noise of numpy": (lambda p, x, h: h + x * np.random.rand(), "NumPy"),
    "noise of python": (lambda p, x, h: h + x * random.random(), "Python's"),
    "noise of a parameter's size": (
        lambda p, x, h: torch.tanh(x + h * torch.randn_like(p.b)), "that all rows share"
    ),
    "a permutation": (lambda p, x, h: torch.tanh(x + h[:, torch.randperm(6)]), "all rows share"),
    "a generator": (
        lambda p, x, h: torch.tanh(x + h + torch.randn(h.shape, generator=torch.Generator())),
        "generator of its own",
    ),
    "integers": (lambda p, x, h: h + x * torch.randint(2, h.shape), "aten.randint"),
    "out": (lambda p, x, h: torch.tanh(torch.add(x, h, out=torch.empty_like(h.detach()))),
            "fails on a small batch|that it is given"),
    "out of a buffer": (filled, r"aten.add.out changes seen of the cell \(Step\) in place"),
    "a stack of parameters": (lambda p, x, h: h + torch.stack([p.b] * x.shape[0]) * x, ""),
    "decimals": (lambda p, x, h: torch.tanh(x + torch.round(h, decimals=1)), "aten.round"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
@pytest.mark.filterwarnings("ignore")
def test_refused_in_words(name: str) -> None:
    function, words = REFUSED[name]
    cell = Step(function, b=(6,))
    cell.register_buffer("seen", torch.zeros(6))
    xs = torch.randn(4, 3, 6, requires_grad=True)
    with pytest.raises(BackendError) as caught:
        ostinato.unroll(cell, xs, backend="fused")
    assert re.search(words, str(caught.value)), caught.value
    assert "fault of ours" not in str(caught.value), caught.value


@pytest.mark.parametrize("name", list(REFUSED))
@pytest.mark.filterwarnings("ignore")
def test_auto_gives_what_the_loop_gives(name: str) -> None:
    cell = Step(REFUSED[name][0], b=(6,))
    cell.register_buffer("seen", torch.zeros(6))
    found = []
    for backend in ("eager", "auto", "auto"):
        xs = torch.linspace(-1, 1, 72).view(4, 3, 6).requires_grad_()
        for seed in (torch.manual_seed, random.seed, np.random.seed):
            seed(3)
        try:
            ys, _ = ostinato.unroll(cell, xs, backend=backend)
        except Exception as error:  # the loop cannot run it either
            found.append(type(error))
            continue
        if ys.requires_grad:
            ys.square().sum().backward()
        found.append((ys.detach(), xs.grad))
    for one in found[1:]:
        if isinstance(one, type):
            assert one is found[0]
        else:
            torch.testing.assert_close(one, found[0])


ACCEPTED: dict[str, Callable[[Step, Tensor, Tensor], Any]] = {
    "data": lambda p, x, h: torch.tanh(x + h) * h.data,
    "cosine similarity": lambda p, x, h: torch.tanh(x + h * F.cosine_similarity(x, h)[:, None]),
    "behind autograd": lambda p, x, h: torch.tanh(limited(x + h)),
    "checkpoint": lambda p, x, h: torch.tanh(x + checkpoint(torch.sin, h, use_reentrant=False)),
    "round": lambda p, x, h: torch.tanh(x + h + (h.round() - h).detach()),
    "power of zero": lambda p, x, h: torch.tanh(x + h**0 * h),
}


def limited(t: Tensor) -> Tensor:
    t = t * 1
    with torch.no_grad():
        t.clamp_(-0.2, 0.2)
    return t


@pytest.mark.parametrize("name", list(ACCEPTED))
def test_accepted(name: str) -> None:
    cell = Step(ACCEPTED[name]).double()
    xs = torch.randn(4, 3, 6, dtype=torch.float64, requires_grad=True)
    assert_equal(cell, xs, torch.randn(3, 6, dtype=torch.float64, requires_grad=True))


NOISE: dict[str, Callable[[Tensor], Tensor]] = {
    "bernoulli of a tensor": lambda p: torch.bernoulli(p),
    "bernoulli": lambda p: torch.empty_like(p).bernoulli_(0.8),
    "bernoulli of a tensor in place": lambda p: torch.empty_like(p).bernoulli_(p),
    "Bernoulli": lambda p: Bernoulli(p, validate_args=False).sample(),
    "normal of a tensor": lambda p: torch.normal(p, 0.1),
    "normal of two tensors": lambda p: torch.normal(p, p),
    "normal of numbers": lambda p: torch.normal(0.8, 0.1, p.shape),
    "normal in place": lambda p: torch.empty_like(p).normal_(0.8, 0.1),
    "Normal": lambda p: Normal(p, 0.1, validate_args=False).sample(),
    "exponential": lambda p: torch.empty_like(p).exponential_(1.25),
    "uniform": lambda p: torch.empty_like(p).uniform_(0.6, 1.0),
    "rand_like": lambda p: torch.rand_like(p) + 0.3,
    "dropout": lambda p: F.dropout(p, 0.5, training=True),
}  # fmt: skip


@pytest.mark.parametrize("name", list(NOISE))
def test_noise_has_the_right_mean(name: str) -> None:
    class Noisy(Step):
        """y is the noise of p = 0.8; the state stands still."""

    cell = Noisy(lambda p, x, h: (NOISE[name](torch.full_like(h, 0.8) + 0 * x), h + 0 * x))
    torch.manual_seed(0)
    ys, _ = ostinato.unroll(cell, torch.zeros(2000, 3, 6), backend="fused")
    # the deviation of the mean of 36,000 numbers, of deviation 1 at most, is 0.005
    assert abs(float(ys.mean()) - 0.8) < 0.03
    assert not torch.equal(ys[0], ys[1])


def test_attributes_are_as_before_a_refusal() -> None:
    class Counting(cells.GRU):
        calls = 0

        def forward(self, x: Tensor, state: Any) -> Any:
            self.calls += 1
            self.log.append(self.calls)
            return super().forward(x, state)

    cell = Counting(3, 4)
    cell.log = []
    for call in range(1, 4):
        ostinato.unroll(cell, torch.randn(5, 2, 3))
        assert cell.calls == 5 * call
        assert cell.log == list(range(1, 5 * call + 1))


def test_a_buffer_that_the_step_replaces() -> None:
    class Clock(cells.Elman):
        def __init__(self) -> None:
            super().__init__(3, 4)
            self.register_buffer("t", torch.zeros(()))

        def forward(self, x: Tensor, state: Any) -> Any:
            self.t = self.t + 1
            y, state = super().forward(x, state)
            return y * self.t, state

    one, other = Clock(), Clock()
    other.load_state_dict(one.state_dict())
    xs = torch.randn(5, 2, 3)
    for _ in range(2):
        want, _ = ostinato.unroll(one, xs, backend="eager")
        torch.testing.assert_close(ostinato.unroll(other, xs)[0], want)
        assert torch.equal(one.t, other.t)
    with pytest.raises(BackendError, match=r"changes Clock\.t"):
        ostinato.unroll(other, xs, backend="fused")


def test_spectral_norm_goes_on_at_every_step() -> None:
    cell = cells.Elman(3, 4)
    parametrizations.spectral_norm(cell, "weight_hh")
    state = {name: value.clone() for name, value in cell.state_dict().items()}
    xs, found = torch.randn(5, 2, 3), []
    for backend in ("eager", "auto"):
        cell.load_state_dict(state)
        found.append(ostinato.unroll(cell, xs, backend=backend)[0].detach())
    torch.testing.assert_close(*found)


def test_a_refused_step_is_not_looked_at_again() -> None:
    looks: list[int] = []

    def step(p: Step, x: Tensor, h: Tensor) -> Tensor:
        looks.append(x.shape[0])
        p.calls = getattr(p, "calls", 0) + 1
        return torch.tanh(x + h)

    cell, xs = Step(step), torch.randn(4, 3, 6)
    for _ in range(4):
        ostinato.unroll(cell, xs)
    # two or three calls look, with batches of their own; from then on there is the loop alone
    assert looks[-8:] == [3] * 8


def test_recording_leaves_all_random_numbers_alone() -> None:
    def step(p: Step, x: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(x + h + torch.rand_like(h))

    cell, xs = Step(step), torch.zeros(0, 3, 6)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    ostinato.explain(cell, torch.zeros(2, 3, 6))
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (random.getstate(), np.random.get_state()[1].tolist())
    assert ostinato.unroll(cell, xs)[0].shape == (0, 3, 6)


def fresh_cell() -> Cell:
    """A cell of a kind that has not been recorded."""
    sizes = iter(range(7, 1000))
    fresh_cell.__dict__.setdefault("sizes", sizes)
    return cells.MGU(3, next(fresh_cell.__dict__["sizes"]))


def test_under_saved_tensor_hooks() -> None:
    cell, xs = fresh_cell(), torch.randn(5, 2, 3, requires_grad=True)
    ys = checkpoint(
        lambda xs: ostinato.unroll(cell, xs, backend="fused")[0], xs, use_reentrant=False
    )
    ys.sum().backward()
    packed: list[Tensor] = []

    def pack(t: Tensor) -> Tensor:
        packed.append(t)
        return t

    counts = []
    cell = fresh_cell()
    for _ in range(2):
        packed.clear()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            ostinato.unroll(cell, xs, backend="fused")
        counts.append(len(packed))
    assert counts[0] == counts[1]


def test_first_use_in_inference_mode() -> None:
    cell, xs = fresh_cell(), torch.randn(5, 2, 3, requires_grad=True)
    with torch.inference_mode():
        ostinato.unroll(cell, xs, backend="fused")
    ys, _ = ostinato.unroll(cell, xs, backend="fused")
    ys.sum().backward()


def test_first_use_under_a_dispatch_mode() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Log(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    cell, xs = fresh_cell(), torch.randn(5, 2, 3)
    found: list[list[str]] = []
    for _ in range(2):
        seen: list[str] = []
        with Log():
            ostinato.unroll(cell, xs, backend="fused")
        found.append(seen)
    assert found[0] == found[1]


def test_first_use_under_a_profiler() -> None:
    cell, xs = fresh_cell(), torch.randn(5, 2, 3)
    counts = []
    for _ in range(2):
        with torch.profiler.profile() as profile:
            ostinato.unroll(cell, xs, backend="fused")
        counts.append({event.key for event in profile.key_averages()})
    assert counts[0] == counts[1]


MESSAGES: dict[str, tuple[Callable[[], Cell], Tensor, str]] = {
    "numbers of words": (lambda: cells.GRU(3, 4), torch.ones(4, 2, 3, dtype=torch.int64),
                         r"torch\.nn\.Embedding"),
    "batch norm": (lambda: cells.BatchNormLSTM(3, 4), torch.randn(4, 2, 3), "batch norm"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(MESSAGES))
def test_messages(name: str) -> None:
    make, xs, words = MESSAGES[name]
    with pytest.raises((BackendError, TypeError), match=words):
        ostinato.unroll(make(), xs, backend="fused")


def test_a_module_that_is_no_part_of_the_cell() -> None:
    hidden: dict[int, nn.Module] = {0: nn.Linear(6, 6)}

    class Elsewhere:
        """Gives a module, from where nobody would look."""

        __slots__ = ()

        def __call__(self, t: Tensor) -> Tensor:
            return hidden[0](t)

    found = Elsewhere()
    cell = Step(lambda p, x, h: torch.tanh(x + found(h)))
    xs = torch.randn(4, 3, 6)
    want, _ = ostinato.unroll(cell, xs, backend="eager")
    torch.testing.assert_close(ostinato.unroll(cell, xs)[0], want)
    hidden[0] = nn.Linear(6, 6)
    want, _ = ostinato.unroll(cell, xs, backend="eager")
    torch.testing.assert_close(ostinato.unroll(cell, xs)[0], want)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_a_scripted_step() -> None:
    scripted = torch.jit.script(mixed)
    cell, xs = Step(lambda p, x, h: torch.tanh(scripted(x, h))), torch.randn(4, 3, 6)
    want, _ = ostinato.unroll(cell, xs, backend="eager")
    for _ in range(3):
        torch.testing.assert_close(ostinato.unroll(cell, xs)[0], want)


def mixed(x: Tensor, h: Tensor) -> Tensor:
    return x * torch.sigmoid(h) + h
