"""``ostinato evaluate RUN [FILE...]``."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ostinato.cli.code import AllowCode
from ostinato.cli.files import refuse_without_file
from ostinato.cli.options import with_settings
from ostinato.cli.paths import check_file, check_folder
from ostinato.cli.places import Places
from ostinato.cli.screen import say, show, tell_notes
from ostinato.data import ReadSettings, atomic
from ostinato.errors import ArgumentError
from ostinato.runs import JOBS, Job, job_of
from ostinato.runs.job import Reading, open_run
from ostinato.runs.load import load_run
from ostinato.train import Run, RunError


@with_settings(reading=ReadSettings, places=Places)
def evaluate(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run, or one of its checkpoint files.")
    ],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Texts, one table with labels or pairs as the run has learned from, or one with "
            "newer rows of its series; without any, what the run has held out.",
        ),
    ] = None,
    *,
    columns: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Read texts at so many places side by side. With 1, the state is carried from the "
            "first character to the last; so it is by default up to half a million tokens, and a "
            "longer text has a place for each 10,000.",
        ),
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the curves of the training there, as CSV."),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Draw the pictures of toy, cos and attention there, too."
        ),
    ] = None,
    stochastic: Annotated[
        bool, typer.Option(help="attention: look at drawn places, in place of their mean.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    allow_code: AllowCode = False,
    reading: ReadSettings,
    places: Places,
) -> None:
    """Measure the best weights of a run: the figures of its task, on held-out data or on files.

    For text these are bits per character, loss and perplexity; for labels, accuracy and the
    confusion matrix; for numbers, the mean squared error; for series, MASE beside baselines.
    """
    opened, _ = open_run(run, allow_code=allow_code)
    job = job_of(opened.read_config(), opened)
    if job.evaluate is None:
        raise RunError(
            str(run), wanted="a run of a task with held-out data", got=f"one of {job.name}"
        )
    _check_options(job, pictures=pictures, stochastic=stochastic)
    check_file("--curves", curves)
    check_folder("--pictures", pictures)
    _check_files(job, {**reading.given(), **places.given()}, paths)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
    # attention draws its places then, whatever its settings say
    changes = {"model": {"stochastic": True}} if stochastic else {}
    loaded = load_run(run, allow_code=allow_code, **changes)
    how = Reading(columns, pictures, reading, places.given())
    found = job.evaluate(loaded.task, opened, paths or [], how)
    if curves is not None:
        write_curves(opened, curves)
        say(f"curves in {curves}", as_json=as_json)
    tell_notes(found)
    show(json.dumps(found.figures) if as_json else str(found))


def _check_options(job: Job[Any], **options: Path | bool | None) -> None:
    """Raise ArgumentError for an option that means nothing for this task."""
    for name, value in options.items():
        if value and name not in job.options:
            known = [other.name for other in JOBS.values() if name in other.options]
            raise ArgumentError(
                f"--{name}", wanted=f"a run of {' or '.join(known)}", got=f"one of {job.name}"
            )


def _check_files(job: Job[Any], given: Mapping[str, Any], paths: list[Path] | None) -> None:
    """Raise ArgumentError for a flag about files that means nothing for this task, or has none."""
    for name in given:
        if name not in job.reads:
            known = [other.name for other in JOBS.values() if name in other.reads]
            raise ArgumentError(
                name, wanted=f"a run of {', '.join(known)}", got=f"one of {job.name}"
            )
    refuse_without_file(given, paths)


def write_curves(run: Run, path: Path) -> None:
    """The numbers of each step of a run as CSV; fields of other steps' figures are empty."""
    records = run.metrics()
    names = list(dict.fromkeys(name for record in records for name in record))
    with atomic(path, "w") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
