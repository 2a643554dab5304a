"""Rows of zeros masked, left out, or said by a mask: ``python -m benchmarks.masking``.

As Torch rnn's own script for maskZero and trimZero: 200 rows of 26 words out of 1000, padded on the
left to random lengths, an embedding of 200 features and a layer of 300.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from benchmarks.interleave import compare
from benchmarks.layers import training_step
from ostinato import Cell, MaskZero, cells, nonzero_rows, unroll

NUM_STEPS, BATCH_SIZE, VOCABULARY, EMBEDDED, HIDDEN = 26, 200, 1000, 200, 300


def words() -> Tensor:
    """Indices [T, B], with 0 before the first word of a row."""
    drawn = torch.Generator().manual_seed(0)
    index = torch.randint(1, VOCABULARY, (NUM_STEPS, BATCH_SIZE), generator=drawn)
    starts = torch.randint(NUM_STEPS, (BATCH_SIZE,), generator=drawn)
    return index.masked_fill(torch.arange(NUM_STEPS)[:, None] < starts, 0)


def lines(cell: Cell) -> Iterator[str]:
    """A line for each way: milliseconds of a training step, and how many times MaskZero's speed."""
    xs = nn.Embedding(VOCABULARY, EMBEDDED, padding_idx=0)(words()).detach().requires_grad_()
    mask = nonzero_rows(xs)
    masked, trimmed = MaskZero(cell), MaskZero(cell, trim=True)
    ways: dict[str, Callable[[], Tensor]] = {
        "MaskZero(trim=True)": lambda: unroll(trimmed, xs)[0],
        "MaskZero, fused": lambda: unroll(masked, xs, backend="fused")[0],
        "mask and resets": lambda: unroll(cell, xs, mask=mask, resets=~mask)[0],
        "mask alone": lambda: unroll(cell, xs, mask=mask)[0],
    }

    def plain() -> None:
        training_step(cell, xs, lambda: unroll(masked, xs)[0])

    for name, way in ways.items():
        found = compare(lambda way=way: training_step(cell, xs, way), plain, pairs=7)
        head = f"{type(cell).__name__:<5} {name:<20} {found.ours * 1e3:7.1f} ms"
        yield f"{head}, {found.speedup:.2f}x MaskZero ({found.spread})"


if __name__ == "__main__":
    for one in (cells.LSTM(EMBEDDED, HIDDEN), cells.GRU(EMBEDDED, HIDDEN)):
        for line in lines(one):
            print(line, flush=True)
