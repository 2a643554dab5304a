"""What checkers make of the results of `unroll` and of the drop-ins, in a script of a user's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"
SCRIPT, MISTAKES = HERE / "users_script.py", HERE / "users_mistakes.py"

PYRIGHT = ["basedpyright", "--pythonpath", sys.executable]
MYPY = ["mypy", "--strict", "--python-executable", sys.executable]


def said(checker: list[str], folder: Path, *files: Path) -> str:
    """What a checker prints about copies of the files, which lie outside this repository."""
    pytest.importorskip(checker[0], reason=f"{checker[0]} is not installed: extra [dev]")
    copies = [folder / file.name for file in files]
    for file, copy in zip(files, copies, strict=True):
        copy.write_text(file.read_text())
    found = subprocess.run(
        [sys.executable, "-m", *checker, *map(str, copies)],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(SOURCE), "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
    )
    assert not found.stderr, found.stderr
    return found.stdout


def configure_pyright(folder: Path) -> None:
    """As a user has it, with the source here in the place of an installation."""
    settings = f'{{"typeCheckingMode": "strict", "extraPaths": ["{SOURCE.as_posix()}"]}}'
    (folder / "pyrightconfig.json").write_text(settings)


def wrong_lines() -> set[int]:
    lines = MISTAKES.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}


def lines_with_errors(text: str) -> set[int]:
    name = re.escape(MISTAKES.name)
    return set(map(int, re.findall(rf"{name}:(\d+)(?::\d+)?(?: -|:) error", text)))


def test_pyright(tmp_path: Path) -> None:
    configure_pyright(tmp_path)
    text = said(PYRIGHT, tmp_path, SCRIPT, MISTAKES)
    assert SCRIPT.name not in text, text
    assert lines_with_errors(text) == wrong_lines(), text


def test_mypy(tmp_path: Path) -> None:
    text = said(MYPY, tmp_path, SCRIPT, MISTAKES)
    assert SCRIPT.name not in text, text
    assert lines_with_errors(text) == wrong_lines(), text


def test_the_script_runs() -> None:
    """So that what it says of types is said of calls that work."""
    exec(compile(SCRIPT.read_text(), str(SCRIPT), "exec"), {"__name__": "users_script"})
