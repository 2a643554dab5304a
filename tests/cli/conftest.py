"""The program called from Python, in a folder of its own, on a text that is soon learnt."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from ostinato.cli import main
from small_model import SMALL, VERSE


class Done(NamedTuple):
    """How a call ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a text in it."""
    monkeypatch.chdir(tmp_path)
    # Wide, so that no message of Typer's is broken in the middle.
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "verse.txt").write_text(VERSE)
    return tmp_path


@pytest.fixture
def ostinato(folder, monkeypatch, capsys) -> Callable[..., Done]:
    """``ostinato(*arguments)`` runs the program in this process."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["ostinato", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as exit:
            code = int(exit.code or 0)
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def trained(ostinato, folder) -> Path:
    """A run of 12 steps, ``runs/text-001``."""
    done = ostinato("train", "text", "verse.txt", *SMALL, "--steps", 12, "--validate-every", 5)
    assert done.code == 0, done.err
    return folder / "runs" / "text-001"
