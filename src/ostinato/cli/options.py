"""Command-line options made of settings classes, so that each default is stated once."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any, get_type_hints

import typer

from ostinato.data import ColumnSettings, Settings
from ostinato.text import CorpusSettings, ModelSettings, SampleSettings
from ostinato.train import TrainSettings

ALL: tuple[type[Settings], ...] = (
    CorpusSettings,
    ModelSettings,
    ColumnSettings,
    TrainSettings,
    SampleSettings,
)


def with_settings(**panels: type[Settings]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the fields of settings classes as options.

    ``with_settings(model=ModelSettings)`` shows them in a help panel "Model", and passes the
    object made of them as the argument ``model``.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def command(**values: Any) -> Any:
            for name, kind in panels.items():
                fields = [field.name for field in dataclasses.fields(kind)]
                values[name] = kind(**{field: values.pop(field) for field in fields})
            return function(**values)

        own = inspect.signature(function, eval_str=True).parameters.values()
        parameters = [parameter for parameter in own if parameter.name not in panels]
        for name, kind in panels.items():
            parameters += _options(kind, name.capitalize())
        signature = inspect.Signature(parameters)
        command.__signature__ = signature  # pyright: ignore[reportAttributeAccessIssue]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return command

    return decorate


def flag_names() -> dict[str, str]:
    """The flag of each setting, as the errors of settings call it by its Python name."""
    fields = (field.name for kind in ALL for field in dataclasses.fields(kind))
    return {name: f"--{name.replace('_', '-')}" for name in fields}


def _options(kind: type[Settings], panel: str) -> Iterator[inspect.Parameter]:
    types = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        choices = field.metadata["choices"]
        option = typer.Option(
            help=field.metadata["help"],
            rich_help_panel=panel,
            metavar="|".join(choices) if choices else None,
            show_default=field.default is not None,
        )
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[types[field.name], option],
        )
