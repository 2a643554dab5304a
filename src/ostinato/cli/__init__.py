"""The program ``ostinato``: it joins tasks, solver and files, and shows them on a screen.

`main` runs it. Each command is a module; a kind of task is a module too (`train_text`), made of a
`Job`, which the shared commands (resume, info) find by its name.
"""

from __future__ import annotations

import os
import sys

from ostinato.data.requirements import require
from ostinato.errors import OstinatoError

__all__ = ["main"]


def main() -> None:
    """Run the command line. Exits with 1 and one message where something is wrong."""
    # So that --cell finds the user's module here; last, so that no file here hides a package.
    sys.path.append(os.getcwd())
    try:
        require("typer", "train")
        from ostinato.cli.app import app
        from ostinato.cli.follow import follow, is_follower

        if is_follower():
            follow()
        else:
            app(prog_name="ostinato")
    except OstinatoError as error:
        print(f"error: {_as_flags(error)}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain again at exit.
        sys.stdout = None
        sys.exit(1)


def _as_flags(error: OstinatoError) -> str:
    """The message, with a setting called as its flag."""
    argument = error.argument
    if argument.isidentifier() and argument.islower():
        from ostinato.cli.options import flag_names

        argument = flag_names().get(argument, argument)
    return str(error).replace(error.argument, argument, 1)
