"""docs/from-torch-rnn.md is true: what it names exists, and each capability has its test."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "from-torch-rnn.md"
OLD, ROWS = ["old name", "here", "note"], ["row", "capability", "here", "test"]
NAME = re.compile(r"(?:ostinato|torch)(?:\.\w+)+")

NUMBER = 110
"""How many capabilities the inventory of the older systems has."""


class Line(NamedTuple):
    """A line of a table: the section it stands in, the head of the table, its cells."""

    section: str
    head: list[str]
    cells: list[str]

    def codes(self, column: str) -> list[str]:
        """What stands in backticks in a column."""
        return re.findall(r"`([^`]+)`", self.cells[self.head.index(column)])

    def __str__(self) -> str:
        return self.cells[0]


def lines(text: str) -> Iterator[Line]:
    """The lines of all tables of a page."""
    section, head = "", []
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:]
        if not line.startswith("|"):
            head = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" |")]
        if not head:
            head = cells
        elif not set(cells[0]) <= set("-: "):
            yield Line(section, head, cells)


LINES = list(lines(PAGE.read_text()))
OLD_NAMES = [line for line in LINES if line.head == OLD]
CAPABILITIES = [line for line in LINES if line.head == ROWS]


def exists(name: str) -> bool:
    """Whether a dotted name can be reached by importing modules and reading attributes."""
    first, *rest = name.split(".")
    found: object = importlib.import_module(first)
    for i, part in enumerate(rest):
        if not hasattr(found, part):
            try:
                importlib.import_module(".".join([first, *rest[: i + 1]]))
            except ModuleNotFoundError:
                return False
        found = getattr(found, part)
    return True


def checklist() -> set[str]:
    """The names of the tests of tests/checklist."""
    return {
        node.name
        for path in (TESTS / "checklist").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def old_names(line: Line) -> list[str]:
    """The names of a line; where more is said than names, all of it is one."""
    codes = line.codes("old name")
    bare = ", ".join(f"`{code}`" for code in codes) == line.cells[0]
    return codes if bare else [line.cells[0]]


def row(line: Line) -> int:
    return int(line.cells[0])


def test_every_table_is_of_a_known_form() -> None:
    assert OLD_NAMES
    assert CAPABILITIES
    for line in LINES:
        assert line.head in (OLD, ROWS), line
        assert len(line.cells) == len(line.head), line


@pytest.mark.parametrize("line", LINES, ids=str)
def test_named_objects_exist(line: Line) -> None:
    checked = [column for column in ("here", "note") if column in line.head]
    for code in (code for column in checked for code in line.codes(column)):
        for name in NAME.findall(code):
            assert exists(name), f"{line}: there is no {name}"


@pytest.mark.parametrize("line", OLD_NAMES, ids=str)
def test_every_old_name_has_something_here_or_a_reason(line: Line) -> None:
    here, note = line.cells[1:]
    if here in ("-", "—"):
        assert note, line
    else:
        assert any(NAME.match(code) for code in line.codes("here")), line


def test_no_old_name_stands_twice() -> None:
    seen: set[tuple[str, str]] = set()
    for line in OLD_NAMES:
        for name in old_names(line):
            assert (line.section, name) not in seen, f"{line.section}: {name} stands twice"
            seen.add((line.section, name))


@pytest.mark.parametrize("line", CAPABILITIES, ids=str)
def test_the_tests_of_a_row_exist(line: Line) -> None:
    known = checklist()
    named = [code for code in line.codes("test") if code.startswith("test_")]
    assert named, line
    for pattern in named:
        assert any(fnmatchcase(name, pattern) for name in known), f"row {line}: no {pattern}"
    assert any(re.match(rf"test_row_0*{row(line)}_", name) for name in known), line


def test_every_row_is_there_once() -> None:
    found = [row(line) for line in CAPABILITIES]
    assert found == list(range(1, NUMBER + 1))


def test_a_wrong_name_is_found() -> None:
    assert exists("ostinato.cells.LSTM.forward")
    assert exists("torch.utils.data.DataLoader")
    assert not exists("ostinato.cells.Lstm")
    assert not exists("torch.nn.functional.no_such")
    text = "## A\n| old name | here | note |\n| --- | --- | --- |\n| `a|b` | `torch.add` | n |\n"
    assert [line.codes("here") for line in lines(text)] == [["torch.add"]]
