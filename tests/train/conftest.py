"""Solvers of a tiny task."""

from typing import Any

import pytest
import torch
from noisy_wave import Wave

from ostinato.train import Run, Solver, TrainSettings


@pytest.fixture
def make_solver(tmp_path):
    """Solvers of the wave, each on a run of its own, or going on with one."""

    def make(
        name: str = "run",
        resume: bool = False,
        report: Any = None,
        task: Wave | None = None,
        **changes: Any,
    ) -> Solver:
        run = Run(tmp_path / name) if resume else Run.create("wave", tmp_path / name)
        settings = TrainSettings(
            steps=17, lr=0.01, ema=0.9, validate_every=4, sample_every=6
        ).replace(**changes)
        solver = Solver(task or Wave(), settings, run=run, report=report)
        if resume:
            torch.manual_seed(999)  # chance must come from the checkpoint
            solver.restore(run.load_checkpoint())
        else:
            torch.manual_seed(7)
        return solver

    return make
