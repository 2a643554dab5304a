"""``ostinato compare TASK``: cells side by side."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ostinato.cli.comparison import Comparison, Contestant, contestants
from ostinato.cli.options import check_training, settled, with_settings, without
from ostinato.cli.page import leave_page, note_command
from ostinato.cli.screen import choose_report, note, say
from ostinato.cli.train_supervised import check_source, config_of, finished, panels
from ostinato.cli.training import with_threads
from ostinato.data import BatchSettings
from ostinato.data.settings import Settings
from ostinato.runs import JOBS
from ostinato.runs.reading import SECTION
from ostinato.tasks import RECIPES, CellSettings, Recipe, SupervisedTask
from ostinato.train import DivergedError, Run, Solver, TrainSettings
from ostinato.train.run import make_named, next_free

compare = typer.Typer(
    no_args_is_help=True,
    help="Train several cells on one task with the same data and budget: a figure and a table.",
)


def command_for(recipe: Recipe) -> Callable[..., Any]:
    """The command that compares cells on a task."""

    @with_settings(**panels(recipe))
    def command(
        context: typer.Context,
        *,
        source: Path | None = None,
        cells: Annotated[
            str,
            typer.Option(
                help="Cells between commas, each as --cell of train takes it, with @SIZE for "
                "another number of hidden units than --size, such as elman@64,lstm@100."
            ),
        ] = "elman,lstm,gru",
        seeds: Annotated[
            int, typer.Option(min=1, help="Trainings of each cell; seeds count up from --seed.")
        ] = 3,
        run: Annotated[
            Path | None,
            typer.Option(help="A new directory; by default runs/compare-TASK-001, and so on."),
        ] = None,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print compare.json, and nothing else.")
        ] = False,
        data: Settings,
        model: CellSettings,
        batches: BatchSettings,
        training: TrainSettings,
    ) -> None:
        check_training(context, training, model.cell)
        check_source(context, recipe, source)
        chosen = contestants(cells, model)
        training = settled(context, training)
        config = config_of(context, recipe, source, data, model, batches, training)
        folder = _folder(recipe, run)
        comparison = Comparison(folder, recipe.name)
        for each in chosen:
            for seed in range(training.seed, training.seed + seeds):
                once = {**config, "model": each.model.as_dict()}
                once["given"] = [*config["given"], "cell", "size"]  # as --cells says
                once["train"] = training.replace(seed=seed).as_dict()
                _train(recipe, once, comparison, each, seed, as_json=as_json)
        comparison.finish(as_json=as_json)

    return finished(recipe, without("cell", command), _help(recipe))


def _folder(recipe: Recipe, run: Path | None) -> Path:
    if run is None:
        return next_free(Path("runs"), f"compare-{recipe.name}")
    make_named(run)
    return run


def _help(recipe: Recipe) -> str:
    return (
        f"{recipe.summary}\n\nEvery cell learns from the same data in the same number of steps. In "
        "the directory: compare.png (held-out curves: mean, least and most of the seeds), "
        "compare.json, and a run for each cell and seed."
    )


def _train(
    recipe: Recipe,
    config: dict[str, Any],
    comparison: Comparison,
    contestant: Contestant,
    seed: int,
    *,
    as_json: bool,
) -> None:
    """One run of the comparison."""
    run = Run.create(recipe.name, comparison.folder / f"{contestant.folder}-{seed}")
    job = JOBS[recipe.name]
    task: Any = job.prepare(run, config)
    assert isinstance(task, SupervisedTask)
    run.write_config({**config, "source": task.problem.summary, SECTION: dict(task.problem.read)})
    comparison.say_once(task.problem.said, as_json=as_json)
    settings = with_threads(run, task, TrainSettings(**config["train"]))
    title = f"{contestant.name}, seed {seed}"
    if not as_json:
        say(title)
    report = None if as_json else choose_report(title, as_json=False)
    solver = Solver(task, settings, run=run, report=report)
    note_command(run, solver)
    try:
        ended = solver.fit()
    except DivergedError as error:
        note(f"{title} is left out: {error}")
        comparison.leave_out(contestant, seed, task)
        return
    if not ended:
        say(f"stopped; the runs that are done are in {comparison.folder}", as_json=as_json)
        raise typer.Exit(128 + (solver.interrupted or signal.SIGINT))
    comparison.add(contestant, seed, run, task, solver)
    leave_page(run, job, solver, job.conclude(task, run.folder))


for recipe in RECIPES.values():
    compare.command(recipe.name)(command_for(recipe))
