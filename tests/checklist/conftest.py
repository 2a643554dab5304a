"""The program, called in a folder of its own."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ostinato.cli import main


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Callable[..., str]:
    """``call("train adding", "--seed", 1)`` runs the program, which is to end well; what it prints.

    The words of a line stand between spaces; arguments with spaces in them follow it.
    """
    monkeypatch.chdir(tmp_path)

    def run(line: str, *more: object) -> str:
        monkeypatch.setattr(sys, "argv", ["ostinato", *line.split(), *map(str, more)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert not end.value.code, said.err
        return said.out

    return run
