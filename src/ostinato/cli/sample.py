"""``ostinato sample RUN``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.options import with_settings
from ostinato.cli.screen import note
from ostinato.cli.text_job import load
from ostinato.text import SampleSettings, Tokenizer
from ostinato.text import stream as stream_text


@with_settings(drawing=SampleSettings)
def sample(
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
    drawing: SampleSettings,
) -> None:
    """Write text with the best weights of a run."""
    model, corpus = load(run)
    if prompt is not None:
        # Bytes of the command line that are no text come as lone surrogates, which are no text.
        prompt = prompt.encode("utf-8", "replace").decode("utf-8")
        _tell_unknown(corpus.tokenizer, prompt)
    pieces = stream_text(model, corpus.tokenizer, prompt, drawing)
    for piece in pieces if stream else ["".join(pieces)]:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


def _tell_unknown(tokenizer: Tokenizer, prompt: str) -> None:
    if unknown := tokenizer.unknown(prompt):
        shown = ", ".join(map(repr, unknown[:10]))
        note(f"{len(unknown)} in the prompt not known to the model, read as <unk>: {shown}")
