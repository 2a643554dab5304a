"""``ostinato train TASK`` and ``ostinato train --resume RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.code import AllowCode
from ostinato.cli.job import open_run, section, train_settings
from ostinato.cli.jobs import job_of
from ostinato.cli.train_seq2seq import seq2seq
from ostinato.cli.train_series import series
from ostinato.cli.train_supervised import command_for
from ostinato.cli.train_text import text
from ostinato.cli.training import train_run
from ostinato.errors import ArgumentError
from ostinato.tasks import RECIPES
from ostinato.train.folders import command

train = typer.Typer(help="Train a model, or go on with a run that was stopped.")
train.command()(text)
for recipe in RECIPES.values():
    train.command(recipe.name)(command_for(recipe))
train.command()(series)
train.command()(seq2seq)


@train.callback(invoke_without_command=True)
def train_or_resume(
    context: typer.Context,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Go on with this run, exactly as if it had never stopped. A checkpoint file in "
            "RUN/checkpoints goes on from there.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=0, help="With --resume: change the number of steps of the whole run."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --resume: print one JSON object a step.")
    ] = False,
    allow_code: AllowCode = False,
) -> None:
    """Train a model, or go on with a run that was stopped."""
    task = context.invoked_subcommand
    if resume is None:
        _refuse_alone("--steps" if steps is not None else "--json" if as_json else None, task)
        if task is None:
            print(context.get_help())
    elif task is None:
        go_on(resume, steps, as_json=as_json)
    else:
        raise ArgumentError(
            "--resume",
            wanted="a run to go on with, or a task to begin",
            got=f"both --resume and {task}",
            remedy=f"A run knows its task and settings: {command('train --resume', resume)}",
        )


def _refuse_alone(flag: str | None, task: str | None) -> None:
    """Raise ArgumentError for a flag that belongs to --resume, or after the task."""
    if flag is None:
        return
    remedy = f"Put {flag} after {task}: ostinato train {task} {flag}" if task else ""
    raise ArgumentError(
        "--resume", wanted="the run to go on with", got=f"{flag} without --resume", remedy=remedy
    )


def go_on(path: Path, steps: int | None, *, as_json: bool) -> None:
    """Go on with the run at a directory, or from one of its checkpoints."""
    run, checkpoint = open_run(path)
    with run.claimed():
        config = run.read_config()
        if steps is not None:
            config["train"] = section(config, "train", run) | {"steps": steps}
        job = job_of(config, run)
        task, settings = job.build(run, config), train_settings(config, run)
        train_run(
            run,
            job,
            task,
            settings,
            resume=checkpoint or run.newest_checkpoint(),
            config=None if steps is None else config,
            as_json=as_json,
        )
