"""Rows of zeros masked, left out, or said by a mask, as Torch rnn timed maskZero and trimZero."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.contestants import Layer, Size, check_agreement, training_step
from benchmarks.markdown import milliseconds, table, times
from benchmarks.part import Part, Row
from benchmarks.race import Effort, Work, race
from ostinato import MaskZero, nonzero_rows, unroll

SIZES: tuple[Size, ...] = ((10, 20, 1, 26), (26, 200, 200, 300))
"""That of the old script is the second."""
WAYS = {
    "masked": "`MaskZero(cell)`",
    "trimmed": "`MaskZero(cell, trim=True)`",
    "mask": "`mask=` and `resets=`",
    "all": "every step run",
    "torch": "every step run, `torch.nn`",
}


def measure(effort: Effort) -> list[Row]:
    """A row for each layer and size."""
    return [
        row(name, size, effort)
        for name in effort.some(["LSTM", "GRU"])
        for size in effort.some(SIZES)
    ]


def row(name: str, size: Size, effort: Effort) -> Row:
    """All ways at one size."""
    layer = Layer(name, size)
    starts = torch.randint(size[0], (size[1],), generator=torch.Generator().manual_seed(0))
    there = (torch.arange(size[0])[:, None] >= starts)[..., None]
    layer.xs = (layer.xs * there).detach().requires_grad_()
    layer.dy *= there
    ways = contestants(layer)
    check_agreement(ways)
    everything = layer.training(("fused", "torch"))
    found = race({**ways, "all": everything["fused"], "torch": everything["torch"]}, effort)
    return {
        "layer": name,
        "size": size,
        "filled": there.float().mean().item(),
        "seconds": {way: found.seconds(way) for way in WAYS},
        "trimmed": found.ratio("trimmed", "masked"),
        "mask": found.ratio("mask", "masked"),
        "torch": found.ratio("mask", "torch"),
    }


def contestants(layer: Layer) -> dict[str, Work]:
    """Training steps that give the same gradient of xs: rows of zeros have no part in them."""
    cell, xs, mask = layer.cell, layer.xs, nonzero_rows(layer.xs)
    masked, trimmed = MaskZero(cell), MaskZero(cell, trim=True)

    def run_mask() -> Tensor:
        return unroll(cell, xs, mask=mask, resets=~mask)[0]

    return {
        "masked": training_step(lambda: unroll(masked, xs)[0], cell, xs, layer.dy),
        "trimmed": training_step(lambda: unroll(trimmed, xs)[0], cell, xs, layer.dy),
        "mask": training_step(run_mask, cell, xs, layer.dy),
    }


def show(rows: list[Row]) -> list[str]:
    """Milliseconds of each way, and what leaving rows out brings."""
    return table(
        [
            "layer",
            "T, B, I, H",
            "filled",
            *(f"{way}, ms" for way in WAYS.values()),
            "trimming against `MaskZero`",
            "a mask against `MaskZero`",
            "a mask against `torch.nn`",
        ],
        [
            [
                row["layer"],
                ", ".join(map(str, row["size"])),
                f"{row['filled']:.2f}",
                *(milliseconds(row["seconds"][way]) for way in WAYS),
                *(times(row[ratio]) for ratio in ("trimmed", "mask", "torch")),
            ]
            for row in rows
        ],
    )


PART = Part(
    "masking",
    "Rows of zeros: masked or left out",
    "Sequences padded on their left to random lengths, a training step: rows of zeros masked,\n"
    "left out, said by a mask, or computed like all others. The larger size is that of Torch\n"
    "`rnn`'s own timing of maskZero and trimZero, where trimming brought about 30 %. Here a mask\n"
    "leaves rows out in compiled code; `trim=True`, for modules that mix rows, does so in Python.",
    measure,
    show,
)
