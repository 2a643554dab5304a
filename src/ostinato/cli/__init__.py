"""The program ``ostinato``: it joins tasks, solver and files, and shows them on a screen.

`main` runs it. Each command is a module; a kind of task is a module too (`train_text`), made of a
`Job`, which the shared commands (resume, info) find by its name.
"""

from __future__ import annotations

import atexit
import gc
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from ostinato.data.requirements import MissingPackage, require
from ostinato.data.visible import visible
from ostinato.errors import OstinatoError

__all__ = ["main"]


def main() -> None:
    """Run the command line. Exits with 1 and one message where something is wrong."""
    # At exit Python looks for garbage three times among all objects of 2500 modules, for a second:
    # docs/design/decisions.md has the figures.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    notes = _Notes()
    logging.getLogger("ostinato").addHandler(notes)
    try:
        _run()
    finally:
        logging.getLogger("ostinato").removeHandler(notes)


def _run() -> None:
    try:
        require("typer", "train")
        from ostinato.cli.app import app
        from ostinato.cli.follow import follow, is_follower
        from ostinato.cli.stages import watched

        if is_follower():
            follow()
        else:
            with watched():
                app(prog_name="ostinato")
    except OstinatoError as error:
        # a launcher ends this process because another has died, which is what this is to tell
        with _undisturbed():
            _leave(_as_flags(error))
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain again at exit.
        sys.stdout = None
        sys.exit(1)
    except OSError as error:
        from ostinato.cli.wording import in_one_line

        _leave(in_one_line(error))
    except (MemoryError, RuntimeError) as error:
        if not _is_of_memory(error):
            raise
        _leave(
            "memory: wanted no more than this machine has left, got more. Smaller batches "
            "(--batch-size, --bptt), a smaller model (--size) or less data take less of it."
        )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Within the block SIGTERM does nothing, as the process is about to end anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _is_of_memory(error: Exception) -> bool:
    """Whether there was no memory left; on a CPU torch says so in words alone."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or "can't allocate memory" in str(error)


def _leave(message: str) -> NoReturn:
    print(f"error: {visible(message)}", file=sys.stderr)
    sys.exit(1)


class _Notes(logging.Handler):
    """What the library remarks, as notes on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a remark."""
        print(f"note: {visible(record.getMessage())}", file=sys.stderr, flush=True)


def _as_flags(error: OstinatoError) -> str:
    """The message, with settings called as their flags, where the command line could begin."""
    if isinstance(error, MissingPackage):
        return str(error)
    from ostinato.cli.app import app
    from ostinato.cli.wording import flags_of, in_flags

    return in_flags(error, flags_of(app, sys.argv[1:]))
