"""Rows of different lengths: lengths= against padding and against a PackedSequence."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from benchmarks.contestants import LAYERS, Layer, Size, check_agreement, fused, training_step
from benchmarks.markdown import folded, mean_and_worst, milliseconds, numbers, table, times
from benchmarks.part import Part, Row
from benchmarks.race import Effort, Work, race

SIZES: tuple[Size, ...] = (
    (10, 20, 1, 26),
    (30, 32, 128, 128),
    (100, 32, 64, 64),
    (50, 20, 200, 200),
    (100, 64, 128, 128),
)
PEERS = {
    "padded": "against the same padded",
    "torch": "against `torch.nn`, packed",
    "nn": "the drop-in against `torch.nn`, packed",
}


def measure(effort: Effort) -> list[Row]:
    """A row for each layer and size."""
    return [
        row(name, size, effort) for name in effort.some(list(LAYERS)) for size in effort.some(SIZES)
    ]


def row(name: str, size: Size, effort: Effort) -> Row:
    """All contestants at one size."""
    layer = Layer(name, size)
    generator = torch.Generator().manual_seed(0)
    # from 1: torch refuses a length of 0
    lengths = torch.randint(1, size[0] + 1, (size[1],), generator=generator)
    ragged = contestants(layer, lengths)
    check_agreement(ragged)
    padded = layer.training(("fused",))["fused"]
    found = race({**ragged, "padded": padded}, effort)
    return {
        "layer": name,
        "size": size,
        "filled": lengths.sum().item() / (size[0] * size[1]),
        "seconds": found.seconds("fused"),
        "padded": found.ratio("fused", "padded"),
        "torch": found.ratio("fused", "torch"),
        "nn": found.ratio("nn", "torch"),
    }


def contestants(layer: Layer, lengths: Tensor) -> dict[str, Work]:
    """Training steps on the rows of these lengths: they all give the same gradient of xs."""
    cell, ours, theirs, xs, dy = layer.cell, layer.ours, layer.torch, layer.xs, layer.dy
    dy_packed = packed(dy, lengths)

    def run_packed() -> Tensor:
        rows = pack_padded_sequence(xs, lengths, enforce_sorted=False)
        return theirs(rows)[0].data

    return {
        "torch": training_step(run_packed, theirs, xs, dy_packed),
        "fused": training_step(lambda: fused(cell, xs, lengths=lengths), cell, xs, dy),
        "nn": training_step(lambda: ours(xs, lengths=lengths)[0], ours, xs, dy),
    }


def packed(xs: Tensor, lengths: Tensor) -> Tensor:
    """The steps that are there, in the order of a PackedSequence."""
    return pack_padded_sequence(xs, lengths, enforce_sorted=False).data


def show(rows: list[Row]) -> list[str]:
    """What it comes to, and every size."""
    lines = (
        [
            row["layer"],
            numbers(row["size"]),
            f"{row['filled']:.2f}",
            milliseconds(row["seconds"]),
            *(times(row[peer]) for peer in PEERS),
        ]
        for row in rows
    )
    return [
        *table(
            ["geometric mean, worst", *PEERS.values()],
            [
                [name, *(mean_and_worst([r[p] for r in rows if r["layer"] == name]) for p in PEERS)]
                for name in LAYERS
            ],
        ),
        *folded(
            "Every size",
            table(["layer", "T, B, I, H", "filled", "`fused`, ms", *PEERS.values()], lines),
        ),
    ]


PART = Part(
    "ragged",
    "Ragged batches: one training step",
    "Lengths uniform from 1 to T. `fused` with `lengths=` against the same batch run to its full\n"
    "length, and against `torch.nn` on a PackedSequence, packing included.",
    measure,
    show,
)
