"""A training step of the standard cells: ours against torch.nn and against the eager loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

import ostinato
from benchmarks.interleave import compare

# (T, B, I, H): from all overhead to all arithmetic, and a batch of one
SIZES = (
    (10, 20, 1, 26),
    (10, 80, 300, 300),
    (30, 32, 128, 128),
    (100, 32, 64, 64),
    (100, 64, 128, 128),
    (50, 20, 200, 200),
    (35, 20, 650, 650),
    (200, 1, 128, 128),
)
LAYERS = {
    "LSTM": (ostinato.nn.LSTM, torch.nn.LSTM),
    "GRU": (ostinato.nn.GRU, torch.nn.GRU),
    "RNN": (ostinato.nn.RNN, torch.nn.RNN),
}
CELLS = {"LSTM": ostinato.cells.LSTM, "GRU": ostinato.cells.GRU, "RNN": ostinato.cells.Elman}


def training_step(module: torch.nn.Module, xs: Tensor, forward: Callable[[], Tensor]) -> None:
    """Forward and backward, gradients of all weights and of xs."""
    module.zero_grad()
    xs.grad = None
    forward().sum().backward()


def lines() -> Iterator[str]:
    """The table as Markdown, a line at a time as it is measured."""
    yield "## Layers: one training step in float32"
    yield ""
    yield "How many times faster ours is, the median of runs in turn (middle half): `ostinato.nn`"
    yield "as it comes, and `unroll` of the cell on the `fused` backend, which has to be asked for."
    yield ""
    yield "| layer | T, B, I, H | ms | against `torch.nn` | `fused` against it | and the loop |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, (ours, peer) in LAYERS.items():
        for size in SIZES:
            yield _row(name, ours, peer, size)
    yield ""


def _row(
    name: str,
    ours: type[torch.nn.Module],
    peer: type[torch.nn.Module],
    size: tuple[int, int, int, int],
) -> str:
    num_steps, batch_size, input_size, hidden_size = size
    xs = torch.randn(num_steps, batch_size, input_size, requires_grad=True)
    mine, theirs = ours(input_size, hidden_size), peer(input_size, hidden_size)
    cell = CELLS[name](input_size, hidden_size)

    def layer_step(layer: torch.nn.Module) -> None:
        training_step(layer, xs, lambda: layer(xs)[0])

    def cell_step(backend: str) -> None:
        training_step(cell, xs, lambda: ostinato.unroll(cell, xs, backend=backend)[0])

    beside_torch = compare(lambda: layer_step(mine), lambda: layer_step(theirs))
    fused = compare(lambda: cell_step("fused"), lambda: layer_step(theirs))
    beside_loop = compare(lambda: cell_step("fused"), lambda: cell_step("eager"), pairs=5)
    cells = (
        name,
        ", ".join(map(str, size)),
        f"{beside_torch.ours * 1e3:.2f}",
        f"{beside_torch.speedup:.2f}x ({beside_torch.spread})",
        f"{fused.speedup:.2f}x ({fused.spread})",
        f"{beside_loop.speedup:.1f}x",
    )
    return "| " + " | ".join(cells) + " |"


def ragged_lines() -> Iterator[str]:
    """Rows of different lengths, mean T / 2: lengths= against a PackedSequence."""
    yield "## Ragged batches: one training step, lengths uniform from 1 to T"
    yield ""
    yield "| layer | T, B, I, H | against `torch.nn` on a PackedSequence |"
    yield "| --- | --- | --- |"
    for name, (ours, peer) in LAYERS.items():
        for size in ((100, 32, 64, 64), (50, 20, 200, 200)):
            yield _ragged_row(name, ours, peer, size)
    yield ""


def _ragged_row(
    name: str,
    ours: type[torch.nn.Module],
    peer: type[torch.nn.Module],
    size: tuple[int, int, int, int],
) -> str:
    num_steps, batch_size, input_size, hidden_size = size
    generator = torch.Generator().manual_seed(0)
    # torch refuses a length of 0
    lengths = torch.randint(1, num_steps + 1, (batch_size,), generator=generator)
    xs = torch.randn(num_steps, batch_size, input_size, requires_grad=True)
    mine, theirs = ours(input_size, hidden_size), peer(input_size, hidden_size)

    def packed() -> Tensor:
        rows = torch.nn.utils.rnn.pack_padded_sequence(xs, lengths, enforce_sorted=False)
        return theirs(rows)[0].data

    found = compare(
        lambda: training_step(mine, xs, lambda: mine(xs, lengths=lengths)[0]),
        lambda: training_step(theirs, xs, packed),
    )
    return f"| {name} | {', '.join(map(str, size))} | {found.speedup:.2f}x ({found.spread}) |"
