"""Every kind of task by its name: a line for each family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostinato.runs import seq2seq, series, supervised, text
from ostinato.runs.job import Job
from ostinato.train import Run, RunError

FAMILIES: tuple[tuple[Job[Any], ...], ...] = (
    text.JOBS,
    supervised.JOBS,
    series.JOBS,
    seq2seq.JOBS,
)
JOBS: dict[str, Job[Any]] = {job.name: job for family in FAMILIES for job in family}


def job_of(config: Mapping[str, Any], run: Run) -> Job[Any]:
    """The job that a run belongs to. Raises RunError for a task of another version."""
    name = config.get("task")
    if isinstance(name, str) and name in JOBS:
        return JOBS[name]
    raise RunError(
        str(run.config_path), wanted=f"a task of {', '.join(JOBS)}", got=f"the task {name!r}"
    )
