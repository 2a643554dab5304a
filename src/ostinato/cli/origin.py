"""A training that begins with the weights of a run: ``--from RUN``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import typer
from torch import nn

from ostinato.cli.options import given
from ostinato.data import Settings
from ostinato.errors import ArgumentError
from ostinato.runs import Loaded
from ostinato.runs.load import load_run
from ostinato.train import RunError

Model = TypeVar("Model", bound=Settings)

From: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Begin with the best weights of this run of the same task, and with what its model "
        "knows: its settings, its vocabulary, its labels.",
    ),
]

# What may differ from the model that a run has, as no weight depends on it.
_FREE = ("input_dropout", "dropout", "held_dropout")


def begun_from(
    context: typer.Context,
    path: Path | None,
    model: Model,
    *names: str,
    allow_code: bool = False,
) -> tuple[Loaded | None, Model]:
    """The run to begin with, None for none, and the settings of its model.

    Raises ArgumentError where the user wants another model, and RunError for a run of none of
    these tasks.
    """
    if path is None:
        if allow_code:
            raise ArgumentError(
                "--allow-code",
                wanted="a run that names code, with --from",
                got="--allow-code without one",
                remedy="A cell that you name yourself needs no leave.",
            )
        return None, model
    try:
        origin = load_run(path, *names, allow_code=allow_code)
    except RunError as error:
        about = "--from" if error.argument == "run" else error.argument
        raise RunError(about, wanted=error.wanted, got=error.got, remedy=error.remedy) from error
    asked = [field.name for field in dataclasses.fields(model) if given(context, field.name)]
    refuse_beside(path, "model", *(name for name in asked if name not in _FREE))
    kept = origin.settings["model"]
    assert isinstance(kept, type(model))
    return origin, kept.replace(**{name: getattr(model, name) for name in asked})


def refuse_beside(path: Path | None, what: str, *asked: str) -> None:
    """Raise ArgumentError for settings that are those of the run to begin with."""
    if path is not None and asked:
        flag = f"--{asked[0].replace('_', '-')}"
        raise ArgumentError(
            flag,
            wanted=f"the {what} of {path}, with which the training is to begin",
            got=f"{flag} beside --from",
            remedy="Leave one of them out.",
        )


def take_weights(model: nn.Module, origin: Loaded | None) -> None:
    """Give a model the weights of a run. Raises ArgumentError where they do not fit its data."""
    if origin is None:
        return
    weights, wanted = origin.model.state_dict(), model.state_dict()
    for name, value in wanted.items():
        if name not in weights or weights[name].shape != value.shape:
            got = f"{list(weights[name].shape)}" if name in weights else "none"
            raise ArgumentError(
                "--from",
                wanted=f"a model that fits this data: {name} {list(value.shape)}",
                got=f"{got} in {origin.run.folder}",
                remedy="Its data had other inputs, or other outputs.",
            )
    model.load_state_dict(weights)


def source_with(source: str, origin: Loaded | None) -> str:
    """Where the data of a run come from, and the run that it began with."""
    return source if origin is None else f"{source}, begun with {origin.run.folder}"
