"""``ostinato sample RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.code import AllowCode
from ostinato.cli.options import given, with_settings
from ostinato.cli.screen import note, show
from ostinato.cli.table import table
from ostinato.cli.text_job import load_writer
from ostinato.errors import ArgumentError
from ostinato.text import SampleSettings, Tokenizer, what_next
from ostinato.text import stream as stream_text


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
    model, corpus = load_writer(run)
    if prompt is not None:
        # Bytes of the command line that are no text come as lone surrogates, which are no text.
        prompt = prompt.encode("utf-8", "replace").decode("utf-8")
        _tell_unknown(corpus.tokenizer, prompt)
    if number is not None:
        found = what_next(model, corpus.tokenizer, prompt, number)
        show(table(["next", "probability"], [(repr(token), p) for token, p in found]))
        return
    pieces = stream_text(model, corpus.tokenizer, prompt, drawing)
    for piece in pieces if stream else ["".join(pieces)]:
        show(piece, end="")
    show("")


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
