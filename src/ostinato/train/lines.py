"""The files of a run that grow by lines: added to in place, and read with care.

A line may be damaged, and a run that is being written, or was killed, may end in a part of one.
The good lines are used, and the others named.
"""

from __future__ import annotations

import json
import logging
import math
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, final

from ostinato.data.files import open_in_place
from ostinato.data.typed import check_type, shown
from ostinato.errors import ArgumentError
from ostinato.train.kept import checksum_of

Mark = list[int]
"""The bytes of a file and their checksum: what a checkpoint remembers of a file that grows."""

COMMAND = {
    "began": str,
    "arguments": list[str],
    "ostinato": str,
    "torch": str,
    "python": str,
    "system": str,
    "threads": int,
    "processes": int,
}
"""The fields of a line of ``commands.jsonl``."""

# Damaged lines that are named by their numbers.
_NAMED = 5
# A step beyond this is no number of updates: it would take a thousand years.
_MOST_STEPS = 2**53


@final
class Growing:
    """A file that lines are added to; knows its length and checksum without reading it again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark: Mark | None = None

    def append(self, text: str) -> None:
        """Add lines at the end."""
        mark = self.mark()
        data = text.encode("utf-8", "backslashreplace")
        self._mark = None  # until it is written
        with open_in_place(self.path, "ab") as file:
            file.write(data)
        self._mark = [mark[0] + len(data), zlib.crc32(data, mark[1])]

    def mark(self) -> Mark:
        """How long the file is, and its checksum; zeros where there is none."""
        size = self.path.stat().st_size if self.path.is_file() else 0
        if self._mark is None or self._mark[0] != size:
            self._mark = [size, checksum_of(self.path) if size else 0]
        return self._mark

    def cut_back(self, mark: Mark) -> None:
        """Forget what was written after a checkpoint, which will be written again."""
        self.check(mark)
        if self.mark()[0] > mark[0]:
            with open_in_place(self.path, "r+b") as file:
                file.truncate(mark[0])
        self._mark = None

    def check(self, mark: Mark) -> None:
        """Tell the log where the beginning of the file is not what a checkpoint remembers."""
        size = self.path.stat().st_size if self.path.is_file() else 0
        if size < mark[0] or (mark[0] and checksum_of(self.path, mark[0]) != mark[1]):
            _tell(
                f"{self.path} was changed after it was written: what it tells may be wrong. The "
                "weights are not affected."
            )


def check_marks(sizes: object) -> None:
    """Raise ArgumentError for what are no marks of files by their names."""
    check_type("sizes", sizes, dict[str, list[int]])
    assert isinstance(sizes, dict)
    for name, mark in sizes.items():
        if len(mark) != 2 or min(mark) < 0:
            raise ArgumentError(f"sizes: {name}", wanted="a size and a checksum", got=shown(mark))


def read_lines(path: Path, is_good: Callable[[Any], bool]) -> list[dict[str, Any]]:
    """The objects in the good lines of a file; others are named in the log."""
    found: list[dict[str, Any]] = []
    damaged: list[int] = []
    for number, line in _lines(path):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and is_good(value):
            found.append(value)
        else:
            damaged.append(number)
    if damaged:
        names = ", ".join(map(str, damaged[:_NAMED]))
        more = f" and {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else ""
        which = f"line {names} is" if len(damaged) == 1 else f"lines {names}{more} are"
        _tell(f"{path}: {which} damaged, and left out")
    return found


def is_record(value: dict[str, Any]) -> bool:
    """Whether this is a line of ``metrics.jsonl``: finite numbers, and the step."""
    step = value.get("step")
    return type(step) is int and 0 <= step < _MOST_STEPS and all(map(_is_finite, value.values()))


def is_command(value: dict[str, Any]) -> bool:
    """Whether this is a line of ``commands.jsonl``."""
    try:
        for name, kind in COMMAND.items():
            check_type(name, value.get(name), kind)
        datetime.fromisoformat(value["began"])
    except (ArgumentError, ValueError):
        return False
    return True


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The whole lines of a file with their numbers; the last may be written at this moment."""
    if path.is_file():
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield number, line


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _tell(message: str) -> None:
    logging.getLogger("ostinato").warning(message)
