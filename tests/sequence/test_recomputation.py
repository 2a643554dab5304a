"""``unroll(checkpoint=k)`` equals the plain run, and keeps no more than it says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call
from torch.nn.utils import parametrizations

import ostinato
from catalogue import ENTRIES, Entry, I, gru, lstm
from ostinato import BiSequencer, LearnedState, Sequencer, Stack, Zoneout, _tree, unroll
from ostinato.backends.fused.run import execute
from ostinato.cell import Cell, zeros
from ostinato.errors import ArgumentError, BackendError
from ostinato.typing import State, Tree

STEPS, BATCH = 7, 3
LENGTHS = (1, 3, STEPS, STEPS + 5)
RAGGED = torch.tensor([[1, 0, 0], [0, 0, 1], [1, 0, 1], [1, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 1]])
OPTIONS: dict[str, dict[str, Any]] = {
    "reverse": {"reverse": True},
    "lengths": {"lengths": [4, 0, 7]},
    "lengths reverse": {"lengths": [2, 7, 0], "reverse": True},
    "mask": {"mask": RAGGED.bool()},
    "resets": {"resets": RAGGED.bool()},
    "all": {"mask": RAGGED.bool(), "resets": RAGGED.roll(1).bool(), "reverse": True},
}


def floats(tree: Tree) -> list[Tensor]:
    return [t for t in _tree.leaves(tree) if t.is_floating_point()]


def run(
    cell: nn.Module, xs: Tree, state: State, weighted: Callable[[Tensor], Tensor], **options: Any
) -> list[Tensor]:
    """Values, last state, and gradients of xs, of the given state and of all parameters."""
    torch.manual_seed(5)
    ys, after = unroll(cell, xs, state, **options)
    outs = [t for t in (*floats(ys), *floats(after)) if t.requires_grad]
    given = () if state is None else state
    leaves = [t for t in (*floats(xs), *floats(given), *cell.parameters()) if t.requires_grad]
    grads = torch.autograd.grad(sum(map(weighted, outs)), leaves, allow_unused=True)  # pyright: ignore
    zero = [torch.zeros_like(t) if g is None else g for t, g in zip(leaves, grads, strict=True)]
    return [t.detach() for t in (*_tree.leaves(ys), *_tree.leaves(after))] + zero


def cosines(t: Tensor) -> Tensor:
    """A loss that tells all entries apart."""
    return (torch.cos(torch.arange(t.numel(), dtype=t.dtype)).view(t.shape) * t).sum()


def assert_alike(got: list[Tensor], want: list[Tensor], tolerance: float = 1e-11) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        scale = max(1.0, b.double().abs().max().item())
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance * scale)


def arguments(entry: Entry) -> tuple[Cell, Tree, State]:
    """The cell in float64, inputs and a given state that want gradients."""
    cell = entry.build(torch.float64)
    xs = entry.inputs(STEPS, BATCH, torch.float64)
    torch.manual_seed(1)
    state = cell.initial_state(BATCH, dtype=torch.float64)
    drawn = _tree.map(lambda t: torch.randn_like(t) if t.is_floating_point() else t, state)
    for t in (*floats(xs), *floats(drawn)):
        t.requires_grad_()
    return cell, xs, drawn


@pytest.mark.parametrize("backend", ["eager", "aten", "fused"])
@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_equals_the_plain_run(entry: Entry, backend: str) -> None:
    cell, xs, state = arguments(entry)
    wants = any(t.requires_grad for t in (*floats(xs), *floats(state), *cell.parameters()))
    for option in ({}, *OPTIONS.values()):
        try:
            want = run(cell, xs, state, cosines, backend=backend, **option) if wants else []
        except BackendError:
            continue
        for length in LENGTHS if option == {} else (3,):
            got = run(cell, xs, state, cosines, backend=backend, checkpoint=length, **option)
            assert_alike(got, want)


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.noisy], ids=str)
def test_draws_are_the_same_again(entry: Entry) -> None:
    cell, xs, state = arguments(entry)
    cell.train()
    want = run(cell, xs, state, cosines, backend="eager")
    before = torch.get_rng_state()
    for length in (1, 3):
        got = run(cell, xs, state, cosines, backend="eager", checkpoint=length)
        assert_alike(got, want)
        assert torch.equal(torch.get_rng_state(), before)
    if not entry.name.startswith("stack"):
        # which draws for all steps of a chunk at once
        want = run(cell, xs, state, cosines, backend="fused")
        assert_alike(run(cell, xs, state, cosines, backend="fused", checkpoint=STEPS), want)


@pytest.mark.parametrize("backend", ["auto", "eager", "aten"])
def test_layers_of_a_stack(backend: str) -> None:
    cell = Stack(LearnedState(lstm()), nn.Linear(5, 4), gru(4, 4)).double()
    xs = torch.randn(STEPS, BATCH, I, dtype=torch.float64, requires_grad=True)
    want = run(cell, xs, None, cosines, backend=backend)
    assert_alike(run(cell, xs, None, cosines, backend=backend, checkpoint=2), want)


def test_shells_pass_it_on() -> None:
    xs = torch.randn(STEPS, BATCH, I, dtype=torch.float64)
    for shell in (BiSequencer(gru()).double(), Sequencer(lstm(), remember="both").double()):
        found = []
        for length in (None, 2):
            shell.zero_grad()
            getattr(shell, "forget", lambda: None)()
            ys = shell(xs, lengths=[7, 0, 4], checkpoint=length)
            (ys.sin().sum() + shell(xs, checkpoint=length).cos().sum()).backward()
            found.append([ys.detach(), *(p.grad.clone() for p in shell.parameters())])
        assert_alike(*found)


@pytest.mark.parametrize("wrong", [0, -3, True, 2.0, "3", torch.tensor(3)])
def test_a_wrong_length_is_refused(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="checkpoint: wanted a whole number of steps"):
        unroll(gru(), torch.randn(4, 2, I), checkpoint=wrong)


def test_where_there_is_nothing_to_keep() -> None:
    cell, xs = gru(), torch.randn(4, 2, I)
    want, state = unroll(cell, xs)
    with torch.no_grad():
        got, after = unroll(cell, xs, checkpoint=2)
    assert torch.equal(got, want)
    assert torch.equal(after, state)
    frozen = gru().requires_grad_(False)
    assert not unroll(frozen, xs, checkpoint=2)[0].requires_grad
    empty, _ = unroll(cell, xs[:0], checkpoint=2)
    assert empty.shape == (0, 2, 5)


def grads(loss: Tensor, cell: nn.Module) -> list[Tensor]:
    return [*torch.autograd.grad(loss, list(cell.parameters()))]


def both(cell: nn.Module, use: Callable[[int | None], list[Tensor]]) -> None:
    """What is done with a plain and with a checkpointed run gives the same."""
    assert_alike(use(3), use(None))


XS = torch.randn(STEPS, 2, I, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("backend", ["eager", "fused"])
def test_hooks_of_tensors_run_once(backend: str) -> None:
    cell = gru().double()
    cell.weight_hh.register_hook(lambda g: 2 * g + 1)

    def use(length: int | None) -> list[Tensor]:
        return grads(unroll(cell, XS, backend=backend, checkpoint=length)[0].sin().sum(), cell)

    both(cell, use)


@pytest.mark.parametrize("backend", ["eager", "fused"])
def test_weights_of_a_functional_call(backend: str) -> None:
    shell = Sequencer(gru()).double()
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)

    def use(length: int | None) -> list[Tensor]:
        weights = {name: p.detach() * scale for name, p in shell.named_parameters()}
        with ostinato.backend(backend):
            ys = functional_call(shell, weights, XS, {"checkpoint": length})
        return [*torch.autograd.grad(ys.sin().sum(), scale)]

    both(shell, use)


def test_the_cell_may_change_before_the_backward() -> None:
    cell = Zoneout(gru(), 0.3).double()

    def use(length: int | None) -> list[Tensor]:
        torch.manual_seed(2)
        cell.train()
        old = cell.cell.weight_hh
        leaves = list(cell.parameters())
        ys, _ = unroll(cell, XS, backend="eager", checkpoint=length)
        cell.eval()
        cell.cell.weight_hh = nn.Parameter(torch.zeros_like(old))
        new = cell.cell.weight_hh
        with ostinato.backend("fused"):
            found = torch.autograd.grad(ys.sin().sum(), leaves)
        assert cell.cell.weight_hh is new
        assert not cell.training
        cell.cell.weight_hh = old
        return [*found]

    both(cell, use)
    ys, _ = unroll(cell, XS, checkpoint=3)
    with torch.no_grad():
        cell.cell.weight_hh.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        ys.sum().backward()


@pytest.mark.parametrize("backend", ["eager", "fused"])
def test_gradients_of_gradients(backend: str) -> None:
    cell = gru().double()
    xs = XS.clone().requires_grad_()
    cell.bias_hh.register_hook(lambda g: 2 * g)
    leaves = [xs, *cell.parameters()]

    def use(length: int | None, backend: str) -> list[Tensor]:
        ys, state = unroll(cell, xs, backend=backend, checkpoint=length)
        first = torch.autograd.grad(ys.sin().sum() + state.sum(), leaves, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves)  # pyright: ignore
        return [t.detach() for t in (*first, *second)]

    assert_alike(use(3, backend), use(None, "eager"))


def test_the_backward_may_run_twice_and_ys_may_be_changed() -> None:
    cell = lstm().double()
    ys, _ = unroll(cell, XS, checkpoint=2)
    loss = ys.sin().sum()
    first = torch.autograd.grad(loss, list(cell.parameters()), retain_graph=True)
    assert_alike([*torch.autograd.grad(loss, list(cell.parameters()))], [*first])
    plain, _ = unroll(cell, XS, backend="eager")
    found = [
        grads(one.mul_(2).sin().sum(), cell) for one in (unroll(cell, XS, checkpoint=2)[0], plain)
    ]
    assert_alike(*found)


def test_autocast_is_that_of_the_forward() -> None:
    cell, xs, seen = gru(), XS.float(), []
    cell.register_forward_hook(lambda m, args, out: seen.append(torch.is_autocast_enabled("cpu")))
    found = []
    for length in (None, 3):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            ys, _ = unroll(cell, xs, backend="eager", checkpoint=length)
        found.append(grads(ys.float().sin().sum(), cell))
    # gradients in bfloat16 are summed up in another order
    assert_alike(*found, tolerance=0.02)
    assert seen == [True] * 3 * STEPS
    ys, _ = unroll(cell, xs, backend="eager", checkpoint=3)
    with torch.autocast("cpu"):
        ys.sum().backward()
    assert seen[3 * STEPS :] == [False] * 2 * STEPS
    for length in (None, 3):
        with torch.autocast("cpu"):
            # casts of weights are kept within the block
            unroll(cell, xs, backend="eager", checkpoint=length)
            after = unroll(cell, xs, backend="eager")[0].float().sum()
        found.append(grads(after, cell))
    assert_alike(*found[2:])


class Scaled(Cell):
    """h + scale * x, where the scale is a plain attribute, or one of a closure."""

    def __init__(self, scale: Tensor, *, hidden: bool) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.ones(I, dtype=torch.float64))
        self.scale = None if hidden else scale
        self.read = (lambda: scale) if hidden else (lambda: self.scale)

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Tensor:
        return zeros(self, batch_size, I, dtype=dtype, device=device)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(state * self.own + self.read() * x)
        return state, state


def test_attributes_count_and_what_is_hidden_is_refused() -> None:
    leaf = torch.full((), 0.5, dtype=torch.float64, requires_grad=True)
    for scale in (leaf, leaf * 3):
        found = []
        for length in (None, 3):
            ys, _ = unroll(Scaled(scale, hidden=False), XS, backend="eager", checkpoint=length)
            found.append([*torch.autograd.grad(ys.sum(), leaf, retain_graph=True)])
        assert_alike(*found)
    ys, _ = unroll(Scaled(leaf, hidden=True), XS, backend="eager", checkpoint=3)
    with pytest.raises(ArgumentError, match=r"a tensor \[\] from elsewhere"):
        ys.sum().backward()


def test_transforms_are_refused() -> None:
    cell = gru().double()

    def loss(xs: Tensor) -> Tensor:
        return unroll(cell, xs, checkpoint=3)[0].sum()

    with pytest.raises(ArgumentError, match="functorch"):
        torch.func.grad(loss)(XS)


def test_parametrised_and_tied_weights() -> None:
    cell = parametrizations.weight_norm(gru(5, 5), "weight_hh").double()
    cell.bias_ih = cell.bias_hh
    model = Stack(nn.Linear(I, 5), cell, cell).double()

    def use(length: int | None) -> list[Tensor]:
        return grads(unroll(model, XS, checkpoint=length)[0].sin().sum(), model)

    both(model, use)


def kept(cell: nn.Module, steps: int, length: int | None, backend: str) -> int:
    """Numbers that autograd keeps for the backward beside the input: each piece of memory once."""
    xs = torch.randn(steps, 2, I)
    # a recording differentiates a step of its own
    unroll(cell, xs, backend=backend, checkpoint=length)
    sizes: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes() // t.element_size()
        alive.append(t)
        return t

    alive: list[Tensor] = [xs]
    with saved_tensors_hooks(pack, lambda t: t):
        _ys, _ = unroll(cell, xs, backend=backend, checkpoint=length)
    own = sum(p.numel() for p in cell.parameters())
    return sum(sizes.values()) - sizes.pop(xs.untyped_storage().data_ptr(), 0) - own


@pytest.mark.parametrize("backend", ["eager", "aten", "fused"])
def test_what_is_kept_grows_with_the_root(backend: str) -> None:
    cell = Stack(lstm(), gru(5, 5)) if backend != "fused" else lstm()
    state = sum(t.numel() for t in _tree.leaves(cell.initial_state(2)))
    for root in (8, 16, 32):
        assert kept(cell, root * root, root, backend) <= (root + 1) * state
    assert kept(cell, 256, None, "eager") > 256 * state


def test_the_fused_backend_keeps_the_record_of_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, xs = lstm(), torch.randn(64, 2, I)
    kept: list[int] = []
    # the first time it is tried against the eager loop, where the cache does not know it yet
    unroll(cell, xs[:8], backend="fused")[0].sum().backward()
    real = execute.Unrolled.forward

    def forward(ctx: Any, job: Any, *tensors: Tensor) -> Any:
        if job.recipe.backward is not None:
            kept.append(job.steps)
        return real(ctx, job, *tensors)

    monkeypatch.setattr(execute.Unrolled, "forward", staticmethod(forward))
    ys, _ = unroll(cell, xs, backend="fused", checkpoint=8)
    assert kept == []
    ys.sum().backward()
    assert kept == [8] * 8
    unroll(cell, xs, backend="fused")
    assert kept[8:] == [64]


LONG = """
import resource, sys, torch
from ostinato import cells, unroll

torch.set_num_threads(1)
cell = cells.LSTM(4, 32)
xs = torch.randn(100_000, 2, 4)

def peak(steps):
    ys, _ = unroll(cell, xs[:steps], backend="fused", checkpoint=316)
    ys[-1].sum().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

print(-peak(1000) + peak(100_000))
"""


def test_a_hundred_thousand_steps() -> None:
    made = subprocess.run([sys.executable, "-c", LONG], capture_output=True, text=True, check=True)
    # ys are 24 MB; without checkpoints the records alone take 190 more
    assert float(made.stdout) < 130
