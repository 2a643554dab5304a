"""A run of a task that nobody knows is refused in words, whatever its task is said to be."""

from pathlib import Path
from typing import Any

import pytest

from ostinato.runs import JOBS, job_of
from ostinato.train import Run, RunError


@pytest.mark.parametrize("name", JOBS)
def test_a_job_is_found_by_its_name(tmp_path: Path, name: str) -> None:
    assert job_of({"task": name}, Run.create("any", tmp_path / "run")).name == name


@pytest.mark.parametrize("task", [None, 5, "", "txet", {"a": 1}, ["text"], True])
def test_other_tasks_are_refused(tmp_path: Path, task: Any) -> None:
    with pytest.raises(RunError, match="wanted a task of text, "):
        job_of({"task": task}, Run.create("any", tmp_path / "run"))
