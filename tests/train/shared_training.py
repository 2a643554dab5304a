"""Trainings that give the same alone and in several processes: `main` runs them all.

As a program, started by a launcher, it writes what came out into the folder that it is given.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from noisy_wave import Wave
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato import Stack, cells, unroll
from ostinato.data import Batch, Batches, BatchSettings, Samples
from ostinato.train import (
    History,
    Processes,
    Run,
    Silent,
    Solver,
    Supervised,
    TrainSettings,
    split_first,
)
from ostinato.typing import State

SETTINGS = TrainSettings(steps=12, lr=0.05, validate_every=4, patience=3)


class Steady(Wave):
    """The wave without chance, so that the parts of a batch can be compared with the whole."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.model = Stack(cells.LSTM(1, 5), nn.Linear(5, 1))


class Ragged(Steady):
    """Two classes for each step of sequences of 1 to 6 steps: parts with unlike numbers of them."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Stack(cells.GRU(1, 5), nn.Linear(5, 2))
        lengths = torch.tensor([6, 1, 2, 5, 4, 3, 6, 2, 1, 1])
        xs = torch.randn(6, 10, 1, generator=torch.Generator().manual_seed(0))
        samples = Samples.of(Batch(xs, (xs[..., 0] > 0).long(), lengths, per_step=True))
        self._batches = Batches(samples, BatchSettings(batch_size=5))

    def __len__(self) -> int:
        return len(self._batches)

    def batches(self, epoch: int, start: int) -> Iterator[Any]:
        return self._batches.batches(epoch, start)

    def initial_state(self) -> State:
        return ()

    def loss(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        ys, _ = unroll(self.model, batch.xs, lengths=batch.lengths)
        return F.cross_entropy(ys[batch.mask], batch.targets[batch.mask]), state


def supervised() -> Supervised:
    """A plain module over rows [B, 3], on three batches, of which the last is small."""
    torch.manual_seed(3)
    inputs = torch.randn(8, 3)
    pairs = list(zip(inputs.split(3), (inputs.sum(1) > 0).long().split(3), strict=True))
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return Supervised(model, F.cross_entropy, pairs, kind="classification")


def curve(task: Any, **options: Any) -> list[float]:
    """All losses, training and held-out, of a training."""
    history = History()
    Solver(task, SETTINGS, report=history, **options).fit()
    return history["loss"] + history["grad_norm"] + history["held_out_loss"]


class StopAt(Silent):
    """Sends this process a signal when a step is done."""

    def __init__(self, step: int) -> None:
        self.step = step

    def steps(self, records: list[dict[str, Any]]) -> None:
        if any(record["step"] == self.step for record in records):
            os.kill(os.getpid(), signal.SIGTERM)


def interrupted(folder: Path) -> None:
    """A run with dropout that never stops, and one that stops after step 6 and goes on."""
    main = Processes().main

    def begin(name: str) -> Run | None:
        return Run.create("wave", folder / name) if main else None

    def seeded(run: Run | None, report: Silent) -> Solver:
        solver = Solver(Wave(), SETTINGS, run=run, report=report)
        torch.manual_seed(7)
        return solver

    assert seeded(begin("whole"), Silent()).fit()
    stopped = seeded(begin("parts"), StopAt(6))
    assert not stopped.fit()
    assert stopped.interrupted == signal.SIGTERM
    resumed = Solver(Wave(), SETTINGS, run=Run(folder / "parts"))
    torch.manual_seed(999)  # chance must come from the checkpoint
    resumed.restore(Run(folder / "parts").load_checkpoint())
    assert resumed.progress.step == 6
    assert resumed.fit()


CURVES: dict[str, Callable[[], list[float]]] = {
    "wave": lambda: curve(Steady()),
    "ragged": lambda: curve(Ragged()),
    "supervised": lambda: curve(supervised(), split=split_first),
}


def main(folder: Path) -> None:
    """Run everything, and write the curves to ``curves.json``."""
    import ostinato.train.journal

    ostinato.train.journal._PATIENCE = -1  # every step is reported at once
    found = {name: make() for name, make in CURVES.items()}
    interrupted(folder)
    if Processes().main:
        (folder / "curves.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
