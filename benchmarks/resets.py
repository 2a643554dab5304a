"""Recurrent policies: states that start again inside a batch of trajectories."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import ostinato
from benchmarks.contestants import Layer, check_agreement, fused, training_step
from benchmarks.markdown import milliseconds, table, times
from benchmarks.part import Part, Row
from benchmarks.race import Effort, Work, race

ROWS, FEATURES = 128, 128
STEPS = (16, 64)
CHANCES = (0.0, 0.001, 0.01, 0.1)
PEERS = {
    "torch": "`torch.nn.GRU`, split and packed",
    "loop": "the loop",
    "pad": "TorchRL, pad",
    "scan": "TorchRL, scan",
}


def measure(effort: Effort) -> list[Row]:
    """A row for each number of steps and each chance of a reset."""
    cases = [(steps, chance) for steps in STEPS for chance in reversed(CHANCES)]
    return [row(steps, chance, effort) for steps, chance in effort.some(cases)]


def row(num_steps: int, chance: float, effort: Effort) -> Row:
    """All contestants on one batch of trajectories."""
    layer = Layer("GRU", (num_steps, ROWS, FEATURES, FEATURES))
    drawn = torch.rand(num_steps, ROWS, generator=torch.Generator().manual_seed(1))
    works = contestants(layer, drawn < chance)
    check_agreement(works)
    found = race(works, effort)
    return {
        "steps": num_steps,
        "chance": chance,
        "seconds": found.seconds("fused"),
        "ratios": {peer: found.ratio("fused", peer) for peer in PEERS if peer in works},
    }


def contestants(layer: Layer, resets: Tensor) -> dict[str, Work]:
    """Training steps in which states start again there: all give the same gradient of xs."""
    cell, theirs, xs, dy = layer.cell, layer.torch, layer.xs, layer.dy
    works: dict[str, Work] = {
        "fused": training_step(lambda: fused(cell, xs, resets=resets), cell, xs, dy),
        "torch": training_step(lambda: split_and_packed(theirs, xs, resets), theirs, xs, dy),
        "loop": training_step(lambda: loop(cell, xs, resets), cell, xs, dy),
    }
    if find_spec("torchrl") is not None:
        for path in ("pad", "scan"):
            module = TorchRL(layer, path, resets)
            works[path] = training_step(module, module.layer, xs, dy)
    return works


def split_and_packed(layer: nn.Module, xs: Tensor, resets: Tensor) -> Tensor:
    """xs [T, B, I] to ys [T, B, H]: each row cut at its resets, and the pieces packed."""
    if not resets.any():
        return layer(xs)[0]
    num_steps, batch_size, _ = xs.shape
    starts = resets.t().contiguous()
    starts[:, 0] = True
    places = starts.flatten().nonzero().squeeze(1)
    piece = starts.flatten().cumsum(0) - 1
    step = torch.arange(len(piece)) - places[piece]
    lengths = torch.diff(places, append=torch.tensor([len(piece)]))
    pieces = xs.new_zeros(int(lengths.max()), len(lengths), xs.shape[2])
    pieces[step, piece] = xs.transpose(0, 1).flatten(0, 1)
    packed = pack_padded_sequence(pieces, lengths, enforce_sorted=False)
    ys, _ = pad_packed_sequence(layer(packed)[0])
    return ys[step, piece].view(batch_size, num_steps, -1).transpose(0, 1)


def loop(cell: ostinato.Cell, xs: Tensor, resets: Tensor) -> Tensor:
    """xs to ys in the loop that anyone would write."""
    state = cell.initial_state(xs.shape[1])
    ys: list[Tensor] = []
    for x, reset in zip(xs.unbind(0), resets[..., None].unbind(0), strict=True):
        y, state = cell(x, torch.where(reset, 0.0, state))
        ys.append(y)
    return torch.stack(ys)


class TorchRL:
    """TorchRL's module on the same weights, called on xs [T, B, I]."""

    def __init__(self, layer: Layer, path: Any, resets: Tensor) -> None:
        from torchrl.modules import GRUModule

        gru = nn.GRU(FEATURES, FEATURES, batch_first=True)
        gru.load_state_dict(layer.torch.state_dict())
        keys = {"in_keys": ["x", "h"], "out_keys": ["y", ("next", "h")]}
        self.layer = GRUModule(gru=gru, recurrent_backend=path, default_recurrent_mode=True, **keys)
        self.xs, self.resets = layer.xs, resets

    def __call__(self) -> Tensor:
        from tensordict import TensorDict

        xs, is_init = self.xs.transpose(0, 1), self.resets.t()[..., None]
        trajectories = TensorDict({"x": xs, "is_init": is_init}, batch_size=xs.shape[:2])
        return self.layer(trajectories)["y"].transpose(0, 1)


def show(rows: list[Row]) -> list[str]:
    """Every case."""
    return table(
        ["T", "chance of a reset", "`fused`, ms", *(f"against {name}" for name in PEERS.values())],
        [
            [
                str(row["steps"]),
                f"{row['chance']:g}",
                milliseconds(row["seconds"]),
                *(times(row["ratios"].get(peer)) for peer in PEERS),
            ]
            for row in rows
        ],
    )


PART = Part(
    "resets",
    "Recurrent policies: states that start again inside a batch",
    "A training step of a GRU, B = 128, I = H = 128, where the state of a row starts again before\n"
    "a step with this chance. `unroll(cell, xs, resets=...)` against `torch.nn.GRU` on rows that\n"
    "are cut at their resets and packed (as they stand where there is none), against the plain\n"
    "loop, and against two paths of TorchRL's `GRUModule`, where that is installed.",
    measure,
    show,
)
