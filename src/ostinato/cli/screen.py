"""Where words go: a terminal, a log, or away from the JSON on standard output.

Whatever they are made of, no control character reaches a terminal: everything that the program
prints goes through here, or is JSON.
"""

from __future__ import annotations

import sys

from ostinato.cli.wording import with_flags
from ostinato.conclusion import Conclusion
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


def tell_notes(found: Conclusion) -> None:
    """Print the remarks on what is found of a model."""
    for remark in found.notes:
        note(remark)


# What would begin a new line, on a screen or in a program that reads lines.
_LINE_ENDS = {ord(mark): repr(mark)[1:-1] for mark in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"}


def one_line(text: str) -> str:
    """A text with its line ends written as Python does, such as ``\\n``."""
    return text.translate(_LINE_ENDS)


def note(text: str) -> None:
    """Print a remark that is not part of the result; settings in it are called as their flags."""
    print(f"note: {visible(with_flags(text))}", file=sys.stderr, flush=True)
