"""Stages of work that take long, shown on a terminal or in a log."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import TextIO, final

from ostinato._stages import Stage, shown_by
from ostinato.cli.screen import one_line
from ostinato.data.visible import visible

# Seconds before a stage is shown, between updates on a terminal, and between lines of a log.
PATIENCE, _LIVELY, _RARELY = 2.0, 0.5, 30.0
_ERASE = "\r\x1b[2K"


@final
class Stages:
    """Shows the innermost stage that has lasted for more than two seconds, on standard error.

    On a terminal its line is written anew and goes when the stage ends; in a log a line comes when
    it has lasted so long, and now and then after that. A thread does so, as whoever works has no
    time to say it.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file or sys.stderr
        self._live = self._file.isatty()
        self._stages: list[tuple[Stage, float]] = []
        self._last: Stage | None = None
        self._shown = 0.0
        self._on_screen = False
        self._lock, self._ended = Lock(), Event()
        self._thread: Thread | None = None

    @contextmanager
    def __call__(self, stage: Stage) -> Generator[None]:
        with self._lock:
            self._stages.append((stage, time.monotonic()))
        if self._thread is None:
            self._thread = Thread(target=self._watch, daemon=True)
            self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._stages.pop()
                self._erase()

    def close(self) -> None:
        """Show nothing any more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_LIVELY):
            with self._lock:
                self._look(time.monotonic())

    def _look(self, now: float) -> None:
        lasting = [stage for stage, began in self._stages if now - began >= PATIENCE]
        if not lasting:
            return
        stage = lasting[-1]
        if self._live:
            # a line that wraps could not be erased
            width = shutil.get_terminal_size().columns - 1
            self._file.write(f"{_ERASE}{_line(stage)[:width]}")
            self._on_screen = True
        elif stage is not self._last or now - self._shown >= _RARELY:
            self._file.write(f"note: {_line(stage)} ...\n")
            self._last, self._shown = stage, now
        self._file.flush()

    def _erase(self) -> None:
        if self._on_screen:
            self._on_screen = False
            self._file.write(_ERASE)
            self._file.flush()


def _line(stage: Stage) -> str:
    """A stage on one line; names of files in it may hold anything."""
    return visible(one_line(str(stage)))


@contextmanager
def watched() -> Generator[None]:
    """Within the block long stages are shown."""
    stages = Stages()
    try:
        with shown_by(stages):
            yield
    finally:
        stages.close()
