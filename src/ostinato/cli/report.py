"""``ostinato report RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.code import AllowCode
from ostinato.cli.page import activations, ways_on
from ostinato.cli.screen import say
from ostinato.report import Facts, write_page
from ostinato.runs.job import checkpoint_at, train_settings
from ostinato.runs.load import load_run


def report(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run, or one of its checkpoint files.")
    ],
    *,
    allow_code: AllowCode = False,
) -> None:
    """Make the page of a run anew: report.html, with its curves, samples and settings.

    Training leaves one at its end; this makes one for a run that was killed, or is old. It shows
    the best weights, and draws the task's own pictures again.
    """
    loaded = load_run(run, allow_code=allow_code)
    opened, job, task = loaded.run, loaded.job, loaded.task
    checkpoint = checkpoint_at(run)
    progress = opened.load_checkpoint(checkpoint, "progress")
    best = opened.load_checkpoint(checkpoint, "best")
    total = train_settings(opened.read_config(), opened).total_steps(len(task))
    finished = opened.read_result() is not None
    facts = Facts(
        job.describe(task),
        task.curve,
        progress["step"],
        total,
        progress["seconds"],
        best["step"],
        best["figures"],
        finished,
        job.conclude(task, opened.folder),
        activations(job, task),
        job.defaults,
        ways_on(opened, job, finished=finished),
    )
    say(f"written: {write_page(opened, facts)}")
