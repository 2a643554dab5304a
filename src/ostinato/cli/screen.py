"""Where words go: a terminal, a log, or away from the JSON on standard output.

Whatever they are made of, no control character reaches a terminal: everything that the program
prints goes through here, or is JSON.
"""

from __future__ import annotations

import sys

from ostinato.data.visible import visible
from ostinato.train import JsonLines, Lines, Live, Report


def choose_report(title: str, *, as_json: bool) -> Report:
    """The report that suits standard output."""
    if as_json:
        return JsonLines()
    return Live(title) if sys.stdout.isatty() else Lines()


def say(text: str, *, as_json: bool = False) -> None:
    """Print for people: on standard error where standard output is for JSON."""
    print(visible(text), file=sys.stderr if as_json else sys.stdout, flush=True)


def show(text: str, end: str = "\n") -> None:
    """Print a result, or a piece of one."""
    sys.stdout.write(f"{visible(text)}{end}")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print a remark that is not part of the result."""
    print(f"note: {visible(text)}", file=sys.stderr, flush=True)
