"""``ostinato train adding``, ``copy``, ``toy``, ``cos``, ``digits``, ``classify`` and ``tag``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ostinato import __version__
from ostinato.cli.files import SECTION, announce
from ostinato.cli.jobs import JOBS
from ostinato.cli.options import check_training, given, settled, with_path, with_settings, without
from ostinato.cli.screen import say
from ostinato.cli.training import train_run
from ostinato.data import BatchSettings
from ostinato.data.files import suggestion
from ostinato.data.settings import Settings
from ostinato.data.source import STDIN
from ostinato.errors import ArgumentError
from ostinato.tasks import CellSettings, Recipe
from ostinato.train import Run, TrainSettings


def command_for(recipe: Recipe) -> Callable[..., Any]:
    """The command that trains a task."""

    @with_settings(**panels(recipe))
    def command(
        context: typer.Context,
        *,
        source: Path | None = None,
        run: Annotated[
            Path | None,
            typer.Option(help="A new directory; by default runs/TASK-001, and so on."),
        ] = None,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print one JSON object a step, and nothing else.")
        ] = False,
        data: Settings,
        model: CellSettings,
        batches: BatchSettings,
        training: TrainSettings,
    ) -> None:
        check_training(context, training)
        check_source(context, recipe, source)
        training = settled(context, training)
        config = config_of(recipe, source, data, model, batches, training)
        begin(recipe, config, run, training, as_json=as_json)

    return finished(recipe, command, help_of(recipe))


def panels(recipe: Recipe) -> dict[str, Settings]:
    """The settings of a task by the panel of the help that shows them."""
    training = TrainSettings(**recipe.training)
    return {
        "data": recipe.data,
        "model": recipe.model,
        "batches": recipe.batches,
        "training": training,
    }


def finished(recipe: Recipe, command: Callable[..., Any], help: str) -> Callable[..., Any]:
    """A command with its help and, where the task reads a file, the argument for it."""
    command.__doc__, command.__name__ = help, recipe.name
    command = without("source", command)
    if not recipe.source:
        return command
    metavar = "FILE" if recipe.reads_columns else "FOLDER"
    return with_path("source", metavar, recipe.source)(command)


def help_of(recipe: Recipe) -> str:
    """What the help of the command says first."""
    return (
        f"{recipe.summary}\n\nIt leaves a run directory with settings, metrics, checkpoints, "
        "curves and predictions. Ctrl-C saves and stops; "
        "[bold]ostinato train --resume RUN[/] goes on, exactly."
    )


def check_source(context: typer.Context, recipe: Recipe, source: Path | None) -> None:
    """Raise ArgumentError for a path that is not there, and for its flags without it."""
    if source is not None and source != STDIN and not source.exists():
        raise ArgumentError(
            "FILE" if recipe.reads_columns else "FOLDER",
            wanted="a path that is there",
            got=f"{source}, which does not exist",
            remedy=suggestion(source),
        )
    if source is not None or not recipe.reads_columns:
        return
    for field in dataclasses.fields(recipe.data):
        if given(context, field.name):
            raise ArgumentError(
                "FILE",
                wanted="the table that the flags are about",
                got=f"--{field.name.replace('_', '-')} without a file",
                remedy=f"Name it: ostinato train {recipe.name} FILE ...",
            )


def config_of(
    recipe: Recipe,
    source: Path | None,
    data: Settings,
    model: CellSettings,
    batches: BatchSettings,
    training: TrainSettings,
) -> dict[str, Any]:
    """The config of a run."""
    return {
        "ostinato": __version__,
        "task": recipe.name,
        "file": None if source is None else str(source if source == STDIN else source.resolve()),
        "data": data.as_dict(),
        "model": model.as_dict(),
        "batches": batches.as_dict(),
        "train": training.as_dict(),
    }


def begin(
    recipe: Recipe,
    config: dict[str, Any],
    folder: Path | None,
    training: TrainSettings,
    *,
    as_json: bool,
) -> None:
    """Make the run and train it."""
    run = Run.create(recipe.name, folder)
    job = JOBS[recipe.name]
    if config["file"] is not None:
        announce(Path(config["file"]), as_json=as_json)
    with run.beginning():
        task: Any = job.build(run, config)
        problem = task.problem
        run.write_config({**config, "source": problem.summary, SECTION: dict(problem.read)})
    for line in [*problem.said, problem.summary]:
        say(line, as_json=as_json)
    train_run(run, job, task, training, as_json=as_json)
