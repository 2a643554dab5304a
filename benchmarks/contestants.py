"""The standard layers as each contestant runs them, on the same weights and inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import ostinato
from benchmarks import jax_scan
from benchmarks.race import Work
from ostinato import cells

Size = tuple[int, int, int, int]
"""(T, B, I, H)."""

SIZES: tuple[Size, ...] = (
    (10, 20, 1, 26),
    (10, 80, 300, 300),
    (30, 32, 128, 128),
    (30, 32, 512, 512),
    (100, 32, 64, 64),
    (100, 64, 128, 128),
    (50, 20, 200, 200),
    (35, 20, 650, 650),
    (100, 128, 256, 256),
    (200, 1, 128, 128),
    (784, 32, 1, 128),
)
"""From all overhead to all arithmetic, a batch of one, and images read pixel by pixel."""


class Kind(NamedTuple):
    """A standard layer: the cell, our drop-in, torch's layer, and its gates."""

    cell: Callable[..., cells.GatedCell]
    ours: type[nn.Module]
    torch: type[nn.RNNBase]
    num_gates: int


LAYERS = {
    "LSTM": Kind(cells.LSTM, ostinato.nn.LSTM, nn.LSTM, 4),
    "GRU": Kind(cells.GRU, ostinato.nn.GRU, nn.GRU, 3),
    "RNN": Kind(cells.Elman, ostinato.nn.RNN, nn.RNN, 1),
}


class Layer:
    """A standard layer of one size: the same weights, xs and gradient dy of ys for everyone."""

    def __init__(self, name: str, size: Size, dtype: torch.dtype = torch.float32) -> None:
        torch.manual_seed(0)
        self.name, self.size, self.dtype = name, size, dtype
        num_steps, batch_size, input_size, hidden_size = size
        kind = LAYERS[name]
        self.torch = kind.torch(input_size, hidden_size, dtype=dtype)
        self.ours = kind.ours(input_size, hidden_size, dtype=dtype)
        self.ours.load_state_dict(self.torch.state_dict())
        self.cell = kind.cell(input_size, hidden_size, dtype=dtype)
        for key, weight in self.cell.named_parameters():
            weight.data.copy_(getattr(self.torch, f"{key}_l0"))
        self.xs = torch.randn(num_steps, batch_size, input_size, dtype=dtype, requires_grad=True)
        self.dy = torch.randn(num_steps, batch_size, hidden_size, dtype=dtype)

    @property
    def runs(self) -> dict[str, tuple[nn.Module, Callable[[], Tensor]]]:
        """Whose weights, and xs to ys, by the name of the contestant."""
        return {
            "fused": (self.cell, lambda: fused(self.cell, self.xs)),
            "nn": (self.ours, lambda: self.ours(self.xs)[0]),
            "torch": (self.torch, lambda: self.torch(self.xs)[0]),
            "loop": (self.cell, lambda: loop(self.cell, self.xs)),
        }

    def training(self, names: tuple[str, ...]) -> dict[str, Work]:
        """Forward and backward steps of these contestants."""
        works: dict[str, Work] = {
            name: training_step(run, module, self.xs, self.dy)
            for name, (module, run) in self.runs.items()
            if name in names
        }
        if "jax" in names and jax_scan.missing() is None:
            works["jax"] = jax_scan.training_step(self.name, self.weights, self.xs, self.dy)
        return works

    def inference(self, names: tuple[str, ...]) -> dict[str, Work]:
        """Forward runs of these contestants, without gradients."""
        works = {name: no_grad(run) for name, (_, run) in self.runs.items() if name in names}
        if "jax" in names and jax_scan.missing() is None:
            works["jax"] = jax_scan.forward(self.name, self.weights, self.xs)
        return works

    @property
    def weights(self) -> list[Tensor]:
        """weight_ih, weight_hh, bias_ih, bias_hh."""
        return [p.detach() for p in self.torch.parameters()]

    @property
    def operations(self) -> int:
        """Additions and multiplications in the products of a forward run."""
        num_steps, batch_size, input_size, hidden_size = self.size
        rows = LAYERS[self.name].num_gates * hidden_size
        return 2 * num_steps * batch_size * rows * (input_size + hidden_size)

    @property
    def chosen(self) -> str:
        """The backend that `unroll` takes of itself."""
        return ostinato.explain(self.cell, self.xs.detach()).segments[-1].backend


def fused(cell: nn.Module, xs: Tensor, **options: Any) -> Tensor:
    """xs to ys on the fused backend."""
    return ostinato.unroll(cell, xs, backend="fused", **options)[0]


def loop(cell: ostinato.Cell, xs: Tensor) -> Tensor:
    """xs to ys in the loop that anyone would write."""
    state = cell.initial_state(xs.shape[1])
    ys: list[Tensor] = []
    for x in xs.unbind(0):
        y, state = cell(x, state)
        ys.append(y)
    return torch.stack(ys)


def training_step(
    run: Callable[[], Tensor], module: nn.Module, xs: Tensor, dy: Tensor
) -> Callable[[], Tensor | None]:
    """Forward, and backward from dy to all weights and to xs, whose gradient it returns."""
    leaves = [xs, *module.parameters()]

    def step() -> Tensor | None:
        for leaf in leaves:
            leaf.grad = None
        run().backward(dy)
        return xs.grad

    return step


def no_grad(run: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The run without gradients."""

    def forward() -> Tensor:
        with torch.no_grad():
            return run()

    return forward


def check_agreement(works: Mapping[str, Work], tolerance: float = 1e-3) -> None:
    """Raise AssertionError where one contestant's result is not that of the first.

    Whoever computes something else is no peer. The tolerance is a share of the largest number:
    sums over long sequences in float32 differ by their order.
    """
    found = {name: copied(work()) for name, work in works.items()}
    first, *others = found
    atol = tolerance * np.abs(found[first]).max()
    for name in others:
        np.testing.assert_allclose(
            found[name], found[first], rtol=0, atol=atol, err_msg=f"{name} against {first}"
        )


def copied(result: Any) -> np.ndarray:
    """A tensor of torch or JAX as it is now: a gradient is written over by the next step."""
    return np.array(result.numpy() if isinstance(result, Tensor) else result)
