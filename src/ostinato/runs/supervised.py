"""Supervised tasks as jobs: a problem and a model in a run's directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ostinato._stages import stage
from ostinato.conclusion import Conclusion
from ostinato.data import (
    BatchSettings,
    Encoding,
    LabelledSettings,
    Reader,
    Samples,
    Sequences,
    read_sequences,
)
from ostinato.data.source import source_words
from ostinato.data.typed import check_type
from ostinato.errors import ArgumentError
from ostinato.runs import exports
from ostinato.runs.activations import of_sequence
from ostinato.runs.job import Job, Reading, section, set_up, train_settings
from ostinato.runs.reading import LABEL_FLAGS, reader_of
from ostinato.tasks import (
    RECIPES,
    Problem,
    Recipe,
    SequenceModel,
    SupervisedTask,
    VisualAttention,
)
from ostinato.tasks.labelled import ENCODING
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
    return SupervisedTask(recipe.name, made, problem, batches, seed=training.seed)


def build_problem(recipe: Recipe, run: Run, config: Mapping[str, Any]) -> Problem:
    """The data of a run: at first from the user's file, later from what the run has kept of it."""
    settings = type(recipe.data).from_dict(section(config, "data", run), str(run.config_path))
    check_type(f"{run.config_path}: file", config.get("file"), str | None)
    source, begun = config.get("file"), run.config_path.is_file()
    if begun and source is not None and not _has_data(run.folder):
        raise RunError(
            str(run.folder / "data"),
            wanted="what the run has kept of its data",
            got="nothing",
            remedy=f"It learned from {source}: begin a new run with that.",
        )
    return recipe.problem(settings, None if begun or not source else Path(source), run.folder)


def _has_data(folder: Path) -> bool:
    """Whether a run has kept data of the user's; an encoding may be that of another run."""
    return any(path.name != ENCODING for path in (folder / "data").glob("*"))


def describe(task: SupervisedTask) -> str:
    """The model in a few words."""
    number = sum(p.numel() for p in task.model.parameters())
    assert isinstance(task.model, SequenceModel | VisualAttention)
    return f"{task.model.summary()}, {number:,} parameters"


def conclude(task: SupervisedTask, folder: Path | None) -> Conclusion:
    """The final held-out figures, with predictions beside the truth; pictures go to a folder."""
    return task.conclude(folder)


def evaluate(task: SupervisedTask, run: Run, paths: Sequence[Path], reading: Reading) -> Conclusion:
    """The figures on what is held out, or on a table with labels."""
    if not paths:
        return task.conclude(reading.pictures)
    encoding = task.problem.encoding
    if encoding is None or len(paths) > 1:
        raise ArgumentError(
            "FILE",
            wanted=f"no file for a run of {task.name}" if encoding is None else "one table",
            got=", ".join(map(str, paths)),
            remedy="Without a file, the run is measured on what it has held out.",
        )
    settings, reader = (
        labelled_settings(run).replace(**reading.places),
        reader_of(run, reading.files),
    )
    per_step = task.problem.train.per_step
    _, samples = read_for(encoding, paths[0], settings, reader, per_step=per_step, labelled=True)
    on_file = SupervisedTask(task.name, task.model, task.problem.on(samples), seed=0)
    found = on_file.conclude(reading.pictures)
    return replace(found, notes=[*reader.said, *found.notes])


def read_for(
    encoding: Encoding,
    path: Path,
    settings: LabelledSettings,
    reader: Reader,
    *,
    per_step: bool,
    labelled: bool,
) -> tuple[Sequences, Samples]:
    """The sequences of another file for a run, as they are and as its model reads them."""
    with stage(f"reading {source_words(path)}"):
        sequences = read_sequences(
            path,
            settings,
            per_step=per_step,
            labelled=labelled,
            words=encoding.vocabulary is not None,
            reader=reader,
        )
        samples = encoding.samples(sequences)
    # as in training; a tag is said of every step
    return sequences, samples if per_step else samples.cut(settings.max_length)


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


def job_for(recipe: Recipe) -> Job[SupervisedTask]:
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
        describe,
        conclude,
        evaluate,
        explain_model,
        drawn,
        use.get(recipe.name, Job.use),
        options.get(recipe.name, ()),
        LABEL_FLAGS if recipe.reads_columns else (),
        # pictures tell more of a model that looks at pieces of an image
        activations=of_sequence if recipe.make is sequence_model else None,
        exported=exports.of_supervised,
        defaults={
            "data": recipe.data,
            "model": recipe.model,
            "batches": recipe.batches,
            "train": TrainSettings(**recipe.training),
        },
    )


JOBS = tuple(job_for(recipe) for recipe in RECIPES.values())
