"""Disks that are full or must not be written: what is said, and what is kept."""

from __future__ import annotations

import errno
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.trust.check import Check, Outcome
from benchmarks.trust.program import TASKS, call, copied, last_line, left, same, train, working_in

STEPS = 24


def _disks(times: int, chance: random.Random) -> Iterator[Outcome]:
    folder = Path(tempfile.mkdtemp(prefix="ostinato-trust-"))
    try:
        with working_in(folder):
            tasks = list(TASKS)[: 4 if times > 8 else 1]
            whole, half, written = {}, {}, {}
            for task in tasks:
                counted = [0]
                with _failing(10**9, errno.ENOSPC, counted):
                    said = train(task, STEPS, Path(f"whole-{task}"))
                assert said.code == 0, said.err
                whole[task], written[task] = left(Path(f"whole-{task}")), counted[0]
                half[task] = Path(f"half-{task}")
                assert train(task, STEPS // 2, half[task]).code == 0
            for number in range(times):
                task = tasks[number % len(tasks)]
                if number % 2 == 0:
                    after = chance.randrange(written[task])
                    yield _full(task, whole[task], after)
                else:
                    yield _read_only(half[task], chance)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _full(task: str, whole: object, after: int) -> Outcome:
    """A training on a disk that is full after so many bytes; then there is room again."""
    run, case = Path("full"), f"{task}, full"
    shutil.rmtree(run, ignore_errors=True)
    with _failing(after, errno.ENOSPC, [0]):
        said = train(task, STEPS, run)
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    if said.code == 0:  # all but the page was written
        told = "no report.html" in said.err
        return Outcome(case, "noticed" if told else "no words", last_line(said))
    if said.code != 1 or len(errors) != 1 or "Traceback" in said.err:
        return Outcome(case, "no words of ours", last_line(said))
    if not run.exists():
        return Outcome(case, "noticed")
    begun = any((run / "checkpoints").glob("step-*.safetensors"))
    if begun != ("is kept" in errors[0]):
        return Outcome(case, "does not say what is kept", errors[0])
    if not begun:
        return Outcome(case, "noticed")
    said = call("train", "--resume", run)
    if said.code or not same(left(run), whole):
        return Outcome(case, "does not go on as before", last_line(said))
    return Outcome(case, "the same")


def _read_only(half: Path, chance: random.Random) -> Outcome:
    """A run on a disk that must not be written."""
    run, command = copied(half, "half"), chance.choice(["info", "report", "train"])
    before = left(run)
    words = ["train", "--resume", run] if command == "train" else [command, run]
    with _failing(0, errno.EROFS, [0]):
        said = call(*words)
    case = f"read-only, {command}"
    good = said.code == (0 if command == "info" else 1) and "Traceback" not in said.err
    if not good or not same(left(run), before):
        return Outcome(case, "no words of ours", last_line(said))
    return Outcome(case, "harmless" if command == "info" else "noticed")


@contextmanager
def _failing(after: int, number: int, counted: list[int]) -> Iterator[None]:
    """Within the block writing fails after so many bytes, as the system lets it fail.

    Files are opened unbuffered for that; what is open for reading is left alone.
    """
    opened = open

    class Failing:
        def __init__(self, file: Any) -> None:
            self._file = file

        def write(self, data: Any) -> int:
            size = len(data) if isinstance(data, str) else memoryview(data).nbytes
            if counted[0] + size > after:
                raise OSError(number, os.strerror(number))
            counted[0] += size
            return self._file.write(data)

        def writelines(self, lines: Any) -> None:
            for line in lines:
                self.write(line)

        def __enter__(self) -> Failing:
            return self

        def __exit__(self, *error: object) -> None:
            self._file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    def open_failing(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        writing = set(mode) & set("wax+")
        if writing and number == errno.EROFS:
            raise OSError(number, os.strerror(number), str(path))
        file = opened(path, mode, *args, **kwargs)
        return Failing(file) if writing and isinstance(path, str | os.PathLike) else file

    with patch("builtins.open", open_failing):
        yield


DISKS = Check(
    "disks",
    "A full disk, a read-only disk",
    "Writing fails after any number of bytes of a training, or at once in a finished run, as the "
    "system would let it fail. One line has to say what is kept and how to go on, and a run that "
    "goes on when there is room again has to end as if nothing had been, to the last bit.",
    200,
    4,
    _disks,
)
