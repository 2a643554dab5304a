"""What a long piece of work is doing, told to whoever listens; by default nobody does.

::

    with stage("measuring", len(parts)) as done:
        for part in parts:
            ...
            done.advance()
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeAlias, final


@final
@dataclass
class Stage:
    """A piece of work: what it is, how much of it is done, out of how much."""

    what: str
    total: int | None = None
    unit: str = ""
    done: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def advance(self, number: int = 1) -> None:
        """So much more is done, by any thread."""
        with self._lock:
            self.done += number

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if self.total:
            return f"{self.what}: {self.done / self.total:.0%} of {self.total:,}{unit}"
        return f"{self.what}: {self.done:,}{unit}" if self.done else self.what


Show: TypeAlias = Callable[[Stage], AbstractContextManager[object]]
"""What is entered while a stage lasts."""


def _nobody(stage: Stage) -> AbstractContextManager[object]:
    return nullcontext()


_show: ContextVar[Show] = ContextVar("ostinato_stages", default=_nobody)


@contextmanager
def stage(what: str, total: int | None = None, unit: str = "") -> Generator[Stage]:
    """Within the block a piece of work is done, out of ``total`` units where that is known."""
    made = Stage(what, total, unit)
    with _show.get()(made):
        yield made


def unshown() -> AbstractContextManager[None]:
    """Within the block stages are not shown, as something else tells what is done."""
    return shown_by(_nobody)


@contextmanager
def shown_by(show: Show) -> Generator[None]:
    """Within the block stages are shown by this."""
    token = _show.set(show)
    try:
        yield
    finally:
        _show.reset(token)
