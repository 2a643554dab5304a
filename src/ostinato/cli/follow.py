"""Training in several processes: what each does but the main one, which runs the command."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from ostinato.cli.code import find_cells_here
from ostinato.runs import job_of
from ostinato.runs.job import train_settings
from ostinato.train import DivergedError, Processes, Run, Solver


def is_follower() -> bool:
    """Whether a launcher started this process to train with another that runs the command."""
    training = sys.argv[1:2] == ["train"] and not {"-h", "--help"} & set(sys.argv)
    return training and os.environ.get("RANK", "0") != "0"


def lead(processes: Processes, run: Run, resume: Path | None) -> None:
    """Tell the followers what to train: the directory of a run says everything."""
    processes.told(
        {
            "run": str(run.folder.resolve()),
            "resume": resume and str(resume.resolve()),
            "allow_code": run.allow_code,
        }
    )


def follow() -> None:
    """Wait until the main process has made or opened its run, and train that with it.

    The directory must be one that all machines see.
    """
    told: dict[str, Any] = Processes().told(None)
    if not told["resume"]:  # the user has just typed the name of the cell
        find_cells_here()
    run = Run.open(Path(told["run"]), allow_code=told["allow_code"])
    config = run.read_config()
    settings = train_settings(config, run)
    solver = Solver(job_of(config, run).build(run, config), settings)
    if told["resume"]:
        solver.restore(run.load_checkpoint(Path(told["resume"])))
    try:
        finished = solver.fit()
    except DivergedError:
        sys.exit(1)  # the main process tells of it
    if not finished:
        sys.exit(128 + (solver.interrupted or signal.SIGTERM))
