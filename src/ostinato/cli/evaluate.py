"""``ostinato evaluate RUN [FILE...]``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.screen import note
from ostinato.cli.text_job import load, tell
from ostinato.text import Corpus, Evaluation, LanguageModel, files, tokenize
from ostinato.text import evaluate as evaluate_tokens

# Tokens that each column but the first reads before those that count.
_WARM_UP = 1000


def evaluate(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run of text, or one of its checkpoint files.")
    ],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Texts; without any, the run's held-out text."),
    ] = None,
    *,
    columns: Annotated[
        int,
        typer.Option(
            min=1,
            help="Read the text at so many places side by side: faster for a long text. With 1, "
            "the state is carried from its first character to its last.",
        ),
    ] = 1,
    encoding: Annotated[str, typer.Option(help="The encoding of the files.")] = "utf-8",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure the best weights of a run on texts: bits per character, loss and perplexity."""
    model, corpus = load(run)
    if paths:
        found = _on_files(model, corpus, paths, encoding, columns)
    else:
        characters = corpus.counts.held_out_characters
        found = evaluate_tokens(
            model, corpus.held_out, characters, columns=columns, warm_up=_WARM_UP
        )
    if as_json:
        print(
            json.dumps({**found.figures(), "tokens": found.tokens, "characters": found.characters})
        )
    else:
        print(tell(found))


def _on_files(
    model: LanguageModel, corpus: Corpus, paths: list[Path], encoding: str, columns: int
) -> Evaluation:
    with tempfile.TemporaryDirectory(prefix="ostinato-") as folder:
        text = tokenize(corpus.tokenizer, files(paths, encoding), Path(folder) / "tokens.npy")
        if text.unknown:
            note(f"{text.unknown:,} of {len(text.tokens):,} tokens are not known and read as <unk>")
        return evaluate_tokens(
            model, text.tokens, text.characters, columns=columns, warm_up=_WARM_UP
        )
