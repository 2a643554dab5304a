"""The code that a run asks for: nothing is imported before it is allowed, nothing from a run."""

import json
import sys
from pathlib import Path

import pytest

from ostinato.train import CodeError, Run, RunError

MINE = """
from ostinato.cells import GRU as Mine

def make(inputs, size):
    return Mine(inputs, size)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, with a module that leaves a mark when it is imported."""
    mark = tmp_path / "mark"
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] in ("mine", "runs")]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "mine.py").write_text(f"open({str(mark)!r}, 'w').close()\n{MINE}")
    return tmp_path


def a_run(folder: Path, cell: object) -> Path:
    """A run with this cell, as its maker made it."""
    run = Run.create("text", folder)
    run.write_config({"ostinato": "0.1.0", "task": "text", "model": {"cell": cell, "size": 3}})
    return folder


LIBRARY = ["lstm", "gru", "elman", "ostinato.cells:MGU", "torch.nn:LSTMCell", "lsmt", 3, None]


@pytest.mark.parametrize("cell", LIBRARY)
def test_cells_of_the_library_need_nothing(tmp_path: Path, cell: object) -> None:
    assert Run.open(a_run(tmp_path / "run", cell)).read_config()["model"]["cell"] == cell


def test_other_code_is_named_and_not_imported(folder: Path) -> None:
    run = a_run(folder / "run", "mine:Mine")
    with pytest.raises(CodeError) as error:
        Run.open(run).read_config()
    said = str(error.value)
    assert f"'mine:Mine', which would be imported from {folder / 'mine.py'}" in said
    assert "--allow-code" in said
    assert "allow_code=True" in said
    assert not (folder / "mark").exists()
    assert isinstance(error.value, RunError)


def test_what_is_allowed_is_imported(folder: Path) -> None:
    config = Run.open(a_run(folder / "run", "mine:Mine"), allow_code=True).read_config()
    assert config["model"]["cell"] == "mine:Mine"
    assert (folder / "mark").exists()


@pytest.mark.parametrize("inside", ["evil", "runs.one.evil", "runs.other.evil"])
def test_nothing_is_imported_from_a_run(folder: Path, inside: str, monkeypatch) -> None:
    run = a_run(folder / "runs" / "one", f"{inside}:Mine")
    other = a_run(folder / "runs" / "other", "lstm")
    if inside == "evil":
        monkeypatch.syspath_prepend(str(run))
    for place in (run, other):
        (place / "evil.py").write_text(f"open({str(folder / 'mark')!r}, 'w').close()\n{MINE}")
        (place / "__init__.py").write_text(f"open({str(folder / 'mark')!r}, 'w')\n")
    for allowed in (False, True):
        with pytest.raises(CodeError, match="inside of a run"):
            Run.open(run, allow_code=allowed).read_config()
    assert not (folder / "mark").exists()


@pytest.mark.parametrize(
    "cell", ["os:system", "builtins:exec", "mine:make", "torch.nn:Linear", "subprocess:Popen"]
)
def test_what_is_no_class_of_cells_is_never_called(folder: Path, cell: str) -> None:
    with pytest.raises(CodeError, match="wanted a class of cells"):
        Run.open(a_run(folder / "run", cell), allow_code=True).read_config()


def test_code_that_is_not_found(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", "no.such:Cell")
    with pytest.raises(CodeError, match="if Python found it"):
        Run.open(run).read_config()


def test_the_maker_of_a_run_has_named_its_cell(folder: Path) -> None:
    run = Run.create("text", folder / "run")
    run.write_config({"task": "text", "model": {"cell": "mine:Mine"}})
    assert run.read_config()["model"]["cell"] == "mine:Mine"
    assert run.command("sample").endswith("run --allow-code")


def test_a_project_with_a_config_is_no_run(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"lint": True}))
    (folder / "checkpoints").mkdir()
    run = a_run(folder / "run", "mine:Mine")
    assert Run.open(run, allow_code=True).read_config()
