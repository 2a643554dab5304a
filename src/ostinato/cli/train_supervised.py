"""``ostinato train adding``, ``copy``, ``toy``, ``cos``, ``digits``, ``classify`` and ``tag``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ostinato import __version__
from ostinato.cli.code import AllowCode
from ostinato.cli.options import (
    all_given,
    check_training,
    given,
    settled,
    with_path,
    with_settings,
    without,
)
from ostinato.cli.origin import From, begun_from, refuse_beside, source_with, take_weights
from ostinato.cli.screen import note, say
from ostinato.cli.training import train_run
from ostinato.data import BatchSettings, LabelledSettings
from ostinato.data.files import suggestion, what_is
from ostinato.data.settings import Settings
from ostinato.data.source import STDIN
from ostinato.errors import ArgumentError
from ostinato.runs import JOBS, Loaded
from ostinato.runs.reading import SECTION
from ostinato.runs.supervised import labelled_settings
from ostinato.tasks import CellSettings, Recipe, SupervisedTask
from ostinato.tasks.labelled import keep_encoding
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
        start: From = None,
        allow_code: AllowCode = False,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print one JSON object a step, and nothing else.")
        ] = False,
        data: Settings,
        model: CellSettings,
        batches: BatchSettings,
        training: TrainSettings,
    ) -> None:
        check_training(context, training, model.cell)
        check_source(context, recipe, source)
        training = settled(context, training)
        origin, model = begun_from(context, start, model, recipe.name, allow_code=allow_code)
        if origin is not None and isinstance(data, LabelledSettings):
            fixed = ("tokens", "min_frequency")
            refuse_beside(start, "vocabulary", *(name for name in fixed if given(context, name)))
            data = data.replace(tokens=labelled_settings(origin.run).tokens)
        config = config_of(context, recipe, source, data, model, batches, training)
        begin(recipe, config, run, training, origin, as_json=as_json)

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
    if source is not None and source != STDIN and not _is_there(recipe, source):
        raise ArgumentError(
            "FILE" if recipe.reads_columns else "FOLDER",
            wanted="a path that is there" if recipe.reads_columns else "a folder",
            got=what_is(source),
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


def _is_there(recipe: Recipe, source: Path) -> bool:
    return source.exists() if recipe.reads_columns else source.is_dir()


def config_of(
    context: typer.Context,
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
        "given": all_given(context),
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
    origin: Loaded | None,
    *,
    as_json: bool,
) -> None:
    """Make the run and train it."""
    run = Run.create(recipe.name, folder)
    job = JOBS[recipe.name]
    with run.beginning():
        if origin is not None and origin.task.problem.encoding is not None:
            keep_encoding(run.folder, origin.task.problem.encoding)
        task: Any = job.prepare(run, config)
        take_weights(task.model, origin)
        problem = task.problem
        source = source_with(problem.summary, origin)
        run.write_config({**config, "source": source, SECTION: dict(problem.read)})
    for line in [*problem.said, problem.summary]:
        say(line, as_json=as_json)
    for remark in (*problem.remarks(), *_unknown_words(task, origin)):
        note(remark)
    train_run(run, job, task, training, as_json=as_json)


def _unknown_words(task: SupervisedTask, origin: Loaded | None) -> Iterator[str]:
    """How many words a model that has learned before does not know."""
    problem = task.problem
    words = None if problem.encoding is None else problem.encoding.vocabulary
    if origin is not None and words is not None and words.unknown is not None:
        steps = problem.train.steps
        unknown = int((steps == words.unknown).sum())
        if unknown:
            yield (
                f"{unknown:,} of {len(steps):,} words are not known to the model of "
                f"{origin.run.folder}, and read as <unk>"
            )
