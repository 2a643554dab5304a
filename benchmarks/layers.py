"""The standard layers at all sizes, in float32: one training step, and one forward run."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks import jax_scan, pictures
from benchmarks.contestants import LAYERS, SIZES, Layer, Size, check_agreement
from benchmarks.markdown import folded, mean_and_worst, milliseconds, numbers, rate, table, times
from benchmarks.part import Part, Row
from benchmarks.race import Effort, race

CONTESTANTS = ("fused", "nn", "torch", "loop", "jax")
PEERS = {"torch": "`torch.nn`", "jax": "JAX `lax.scan`", "loop": "the loop"}
RATIOS = {**PEERS, "nn": "`ostinato.nn` against `torch.nn`"}
PASSES = {"training": 3, "inference": 1}
"""How often each product's arithmetic is done: forward, for the inputs, for the weights."""


def measure(what: str, effort: Effort) -> list[Row]:
    """A row for each layer and size."""
    if (reason := jax_scan.missing()) is not None:
        print(reason, flush=True)
    return [row(what, name, size, effort) for name in LAYERS for size in effort.some(SIZES)]


def row(what: str, name: str, size: Size, effort: Effort) -> Row:
    """All contestants at one size."""
    layer = Layer(name, size)
    works = layer.training(CONTESTANTS) if what == "training" else layer.inference(CONTESTANTS)
    check_agreement(works)
    found = race(works, effort)
    ratios = {peer: found.ratio("fused", peer) for peer in PEERS if peer in works}
    return {
        "layer": name,
        "size": size,
        "auto": layer.chosen,
        "seconds": {name: found.seconds(name) for name in works},
        "gflops": PASSES[what] * layer.operations * 1e-9 / found.seconds("fused"),
        "ratios": {**ratios, "nn": found.ratio("nn", "torch")},
    }


def show(rows: list[Row]) -> list[str]:
    """What it comes to, and every size."""
    headings = [f"against {name}" for name in PEERS.values()]
    return [
        *table(
            ["geometric mean, worst size", *headings, RATIOS["nn"]],
            [[name, *summary([row for row in rows if row["layer"] == name])] for name in LAYERS],
        ),
        *folded(
            "Every size",
            table(
                ["layer", "T, B, I, H", "`fused`, ms", "GFLOP/s", *headings, RATIOS["nn"]],
                map(line, rows),
            ),
        ),
    ]


def summary(rows: list[Row]) -> list[str]:
    """The ratios over all sizes."""
    return [mean_and_worst([row["ratios"].get(name) for row in rows]) for name in RATIOS]


def line(row: Row) -> list[str]:
    """A row of the table."""
    ratios = [times(row["ratios"].get(name)) for name in RATIOS]
    speed = milliseconds(row["seconds"]["fused"]), rate(row["gflops"])
    return [row["layer"], numbers(row["size"]), *speed, *ratios[:-1], f"{ratios[-1]} {row['auto']}"]


def draw(rows: list[Row], path: Path) -> None:
    """The ratios to all peers, a panel a layer."""
    panels = {}
    for name in LAYERS:
        mine = [row for row in rows if row["layer"] == name]
        series = {
            f"against {title.replace('`', '')}": [row["ratios"][peer][1] for row in mine]
            for peer, title in PEERS.items()
            if all(peer in row["ratios"] for row in mine)
        }
        panels[name] = ([numbers(row["size"]) for row in mine], series)
    pictures.dots(panels, "times faster", path)


TRAINING = Part(
    "layers",
    "Layers: one training step in float32",
    'How many times faster `unroll(cell, xs, backend="fused")` is than each peer, on the same\n'
    "weights: forward, and backward from a given gradient of ys to all weights and to xs. The\n"
    "loop is the plain Python loop over the same cell. JAX is a hand-written `lax.scan` over a\n"
    "hoisted input projection, under `jit`, in this process and on as many threads; after a rest\n"
    "between the turns it takes no longer than in a process of its own, and neither does torch.\n"
    "The last column is the drop-in as it comes, with the backend that `auto` picks for the cell.\n"
    "GFLOP/s count the products alone: one forward, one for the gradient of its input, one for\n"
    "that of its weight.",
    partial(measure, "training"),
    show,
    draw,
)
INFERENCE = Part(
    "forward",
    "Layers: forward only, in float32",
    "The same under `torch.no_grad()`; the count is of one product.",
    partial(measure, "inference"),
    show,
)
