"""The page of a run, from what the program has in hand when it trains or opens it."""

from __future__ import annotations

import json
import platform
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from ostinato import __version__
from ostinato.cli.screen import note
from ostinato.conclusion import Conclusion
from ostinato.report import Activations, Facts, write_page
from ostinato.runs import Job
from ostinato.runs.job import use_of
from ostinato.train import Run, Solver, Task


def note_command(run: Run, solver: Solver) -> None:
    """Write down the command that trains a run now, and with which versions."""
    said = {
        "began": datetime.now().astimezone().isoformat(timespec="seconds"),
        "arguments": sys.argv[1:],
        "ostinato": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "processes": solver.processes.count,
    }
    run.append(run.commands_path, [json.dumps(said) + "\n"])


def leave_page(
    run: Run, job: Job[Any], solver: Solver, conclusion: Conclusion | None = None
) -> Path | None:
    """Write the page of a run that has just been trained, or stopped; None where that fails.

    A run is worth more than its page: what goes wrong is told, and no more.
    """
    try:
        facts = Facts.of(
            solver,
            job.describe(solver.task),
            conclusion=conclusion,
            activations=activations(job, solver.task),
            defaults=job.defaults,
            go_on=ways_on(run, job, finished=solver.finished),
        )
        return write_page(run, facts)
    # whatever it is, in a task of the user or in a full disk, the weights are saved already
    except Exception as error:
        note(f"no {run.report_path.name}: {type(error).__name__}: {error}")
        return None


def activations(job: Job[Any], task: Task) -> Activations | None:
    """What the hidden units do, where the job can tell."""
    if job.activations is None:
        return None
    try:
        return job.activations(task)
    # a cell of the user may give anything; a page without them is a page still
    except Exception as error:
        note(f"no hidden activations in the page: {type(error).__name__}: {error}")
        return None


def ways_on(run: Run, job: Job[Any], *, finished: bool) -> list[tuple[str, str]]:
    """What one may do with a run, and the commands for it."""
    resume, use = run.command("train --resume"), use_of(run, job)
    measure = run.command("evaluate")
    ways = [("use it", use)] if finished else [("train on", resume)]
    if job.evaluate is not None and use != measure:
        ways.append(("measure it", measure))
    if finished:
        ways.append(("train for longer", f"{resume} --steps N"))
    return [*ways, ("make this page anew", run.command("report"))]
