"""What surrounds a call (devices, dtypes, modes, compilers) reaches into no run of it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import ostinato
from ostinato import Recursor, Sequencer, Stack, cells

SOURCE = Path(ostinato.__file__).parent
FACTORIES = frozenset((
    "arange", "as_tensor", "empty", "eye", "full", "linspace", "ones", "rand", "randint", "randn",
    "randperm", "tensor", "zeros",
))  # fmt: skip
"""Functions of torch that put a tensor where a surrounding ``torch.device`` says."""


def calls_of_factories() -> Iterator[tuple[str, ast.Call]]:
    for folder in ("backends", "sequence"):
        for path in sorted((SOURCE / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                owner = node.func.value
                if (
                    isinstance(owner, ast.Name)
                    and owner.id == "torch"
                    and node.func.attr in FACTORIES
                ):
                    yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


def test_all_memory_is_taken_on_a_device_that_is_said() -> None:
    found = list(calls_of_factories())
    assert len(found) > 10
    silent = [where for where, node in found if "device" not in {k.arg for k in node.keywords}]
    assert not silent


CELLS = {
    "lstm": lambda: cells.LSTM(3, 4),
    "layer norm": lambda: cells.GRU(3, 4, layer_norm=True),
    "antisymmetric": lambda: cells.AntisymmetricRNN(3, 4),
    "stack": lambda: Stack(nn.Linear(3, 4), cells.MGU(4, 4), cells.LSTM(4, 4)),
}


@pytest.mark.parametrize("name", list(CELLS))
def test_under_another_default_device(name: str) -> None:
    cell = CELLS[name]().double()
    xs = torch.randn(5, 3, 3, dtype=torch.float64, requires_grad=True)
    state = cell.initial_state(3)
    want, _ = ostinato.unroll(cell, xs, state, backend="eager")
    (slope,) = torch.autograd.grad(want.sum(), xs)
    with torch.device("meta"):
        got, _ = ostinato.unroll(cell, xs, state)
        (grad,) = torch.autograd.grad(got.sum(), xs, create_graph=True)
        ostinato.unroll(cell, xs, state, lengths=[5, 0, 2])
        stream = Recursor(cell)
        stream.state = state
        with torch.no_grad():
            y = stream(xs[0])
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(grad, slope)
    torch.testing.assert_close(y, want[0].detach())


def test_a_refusal_of_one_call_is_not_remembered_for_another() -> None:
    cell, xs = cells.MGU(3, 11), torch.randn(5, 2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        ostinato.unroll(cell, xs)
    handle = cell.register_forward_hook(lambda *_: None)
    ostinato.unroll(cell, xs)
    handle.remove()
    ostinato.unroll(cell, xs, backend="fused")


def test_a_state_from_inference_mode_trains() -> None:
    xs = torch.randn(5, 2, 3, requires_grad=True)
    for shell in (
        Sequencer(cells.GRU(3, 4), remember="both"),
        Sequencer(cells.MGU(3, 4), remember="both"),
    ):
        with torch.inference_mode():
            shell(xs)
        shell(xs).sum().backward()
    stream = Recursor(cells.GRU(3, 4))
    with torch.inference_mode():
        stream(xs[0])
    stream(xs[1]).sum().backward()


def test_negative_views() -> None:
    cell, xs = cells.GRU(3, 4), torch._neg_view(torch.randn(5, 2, 3))
    assert xs.is_neg()
    want = ostinato.unroll(cell, xs, backend="eager")[0]
    torch.testing.assert_close(ostinato.unroll(cell, xs, backend="fused")[0], want)
    stream = Recursor(cell)
    with torch.no_grad():
        for x, y in zip(xs, want, strict=True):
            torch.testing.assert_close(stream(x), y)
        cell.weight_hh.data = torch._neg_view(cell.weight_hh.data.clone())
        want = ostinato.unroll(cell, xs, backend="eager")[0]
        torch.testing.assert_close(ostinato.unroll(cell, xs, backend="fused")[0], want)


COMPILED = """if True:
    import sys
    import torch, ostinato
    from ostinato import BiSequencer, Recursor, Sequencer, Stack, cells
    from torch import nn

    class Model(nn.Module):
        def __init__(self, cell):
            super().__init__()
            self.cell, self.out = cell, nn.Linear(4, 4)

        def forward(self, x):
            ys, _ = ostinato.unroll(self.cell, torch.tanh(x), lengths=[x.shape[0] - 1] * x.shape[1])
            return self.out(ys)

    models = [
        ostinato.nn.LSTM(3, 4), Model(cells.GRU(3, 4)),
        Model(Stack(nn.Linear(3, 4), cells.LSTM(4, 4))),
        Sequencer(cells.MGU(3, 4)), BiSequencer(cells.GRU(3, 4)),
    ]
    for model in models:
        compiled = torch.compile(model, backend="eager")
        for i in range(3):
            x = torch.randn(5 + i, 3, 3, requires_grad=True)
            want, got = (f(x) for f in (model, compiled))
            want, got = (y[0] if isinstance(y, tuple) else y for y in (want, got))
            torch.testing.assert_close(got, want)
            leaves = [x, *model.parameters()]
            for a, b in zip(
                torch.autograd.grad(got.square().sum(), leaves),
                torch.autograd.grad(want.square().sum(), leaves),
            ):
                torch.testing.assert_close(a, b)
    plain = Recursor(cells.LSTM(3, 4))
    stream = torch.compile(Recursor(plain.cell), backend="eager")
    with torch.no_grad():
        for x in torch.randn(5, 2, 3):
            torch.testing.assert_close(stream(x), plain(x))
    print("equal")
"""


def test_torch_compile_leaves_compiled_loops_alone() -> None:
    """In a process of its own: traced, they wrote to memory that was no longer theirs."""
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", COMPILED],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert run.stdout.strip().endswith("equal"), run.stdout + run.stderr


@pytest.mark.parametrize("options", [{}, {"lengths": [3, 0]}, {"reverse": True}], ids=str)
def test_many_gradients_at_once(options: dict[str, object]) -> None:
    cell = cells.GRU(3, 4).double()
    xs = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)

    def run(xs: Tensor) -> Tensor:
        return ostinato.unroll(cell, xs, backend="fused", **options)[0]

    torch.autograd.gradcheck(run, xs, check_batched_grad=True)
    torch.autograd.gradgradcheck(run, xs, check_batched_grad=True)
    jacobians = [torch.autograd.functional.jacobian(run, xs, vectorize=v) for v in (True, False)]
    torch.testing.assert_close(*jacobians)
    ys, ways = run(xs), torch.randn(5, 4, 2, 4, dtype=torch.float64)
    want = torch.stack([torch.autograd.grad(ys, xs, way, retain_graph=True)[0] for way in ways])
    got = torch.autograd.grad(ys, xs, ways, is_grads_batched=True, retain_graph=True)[0]
    torch.testing.assert_close(got, want)
    mapped = torch.vmap(lambda way: torch.autograd.grad(ys, xs, way, retain_graph=True)[0])(ways)
    torch.testing.assert_close(mapped, want)
