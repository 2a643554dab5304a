"""Supervised tasks as jobs: a problem and a model in a run's directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ostinato.cli.files import LABEL_FLAGS, note_decisions, reader_of
from ostinato.cli.hidden import of_sequence
from ostinato.cli.job import (
    Job,
    Judged,
    Reading,
    load_task,
    section,
    set_up,
    train_settings,
)
from ostinato.data import (
    BatchSettings,
    Encoding,
    FileSettings,
    LabelledSettings,
    Sequences,
    read_sequences,
)
from ostinato.data.typed import check_type
from ostinato.errors import ArgumentError
from ostinato.tasks import (
    RECIPES,
    Problem,
    Recipe,
    SequenceModel,
    SupervisedTask,
    VisualAttention,
)
from ostinato.tasks.model import sequence_model
from ostinato.train import Run, RunError, TrainSettings


def build(recipe: Recipe, run: Run, config: Mapping[str, Any]) -> SupervisedTask:
    """The task of a run, its weights drawn by the seed of the config."""
    where = str(run.config_path)
    batches = BatchSettings.from_dict(section(config, "batches", run), where)
    model = type(recipe.model).from_dict(section(config, "model", run), where)
    problem = build_problem(recipe, run, config)
    training = train_settings(config, run)
    set_up(training)
    made = recipe.make(problem, model).to(training.torch_device())
    return SupervisedTask(
        recipe.name, made, problem, batches, seed=training.seed, folder=run.folder
    )


def build_problem(recipe: Recipe, run: Run, config: Mapping[str, Any]) -> Problem:
    """The data of a run: at first from the user's file, later from what the run has kept of it."""
    settings = type(recipe.data).from_dict(section(config, "data", run), str(run.config_path))
    check_type(f"{run.config_path}: file", config.get("file"), str | None)
    source, begun = config.get("file"), run.config_path.is_file()
    if begun and source is not None and not (run.folder / "data").is_dir():
        raise RunError(
            str(run.folder / "data"),
            wanted="what the run has kept of its data",
            got="nothing",
            remedy=f"It learned from {source}: begin a new run with that.",
        )
    return recipe.problem(settings, None if begun or not source else Path(source), run.folder)


def describe(task: SupervisedTask) -> str:
    """The model in a few words."""
    number = sum(p.numel() for p in task.model.parameters())
    assert isinstance(task.model, SequenceModel | VisualAttention)
    return f"{task.model.summary()}, {number:,} parameters"


def conclude(task: SupervisedTask) -> Judged:
    """The final held-out figures, with predictions beside the truth."""
    return task.conclude()


def load(
    path: Path, names: Sequence[str] = tuple(RECIPES), *, stochastic: bool = False
) -> SupervisedTask:
    """The task of a run with its best weights. Raises RunError for a task of another name.

    ``stochastic`` lets attention draw its places, whatever its settings say.
    """

    def made(run: Run, config: dict[str, Any]) -> SupervisedTask:
        if stochastic:
            config["model"] = section(config, "model", run) | {"stochastic": True}
        return build(RECIPES[config["task"]], run, config)

    return load_task(path, names, made)


def evaluate(run: Run, checkpoint: Path | None, paths: Sequence[Path], reading: Reading) -> Judged:
    """The figures on what is held out, or on a table with labels."""
    task = load(checkpoint or run.folder, stochastic=reading.stochastic)
    if paths:
        task = _on_file(task, run, paths, reading)
    task.folder = reading.pictures  # those in the run belong to the end of its training
    return task.conclude()


def _on_file(
    task: SupervisedTask, run: Run, paths: Sequence[Path], reading: Reading
) -> SupervisedTask:
    encoding = task.problem.encoding
    if encoding is None or len(paths) > 1:
        raise ArgumentError(
            "FILE",
            wanted=f"no file for a run of {task.name}" if encoding is None else "one table",
            got=", ".join(map(str, paths)),
            remedy="Without a file, the run is measured on what it has held out.",
        )
    per_step = task.problem.train.per_step
    settings = labelled_settings(run).replace(**reading.places)
    sequences = read_for(
        run, encoding, paths[0], settings, reading.files, per_step=per_step, labelled=True
    )
    return SupervisedTask(
        task.name, task.model, task.problem.on(encoding.samples(sequences)), seed=0
    )


def read_for(
    run: Run,
    encoding: Encoding,
    path: Path,
    settings: LabelledSettings,
    given: FileSettings,
    *,
    per_step: bool,
    labelled: bool = False,
) -> Sequences:
    """The sequences of another file for a run, read as the run's own file was."""
    reader = reader_of(run, given)
    sequences = read_sequences(
        path,
        settings,
        per_step=per_step,
        labelled=labelled,
        words=encoding.vocabulary is not None,
        reader=reader,
    )
    note_decisions(reader)
    return sequences


def labelled_settings(run: Run) -> LabelledSettings:
    """Where the sequences of a run's files stand."""
    data = section(run.read_config(), "data", run)
    return LabelledSettings.from_dict(data, str(run.config_path))


def explain_model(task: SupervisedTask) -> str:
    """Which backend runs each layer, on a batch of the data."""
    assert isinstance(task.model, SequenceModel | VisualAttention)
    batch = next(task.batches(0, 0)).to(task.device)
    return "\n".join(map(str, task.model.explain(batch.xs, batch.lengths)))


def drawn(task: SupervisedTask) -> tuple[nn.Module, tuple[Tensor]]:
    """The model, and two sequences."""
    return task.model, (next(task.batches(0, 0)).xs[:, :2],)


def job_for(recipe: Recipe) -> Job:
    """The job of a recipe."""
    use = {"classify": "ostinato classify {run} FILE", "tag": "ostinato tag {run} FILE"}
    options: dict[str, tuple[str, ...]] = {
        "toy": ("pictures",),
        "cos": ("pictures",),
        "attention": ("pictures", "stochastic"),
    }
    return Job(
        recipe.name,
        partial(build, recipe),
        describe,  # pyright: ignore[reportArgumentType]
        conclude,  # pyright: ignore[reportArgumentType]
        evaluate,
        explain_model,  # pyright: ignore[reportArgumentType]
        drawn,  # pyright: ignore[reportArgumentType]
        use.get(recipe.name, Job.use),
        options.get(recipe.name, ()),
        LABEL_FLAGS if recipe.reads_columns else (),
        # pictures tell more of a model that looks at pieces of an image
        activations=of_sequence if recipe.make is sequence_model else None,  # pyright: ignore
        defaults={
            "data": recipe.data,
            "model": recipe.model,
            "batches": recipe.batches,
            "train": TrainSettings(**recipe.training),
        },
    )
