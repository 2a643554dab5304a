"""What a backend is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from ostinato.backends.call import Call
from ostinato.typing import State, Tree


class Backend(ABC):
    """A way to run one cell over time. It runs a call, or refuses it in words."""

    name: ClassVar[str]
    """What `unroll(backend=...)` calls it."""

    @abstractmethod
    def refuse(self, call: Call) -> str | None:
        """Why this backend cannot run the call, as the end of a sentence; None where it can."""

    @abstractmethod
    def run(self, call: Call) -> tuple[Tree, State]:
        """ys [T, B, ...] and the last state, equal to those of the eager loop."""

    @abstractmethod
    def describe(self, call: Call) -> str:
        """How it runs a call that it takes, in a few words, for `explain`."""

    def account(self, call: Call) -> str:
        """All that it made of the cell of a call that it takes, to be read; empty if nothing."""
        return ""
