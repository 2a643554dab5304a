"""Errors in the words of the command line: flags in place of the names that Python has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import typer
from typer.core import TyperGroup

from ostinato.errors import OstinatoError

# How an error of the library writes a setting: `batch_size`, or with a value, `last=keep`.
_SETTING = re.compile(r"`(\w+)(?:=([^`\s]+))?`")


def flags_of(app: typer.Typer, arguments: Sequence[str]) -> dict[str, str]:
    """What the command that these arguments call names its parameters: --batch-size, RUN."""
    command = typer.main.get_command(app)
    for argument in arguments:
        if isinstance(command, TyperGroup) and argument in command.commands:
            command = command.commands[argument]
    found: dict[str, str] = {}
    for parameter in command.params:
        is_option = parameter.param_type_name == "option"
        shown = max(parameter.opts, key=len) if is_option else parameter.metavar
        found[str(parameter.name)] = shown or str(parameter.name).upper()
    return found


def with_flags(text: str, flags: Mapping[str, str] | None = None) -> str:
    """A text of the library with settings called as their flags."""

    def flag(found: re.Match[str]) -> str:
        name, value = found.groups()
        shown = (flags or {}).get(name, f"--{name.replace('_', '-')}")
        if value in ("True", "False"):
            return shown if value == "True" else shown.replace("--", "--no-", 1)
        return shown if value is None else f"{shown} {value}"

    return _SETTING.sub(flag, text)


def in_flags(error: OstinatoError, flags: Mapping[str, str]) -> str:
    """The message of an error, with settings called as their flags."""
    argument = flags.get(error.argument, error.argument)
    return argument + with_flags(str(error).removeprefix(error.argument), flags)


def in_one_line(error: OSError) -> str:
    """What the system has refused, and where."""
    where = error.filename2 or error.filename
    said = error.strerror or str(error) or type(error).__name__
    return f"{where}: {said}." if where else f"{said}."
