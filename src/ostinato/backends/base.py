"""What a backend is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from ostinato.backends.call import Call
from ostinato.typing import State, Tree


class Run(ABC):
    """A call that a backend has taken, ready to be run once."""

    @abstractmethod
    def run(self) -> tuple[Tree, State]:
        """ys [T, B, ...] and the last state, equal to those of the eager loop."""

    @abstractmethod
    def describe(self) -> str:
        """How it is run, in a few words, for `explain`."""

    def account(self) -> str:
        """All that was made of the cell, to be read; empty if nothing."""
        return ""


class Backend(ABC):
    """A way to run one cell over time. It takes a call, or refuses it in words."""

    name: ClassVar[str]
    """What `unroll(backend=...)` calls it."""

    @abstractmethod
    def accept(self, call: Call) -> Run | str:
        """What is to be run, or why this backend cannot run the call, as the end of a sentence."""
