"""``ostinato report RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.code import AllowCode
from ostinato.cli.job import load_best, open_run, train_settings
from ostinato.cli.jobs import job_of
from ostinato.cli.page import activations, ways_on
from ostinato.cli.screen import say
from ostinato.report import Facts, write_page


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
    opened, checkpoint = open_run(run)
    config = opened.read_config()
    job = job_of(config, opened)
    task = job.build(opened, config)
    load_best(task.model, opened, checkpoint)
    task.model.eval()
    progress = opened.load_checkpoint(checkpoint, "progress")
    best = opened.load_checkpoint(checkpoint, "best")
    total = train_settings(config, opened).total_steps(len(task))
    finished = opened.read_result() is not None
    with opened.writing():
        figures, said = job.conclude(task)
    facts = Facts(
        job.describe(task),
        task.curve,
        progress["step"],
        total,
        progress["seconds"],
        best["step"],
        best["figures"],
        finished,
        figures,
        said,
        activations(job, task),
        job.defaults,
        ways_on(opened, job, finished=finished),
    )
    say(f"written: {write_page(opened, facts)}")
