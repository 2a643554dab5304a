"""Command-line options made of settings classes, so that each default is stated once."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ostinato.cell_names import find_cell
from ostinato.cli.code import find_cells_here
from ostinato.data import Settings, require
from ostinato.errors import ArgumentError
from ostinato.train import TrainSettings


def with_settings(
    **panels: type[Settings] | Settings,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the fields of settings classes as options.

    ``with_settings(model=ModelSettings)`` shows them in a help panel "Model", and passes the
    object made of them as the argument ``model``. An object in place of a class says the defaults.
    """
    chosen = {name: kind() if isinstance(kind, type) else kind for name, kind in panels.items()}

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def command(**values: Any) -> Any:
            for name, default in chosen.items():
                fields = [field.name for field in dataclasses.fields(default)]
                if "cell" in fields and values.get("start") is None:  # else it is that of a run
                    find_cells_here()
                values[name] = default.replace(
                    **{field: values.pop(field) for field in fields if field in values}
                )
            return function(**values)

        own = inspect.signature(function, eval_str=True).parameters.values()
        parameters = [parameter for parameter in own if parameter.name not in panels]
        for name, default in chosen.items():
            parameters += _options(default, name.capitalize())
        return _signed(command, parameters)

    return decorate


def with_path(
    name: str, metavar: str, help: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command an optional path, passed as the argument ``name``; None without one."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(command, eval_str=True).parameters.values()
        path = inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[Path | None, typer.Argument(metavar=metavar, help=help)],
        )
        return _signed(command, [*own, path])

    return decorate


def without(name: str, command: Callable[..., Any]) -> Callable[..., Any]:
    """The command without an argument that has a default."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    return _signed(command, [parameter for parameter in own if parameter.name != name])


def given(context: typer.Context, name: str) -> bool:
    """Whether the user has written the option of this name."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def all_given(context: typer.Context) -> list[str]:
    """The names of all settings that the user has written."""
    return [name for name in context.params if given(context, name)]


def check_training(context: typer.Context, training: TrainSettings, cell: str) -> None:
    """Raise, before anything is read, where the user gives both steps and epochs, or asks for a
    cell, a device or a package that is not there."""
    find_cell(cell)
    training.torch_device()
    if training.steps is not None and given(context, "epochs") and given(context, "steps"):
        raise ArgumentError(
            "--steps",
            wanted="the length of training either in steps or in epochs",
            got=f"--steps {training.steps} and --epochs {training.epochs:g}",
            remedy="Leave one of them out.",
        )
    if training.tensorboard:
        require("tensorboard", "tensorboard")


def settled(context: typer.Context, training: TrainSettings) -> TrainSettings:
    """The settings of training where what the user has given outdoes a default of the task.

    Epochs take the place of its steps; another optimiser has a learning rate of its own.
    """
    if given(context, "epochs") and not given(context, "steps"):
        training = training.replace(steps=None)
    usual = next(p.default for p in context.command.params if p.name == "optimiser")
    another = given(context, "optimiser") and training.optimiser != usual
    if another and not given(context, "lr"):
        training = training.replace(lr=None)
    return training


def _signed(command: Callable[..., Any], parameters: list[inspect.Parameter]) -> Any:
    signature = inspect.Signature(parameters)
    command.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _options(settings: Settings, panel: str) -> Iterator[inspect.Parameter]:
    types = get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        choices, default = field.metadata["choices"], getattr(settings, field.name)
        option = typer.Option(
            help=field.metadata["help"],
            rich_help_panel=panel,
            metavar="|".join(choices) if choices else None,
            show_default=default is not None,
        )
        # a word or a number: its settings tell them apart
        kind = str if types[field.name] == str | int else types[field.name]
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[kind, option],
        )
