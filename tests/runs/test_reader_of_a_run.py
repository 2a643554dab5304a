"""How the file of a run was read is a section of settings, whoever has written it."""

from pathlib import Path
from typing import Any

import pytest

from ostinato.errors import ArgumentError
from ostinato.runs.reading import SECTION, how_read, reader_of
from ostinato.train import Run


def a_run(folder: Path, read: Any) -> Run:
    run = Run.create("text", folder / "run")
    run.write_config({"task": "text", SECTION: read})
    return run


def test_what_a_run_has_read_is_read_so_again(tmp_path: Path) -> None:
    run = a_run(tmp_path, {"separator": ";", "header": False, "time": "day"})
    assert how_read(run)["time"] == "day"
    assert reader_of(run).decided.given() == {"separator": ";", "header": False}


WRONG = [5, [], "x", None, True, {"encoding": 5}, {"time": ["a"]}, {"separator": {"a": 1}}]


@pytest.mark.parametrize("read", WRONG, ids=repr)
def test_anything_else_is_named(tmp_path: Path, read: Any) -> None:
    with pytest.raises(ArgumentError, match=r"config\.json: read"):
        reader_of(a_run(tmp_path, read))


def test_a_run_without_a_file_has_read_nothing(tmp_path: Path) -> None:
    run = Run.create("text", tmp_path / "run")
    run.write_config({"task": "text"})
    assert how_read(run) == {}
