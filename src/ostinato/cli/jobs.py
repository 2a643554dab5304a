"""Every kind of task by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostinato.cli.job import Job
from ostinato.cli.seq2seq_job import SEQ2SEQ
from ostinato.cli.series_job import SERIES
from ostinato.cli.supervised_job import job_for
from ostinato.cli.text_job import BIDIRECTIONAL, TEXT
from ostinato.tasks import RECIPES
from ostinato.train import Run, RunError

SUPERVISED = tuple(job_for(recipe) for recipe in RECIPES.values())
TASKS = (TEXT, *SUPERVISED, SERIES, SEQ2SEQ, BIDIRECTIONAL)
JOBS: dict[str, Job] = {job.name: job for job in TASKS}


def job_of(config: Mapping[str, Any], run: Run) -> Job:
    """The job that a run belongs to. Raises RunError for a task of another version."""
    name = config.get("task")
    if name in JOBS:
        return JOBS[str(name)]
    raise RunError(
        str(run.config_path), wanted=f"a task of {', '.join(JOBS)}", got=f"the task {name!r}"
    )
