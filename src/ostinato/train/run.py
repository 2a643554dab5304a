"""The directory of a run: what it is made of, and that no other run ever touches it.

::

    runs/text-001/
      report.html      all of it to be read, in one page
      config.json      the settings, and the checksums of what the run keeps of its data
      commands.jsonl   the commands that trained it, a line for each
      metrics.jsonl    a line for each step
      samples.txt      what the model wrote on the way
      curves.png       the curves of metrics.jsonl
      result.json      the final figures
      checkpoints/     the newest two, step-00000400.safetensors and so on
      corpus/          what the task keeps of its data
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, final

from ostinato.data.files import open_in_place, refuse_links, sweep_partial, write_json
from ostinato.errors import ArgumentError
from ostinato.train.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from ostinato.train.code import check_code, named_cell
from ostinato.train.errors import RunError
from ostinato.train.folders import (
    FULL,
    cannot_write,
    command,
    make_named,
    next_free,
    no_run,
    read_object,
    readable,
)
from ostinato.train.kept import CHECKSUM, KEPT, check_kept, differences, is_sealed, kept_files, seal
from ostinato.train.lines import (
    Growing,
    Mark,
    check_marks,
    is_command,
    is_record,
    read_lines,
)
from ostinato.train.snapshot import PARTS, check_part, no_snapshot

# Kept so that a damaged newest checkpoint does not cost the run.
_KEPT = 2

# The branch of a checkpoint that a run adds to what the solver knows.
_CONFIG = "config"


@final
class Run:
    """A run directory. Made by `Run.create` or read by `Run.open`."""

    def __init__(self, folder: Path, *, allow_code: bool = False) -> None:
        self.folder, self.allow_code = folder, allow_code
        self.report_path = folder / "report.html"
        self.config_path = folder / "config.json"
        self.commands_path = folder / "commands.jsonl"
        self.metrics_path = folder / "metrics.jsonl"
        self.samples_path = folder / "samples.txt"
        self.curves_path = folder / "curves.png"
        self.result_path = folder / "result.json"
        self.checkpoints_folder = folder / "checkpoints"
        growing = (self.metrics_path, self.samples_path, self.commands_path)
        self._growing = {path: Growing(path) for path in growing}
        self._config: dict[str, Any] | None = None
        self._kept: dict[str, int] | None = None
        self._claimed = False

    @classmethod
    def create(cls, task: str, folder: Path | None = None, *, root: Path = Path("runs")) -> Run:
        """A new directory: ``folder``, or the next free ``root/task-001``.

        Raises RunError where ``folder`` is there already, whatever it holds, and where no
        directory can be made.
        """
        try:
            if folder is None:
                folder = next_free(root, task)
            else:
                make_named(folder)
            # who makes a run has named its cell
            run = cls(folder, allow_code=True)
            run.checkpoints_folder.mkdir()
        except OSError as error:
            raise RunError(
                "run",
                wanted="a place where a directory can be made",
                got=f"{folder or root} ({error.strerror})",
                remedy="Name another with --run.",
            ) from error
        return run

    @classmethod
    def open(cls, path: Path, *, allow_code: bool = False) -> Run:
        """The run at a directory, or the one that a checkpoint file belongs to.

        Opening runs no code of others: a run with a cell that is none of ostinato or torch is
        refused when its config is read, unless ``allow_code`` lets it be imported; never from the
        run itself. Raises RunError where there is no run, with names that are near, and where
        something in it is a link.
        """
        folder = path.parent.parent if path.suffix == ".safetensors" else path
        run = cls(folder, allow_code=allow_code)
        with readable(folder):
            if not run.config_path.is_file():
                raise no_run(folder if folder.exists() and folder.name else path)
            if folder != path and not path.is_file():
                raise no_run(path)
            refuse_links(folder)
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
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError) and error.errno in FULL:
                raise cannot_write(error, self.folder) from error
            raise

    @contextmanager
    def claimed(self, *, again: bool = False) -> Iterator[None]:
        """Within the block nobody else may train this run, nor this object, except ``again``.

        What a killed process has left of half-written files is deleted. Raises RunError where
        another process trains it. Only where the system has POSIX file locks.
        """
        if (again and self._claimed) or os.name != "posix":
            yield
            return
        import fcntl

        with self.writing():
            lock = open_in_place(self.folder / "lock", "ab")
        with lock:
            with self.writing():
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise _taken(self.folder) from error
                sweep_partial(self.folder)
            self._claimed = True
            try:
                yield
            finally:
                self._claimed = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Within the block, a disk that cannot be written ends in a RunError.

        It says what of the run is kept, and how to go on.
        """
        try:
            yield
        except OSError as error:
            newest, go_on = next(iter(self.checkpoints()), None), self.command("train --resume")
            raise cannot_write(error, self.folder, newest, go_on) from error

    def command(self, words: str, path: Path | None = None) -> str:
        """A command to be shown, with the path of this run or of a checkpoint of it."""
        return f"{command(words, path or self.folder)}{self.code_flag}"

    @property
    def code_flag(self) -> str:
        """The flag that a command needs for this run, where its cell is code of the user."""
        return " --allow-code" if named_cell(self._config or {}) else ""

    def write_config(self, config: dict[str, Any]) -> None:
        """Write ``config.json``, with the checksums of what the run keeps of its data.

        They are those of the files that are there at the first time, before training.
        """
        if self._kept is None and self.config_path.is_file():
            self.read_config()
        with self.writing():
            if self._kept is None:
                self._kept = kept_files(self.folder)
            write_json(self.config_path, seal({**config, KEPT: self._kept}))
        self._config = deepcopy(config)

    def read_config(self) -> dict[str, Any]:
        """Read ``config.json``, and check that it and the data of the run are what they were.

        Raises RunError where it is no JSON object, where its checksum or that of a file is another,
        and for a cell that is code and not allowed (see `open`).
        """
        config = read_object(self.config_path)
        whole = is_sealed(config)
        kept = config.pop(KEPT, {})
        check_code(config, self.folder, allowed=self.allow_code)
        if not whole:
            raise self._changed(config)
        if self._kept is None:  # data is looked at once
            with readable(self.folder):
                check_kept(self.folder, kept)
            self._kept = kept
        self._config = deepcopy(config)
        return config

    def _changed(self, config: dict[str, Any]) -> RunError:
        found = list[str]()
        with suppress(CheckpointError):
            found = differences(self.load_checkpoint(part=_CONFIG), config)
        return RunError(
            str(self.config_path),
            wanted="the settings that the run was begun with",
            got=f"others: {'; '.join(found)}" if found else "a changed file",
            remedy='If you have changed it on purpose, delete "checksum" from it.',
        )

    def write_result(self, figures: dict[str, Any]) -> None:
        """Write ``result.json``."""
        with self.writing():
            write_json(self.result_path, seal(figures))

    def read_result(self) -> dict[str, Any] | None:
        """The final figures, or None while there are none. Raises RunError where they changed."""
        if not self.result_path.is_file():
            return None
        figures = read_object(self.result_path)
        # damage to the name of the checksum is no older file, where the run has checksums
        nameless = CHECKSUM not in figures and CHECKSUM in read_object(self.config_path)
        if nameless or not is_sealed(figures):
            raise RunError(
                str(self.result_path),
                wanted="the figures that training ended with",
                got="a changed file",
                remedy=f"To measure again: {self.command('evaluate')}. To write it anew: "
                f"{self.command('train --resume')}.",
            )
        return figures

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
        """Write the checkpoint of a step, with the config, and keep the one before it."""
        path = self.checkpoints_folder / f"step-{step:08d}.safetensors"
        if self._config is not None:
            tree = {**tree, _CONFIG: self._config}
        with self.writing():
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
            found = load_checkpoint(path, part)
            if part in PARTS:
                check_part(part, found)
        except CheckpointError as error:
            raise self._with_way_out(error, path) from error
        except ArgumentError as error:
            raise no_snapshot(str(error), str(path)) from error
        return found

    def _with_way_out(self, error: CheckpointError, path: Path) -> CheckpointError:
        older = [other for other in self.checkpoints() if other.name < path.name]
        if not older:
            remedy = "There is no older checkpoint in the run."
        else:
            remedy = (
                f"Use the one before it by its name in place of the run's: {older[0]}, "
                f"as in `{self.command('train --resume', older[0])}`."
            )
        return CheckpointError(error.argument, wanted=error.wanted, got=error.got, remedy=remedy)

    def set_aside_after(self, path: Path) -> None:
        """Rename checkpoints newer than this one, from which training is taken up again."""
        with self.writing():
            for other in self.checkpoints():
                if other.name > path.name:
                    other.rename(other.with_suffix(".set-aside"))

    def append(self, path: Path, lines: Iterable[str]) -> None:
        """Add lines to a file of the run."""
        with self.writing():
            self._growing.get(path, Growing(path)).append("".join(lines))

    def sizes(self) -> dict[str, Mark]:
        """The sizes in bytes and the checksums of the files that grow, for a checkpoint."""
        return {path.name: growing.mark() for path, growing in self._growing.items()}

    def cut_back(self, sizes: dict[str, Mark]) -> None:
        """Forget what was written after a checkpoint, which will be written again.

        The log tells where what was written before it has been changed.
        """
        check_marks(sizes)
        with self.writing():
            for path, growing in self._growing.items():
                if path == self.commands_path:  # these were given, whatever became of them
                    growing.check(sizes.get(path.name, [0, 0]))
                else:
                    growing.cut_back(sizes.get(path.name, [0, 0]))

    def check_lines(self) -> None:
        """Tell the log where metrics, samples or commands have been changed since."""
        with suppress(CheckpointError, ArgumentError):
            sizes = self.load_checkpoint(part="sizes")
            check_marks(sizes)
            for path, growing in self._growing.items():
                growing.check(sizes.get(path.name, [0, 0]))

    def metrics(self) -> list[dict[str, Any]]:
        """The good lines of ``metrics.jsonl``; others are named in the log."""
        return read_lines(self.metrics_path, is_record)

    def commands(self) -> list[dict[str, Any]]:
        """The good lines of ``commands.jsonl``; none for a run that another version made."""
        return read_lines(self.commands_path, is_command)


def _taken(folder: Path) -> RunError:
    return RunError(
        "run",
        wanted="a run that nobody is training",
        got=f"{folder}, which another process is training",
        remedy="Wait for it, or stop it first.",
    )
