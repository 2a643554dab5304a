"""The directory of a run: what it is made of, and that no other run ever touches it.

::

    runs/text-001/
      report.html      all of it to be read, in one page
      config.json      the settings
      commands.jsonl   the commands that trained it, a line for each
      metrics.jsonl    a line for each step
      samples.txt      what the model wrote on the way
      curves.png       the curves of metrics.jsonl
      result.json      the final figures
      checkpoints/     the newest two, step-00000400.safetensors and so on
      corpus/          what the task keeps of its data
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from ostinato.data.files import near_names, write_json
from ostinato.errors import OstinatoError
from ostinato.train.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

# Kept so that a damaged newest checkpoint does not cost the run.
_KEPT = 2


class RunError(OstinatoError, ValueError):
    """A run directory that cannot be made or read."""


@final
class Run:
    """A run directory. Made by `Run.create` or read by `Run.open`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report_path = folder / "report.html"
        self.config_path = folder / "config.json"
        self.commands_path = folder / "commands.jsonl"
        self.metrics_path = folder / "metrics.jsonl"
        self.samples_path = folder / "samples.txt"
        self.curves_path = folder / "curves.png"
        self.result_path = folder / "result.json"
        self.checkpoints_folder = folder / "checkpoints"

    @classmethod
    def create(cls, task: str, folder: Path | None = None, *, root: Path = Path("runs")) -> Run:
        """A new directory: ``folder``, or the next free ``root/task-001``.

        Raises RunError where ``folder`` is there already, whatever it holds.
        """
        if folder is None:
            folder = next_free(root, task)
        else:
            make_named(folder)
        run = cls(folder)
        run.checkpoints_folder.mkdir()
        return run

    @classmethod
    def open(cls, path: Path) -> Run:
        """The run at a directory, or the one that a checkpoint file belongs to.

        Raises RunError where there is none, with names that are near.
        """
        folder = path.parent.parent if path.suffix == ".safetensors" else path
        run = cls(folder)
        if not run.config_path.is_file():
            raise _no_run(folder if folder.exists() and folder.name else path)
        return run

    def make_folder(self, name: str) -> Path:
        """A new folder in the run, for what a task keeps of its data."""
        folder = self.folder / name
        folder.mkdir()
        return folder

    def discard(self) -> None:
        """Delete the directory of a run that could not begin."""
        assert not self.checkpoints(), "a run that has begun is never deleted"
        shutil.rmtree(self.folder)

    @contextmanager
    def beginning(self) -> Iterator[None]:
        """Within the block a new run is filled; an error deletes it, as nothing is trained yet."""
        try:
            yield
        except BaseException:
            self.discard()
            raise

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Within the block no other process may train this run.

        Raises RunError where another one does. Only where the system has POSIX file locks.
        """
        if os.name != "posix":
            yield
            return
        import fcntl

        with open(self.folder / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunError(
                    "run",
                    wanted="a run that nobody is training",
                    got=f"{self.folder}, which another process is training",
                    remedy="Wait for it, or stop it first.",
                ) from error
            yield

    def write_config(self, config: dict[str, Any]) -> None:
        """Write ``config.json``."""
        write_json(self.config_path, config)

    def read_config(self) -> dict[str, Any]:
        """Read ``config.json``. Raises RunError where it is no JSON object."""
        return _read_object(self.config_path)

    def read_result(self) -> dict[str, Any] | None:
        """The final figures, or None while there are none."""
        return _read_object(self.result_path) if self.result_path.is_file() else None

    def checkpoints(self) -> list[Path]:
        """The checkpoints, newest first."""
        return sorted(self.checkpoints_folder.glob("step-*.safetensors"), reverse=True)

    def newest_checkpoint(self) -> Path:
        """The newest checkpoint. Raises CheckpointError where there is none."""
        known = self.checkpoints()
        if known:
            return known[0]
        raise CheckpointError(
            str(self.checkpoints_folder),
            wanted="a checkpoint",
            got="none",
            remedy="The run was stopped before it began; start it again.",
        )

    def save_checkpoint(self, step: int, tree: dict[str, Any]) -> Path:
        """Write the checkpoint of a step and keep the one before it."""
        path = self.checkpoints_folder / f"step-{step:08d}.safetensors"
        save_checkpoint(path, tree)
        for old in self.checkpoints()[_KEPT:]:
            old.unlink()
        return path

    def load_checkpoint(self, path: Path | None = None, part: str = "") -> dict[str, Any]:
        """Read a checkpoint (the newest by default), or the branch ``part`` of it.

        Raises CheckpointError, which names the one before where the file is damaged.
        """
        path = path or self.newest_checkpoint()
        try:
            return load_checkpoint(path, part)
        except CheckpointError as error:
            raise _with_way_out(error, path, self.checkpoints()) from error

    def set_aside_after(self, path: Path) -> None:
        """Rename checkpoints newer than this one, from which training is taken up again."""
        for other in self.checkpoints():
            if other.name > path.name:
                other.rename(other.with_suffix(".set-aside"))

    def append(self, path: Path, lines: Iterable[str]) -> None:
        """Add lines to a file of the run."""
        with open(path, "a", encoding="utf-8", newline="\n") as file:
            file.writelines(lines)

    def sizes(self) -> dict[str, int]:
        """The sizes in bytes of the files that grow, which a checkpoint remembers."""
        return {path.name: _size(path) for path in (self.metrics_path, self.samples_path)}

    def cut_back(self, sizes: dict[str, int]) -> None:
        """Forget what was written after a checkpoint, which will be written again."""
        for path in (self.metrics_path, self.samples_path):
            if _size(path) > sizes[path.name]:
                os.truncate(path, sizes[path.name])

    def metrics(self) -> list[dict[str, Any]]:
        """All lines of ``metrics.jsonl``."""
        return _read_lines(self.metrics_path)

    def commands(self) -> list[dict[str, Any]]:
        """All lines of ``commands.jsonl``; none for a run that another version made."""
        return _read_lines(self.commands_path)


def _read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with open(path, encoding="utf-8") as file:
        # a run that is being written, or was killed, may end in a part of a line
        return [json.loads(line) for line in file if line.endswith("\n")]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def next_free(root: Path, task: str) -> Path:
    """The new directory ``root/task-001``, or of the next number that is free."""
    root.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = root / f"{task}-{number:03d}"
        try:
            # mkdir both asks and takes, so two runs that start at once get two numbers.
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def make_named(folder: Path) -> None:
    """Make this directory. Raises RunError where it is there."""
    try:
        folder.mkdir(parents=True)
    # what stands in the way may be the folder itself, or a file in the place of one above it
    except (FileExistsError, NotADirectoryError) as error:
        is_run = (folder / "config.json").is_file()
        remedy = f"To continue that run: ostinato train --resume {folder}. " if is_run else ""
        raise RunError(
            "run",
            wanted="the name of a new directory",
            got=f"{folder}, which exists" if folder.exists() else f"{folder}, below a file",
            remedy=f"{remedy}Choose another name, or leave it out for the next free number.",
        ) from error


def _no_run(folder: Path) -> RunError:
    # of a path within a run, the run may have been meant
    inside = [path for path in folder.parents if (path / "config.json").is_file()]
    if folder.is_dir():
        got, near = f"{folder}, which has no config.json", inside[:1]
    elif folder.is_file():
        got, near = f"the file {folder}", inside[:1]
    else:
        got, near = f"{folder}, which does not exist", near_names(folder)
    remedy = f"Did you mean {' or '.join(map(str, near))}?" if near else ""
    return RunError("run", wanted="the directory of a run", got=got, remedy=remedy)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            str(path), wanted="a JSON file of a run", got=f"one that cannot be read ({error})"
        ) from error
    if isinstance(value, dict):
        return value
    raise RunError(str(path), wanted="a JSON object", got=type(value).__name__)


def _with_way_out(error: CheckpointError, path: Path, known: list[Path]) -> CheckpointError:
    older = [other for other in known if other.name < path.name]
    if not older:
        remedy = "There is no older checkpoint in the run."
    else:
        remedy = (
            f"Use the one before it by its name in place of the run's: {older[0]}, "
            f"as in `ostinato train --resume {older[0]}`."
        )
    return CheckpointError(error.argument, wanted=error.wanted, got=error.got, remedy=remedy)
