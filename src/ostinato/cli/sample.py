"""``ostinato sample RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.code import AllowCode
from ostinato.cli.options import given, with_settings
from ostinato.cli.screen import note, show
from ostinato.conclusion import Table
from ostinato.errors import ArgumentError
from ostinato.runs.job import open_run
from ostinato.runs.load import load_run
from ostinato.runs.text import BIDIRECTIONAL, TEXT
from ostinato.text import SampleSettings, TextTask, Tokenizer, what_next
from ostinato.text import stream as stream_text
from ostinato.train import RunError


@with_settings(drawing=SampleSettings)
def sample(
    context: typer.Context,
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run of text, or one of its checkpoint files.")
    ],
    prompt: Annotated[
        str | None, typer.Option(help="The text to go on from; without it, a new line.")
    ] = None,
    *,
    stream: Annotated[
        bool, typer.Option(help="Show each character as it comes, in place of all at the end.")
    ] = True,
    number: Annotated[
        int | None,
        typer.Option(
            "--next",
            min=1,
            metavar="K",
            help="Write no text, but the K likeliest tokens after the prompt and their "
            "probabilities.",
        ),
    ] = None,
    allow_code: AllowCode = False,
    drawing: SampleSettings,
) -> None:
    """Write text with the best weights of a run."""
    if number is not None:
        _check_alone(context, drawing)
    task = load_writer(run, allow_code=allow_code)
    model, tokenizer = task.model, task.corpus.tokenizer
    if prompt is not None:
        # Bytes of the command line that are no text come as lone surrogates, which are no text.
        prompt = prompt.encode("utf-8", "replace").decode("utf-8")
        _tell_unknown(tokenizer, prompt)
    if number is not None:
        found = what_next(model, tokenizer, prompt, number)
        show(str(Table(["next", "probability"], [(repr(token), p) for token, p in found])))
        return
    pieces = stream_text(model, tokenizer, prompt, drawing)
    for piece in pieces if stream else ["".join(pieces)]:
        show(piece, end="")
    show("")


def load_writer(path: Path, *, allow_code: bool = False) -> TextTask:
    """The task of a run. Raises RunError for one of no model that writes from left to right."""
    run, _ = open_run(path, allow_code=allow_code)
    if run.read_config().get("task") == BIDIRECTIONAL.name:
        raise RunError(
            str(path),
            wanted="a model that tells the next token from those before it",
            got="one of both directions, which has to know what comes after it",
            remedy="Train with --direction forward to sample. To measure this one: "
            f"{run.command('evaluate', path)}",
        )
    return load_run(path, TEXT.name, allow_code=allow_code).task


def _check_alone(context: typer.Context, drawing: SampleSettings) -> None:
    """Raise ArgumentError where --next comes with what says how to draw."""
    for name in drawing.as_dict():
        if given(context, name):
            raise ArgumentError(
                f"--{name.replace('_', '-')}",
                wanted="either --next, which draws nothing, or settings of a drawing",
                got="both",
                remedy="Leave one of them out.",
            )


def _tell_unknown(tokenizer: Tokenizer, prompt: str) -> None:
    if unknown := tokenizer.unknown(prompt):
        shown = ", ".join(map(repr, unknown[:10]))
        note(f"{len(unknown)} in the prompt not known to the model, read as <unk>: {shown}")
