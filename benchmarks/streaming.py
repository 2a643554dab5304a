"""One step at a time at B = 1: a Recursor against torch's own cells."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

import ostinato
from benchmarks.markdown import table, times
from benchmarks.part import Part, Row
from benchmarks.race import Effort, Work, race

CELLS = {
    "LSTM": (ostinato.cells.LSTM, nn.LSTMCell),
    "GRU": (ostinato.cells.GRU, nn.GRUCell),
    "RNN": (ostinato.cells.Elman, nn.RNNCell),
}
SIZES = (64, 128, 256)
STEPS = 100
"""In a row, under one no_grad, as a stream is served."""


def measure(effort: Effort) -> list[Row]:
    """A row for each cell and size."""
    return [row(name, size, effort) for name in CELLS for size in effort.some(SIZES)]


def row(name: str, size: int, effort: Effort) -> Row:
    """Ours and torch's at one size, I = H."""
    torch.manual_seed(0)
    ours, theirs = (make(size, size) for make in CELLS[name])
    for key, weight in ours.named_parameters():
        weight.data.copy_(getattr(theirs, key))
    xs = torch.randn(STEPS, 1, size)
    recursor = ostinato.Recursor(ours.eval())
    check(recursor, torch_stream(theirs), xs)
    streams = {"ours": served(recursor, xs), "torch": served(torch_stream(theirs), xs)}
    found = race(streams, effort)
    return {
        "cell": name,
        "size": size,
        "seconds": {stream: found.seconds(stream) / STEPS for stream in streams},
        "faster": found.ratio("ours", "torch"),
    }


def torch_stream(cell: nn.Module) -> Callable[[Tensor], Tensor]:
    """A step of torch's cell, with the state kept."""
    state = None

    def step(x: Tensor) -> Tensor:
        nonlocal state
        state = cell(x, state)
        return state[0] if isinstance(state, tuple) else state

    return step


def served(step: Callable[[Tensor], Tensor], xs: Tensor) -> Work:
    """Steps in a row."""
    steps = xs.unbind(0)

    def serve() -> None:
        with torch.no_grad(), ostinato.backend("fused"):
            for x in steps:
                step(x)

    return serve


def check(ours: ostinato.Recursor, theirs: Callable[[Tensor], Tensor], xs: Tensor) -> None:
    """Both streams say the same."""
    with torch.no_grad(), ostinato.backend("fused"):
        for x in xs[:10]:
            torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)
    ours.forget()


def show(rows: list[Row]) -> list[str]:
    """Every cell and size."""
    lines = (
        [
            row["cell"],
            str(row["size"]),
            *(f"{row['seconds'][stream] * 1e6:.1f}" for stream in ("ours", "torch")),
            times(row["faster"]),
        ]
        for row in rows
    )
    return table(["cell", "I = H", "ours, μs a step", "torch, μs", "faster"], lines)


PART = Part(
    "streaming",
    "Streaming: one step at B = 1",
    f"`Recursor(cell)` against `torch.nn.LSTMCell`, `GRUCell` and `RNNCell`, {STEPS} steps in a "
    "row\nunder one `torch.no_grad()`, the state carried.",
    measure,
    show,
)
