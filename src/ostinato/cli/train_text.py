"""``ostinato train text``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ostinato import __version__
from ostinato._stages import stage
from ostinato.cli.code import AllowCode
from ostinato.cli.options import all_given, check_training, given, settled, with_settings
from ostinato.cli.origin import From, begun_from, refuse_beside, source_with, take_weights
from ostinato.cli.reading import counted
from ostinato.cli.screen import say
from ostinato.cli.training import train_run
from ostinato.data import ColumnSettings, existing_file, treebank_files
from ostinato.data.reading import check_encoding
from ostinato.errors import ArgumentError
from ostinato.runs.reading import SECTION
from ostinato.runs.text import BIDIRECTIONAL, COLUMNS, TEXT, TRAINING, job_for
from ostinato.text import (
    Corpus,
    CorpusSettings,
    Document,
    ModelSettings,
    Parts,
    default_text,
    files,
    source_name,
    standard_library,
)
from ostinato.train import Run, TrainSettings

CORPORA = {"topics": default_text, "stdlib": standard_library}


@with_settings(text=CorpusSettings, model=ModelSettings, batches=COLUMNS, training=TRAINING)
def text(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Text files, each a document, .gz or not; folders of them; - for standard input; "
            "or a folder with ptb.train.txt, ptb.valid.txt and ptb.test.txt. Without any: the "
            "reference of the Python language, which comes with Python.",
        ),
    ] = None,
    *,
    corpus: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(CORPORA),
            help="A text that comes with Python, in place of FILE: the reference of the language, "
            "or the source of the standard library.",
        ),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Hold out this text, in place of the end of the others."),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Measure the trained model on this text as well."),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            help="The encoding of the files; by default what a byte order mark says, or utf-8."
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="A new directory for the run; by default runs/text-001, and so on."),
    ] = None,
    start: From = None,
    allow_code: AllowCode = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a step, and nothing else.")
    ] = False,
    text: CorpusSettings,
    model: ModelSettings,
    batches: ColumnSettings,
    training: TrainSettings,
) -> None:
    """Train a language model on text: characters, words or byte pairs.

    It leaves a run directory with settings, metrics, checkpoints, curves and samples.

    Ctrl-C saves and stops; [bold]ostinato train --resume RUN[/] goes on, exactly.

    The end of the text is held out, to measure the model and keep its best weights.
    Each document reads <bos> text <eos>; what the vocabulary lacks reads <unk>.
    The Penn Treebank's files are read with --level spaced, and give the three parts.
    """
    check_training(context, training, model.cell)
    training = settled(context, training)
    origin, model = begun_from(
        context, start, model, TEXT.name, BIDIRECTIONAL.name, allow_code=allow_code
    )
    tokenizer = None if origin is None else origin.task.corpus.tokenizer
    fixed = ("level", "vocabulary", "min_frequency")
    refuse_beside(start, "vocabulary", *(name for name in fixed if given(context, name)))
    if folder := _treebank(paths or [], validation or test or corpus):
        paths, validation, test = folder
        if not given(context, "level"):
            text = text.replace(level="spaced")
    if tokenizer is not None:
        text = text.replace(level=tokenizer.level)
    if validation is not None and given(context, "held_out"):
        raise ArgumentError(
            "--held-out",
            wanted="a share of the text, or a text of its own, to be held out",
            got=f"{text.held_out} and {validation}",
            remedy="Leave one of them out.",
        )
    if encoding is not None:
        check_encoding(encoding)
    parts = Parts(
        _documents(paths or [], corpus, encoding, as_json=as_json),
        *(files([path], encoding) if path else [] for path in (validation, test)),
    )
    job, directory = job_for(model), Run.create("text", run)
    with directory.beginning():
        about = f"reading {source_name(parts.train)}"
        say(about, as_json=as_json)
        with stage(about, unit="characters") as done:
            shown = counted(parts, done)
            kept = directory.make_folder("corpus")
            made = Corpus.build(shown, text, folder=kept, tokenizer=tokenizer)
        say(made.summary(), as_json=as_json)
        config: dict[str, Any] = {
            "ostinato": __version__,
            "task": job.name,
            "given": all_given(context),
            "source": source_with(made.counts.name, origin),
            SECTION: {"encoding": encoding},
            "corpus": text.as_dict(),
            "model": model.as_dict(),
            "columns": batches.as_dict(),
            "train": training.as_dict(),
        }
        task = job.prepare(directory, config)
        take_weights(task.model, origin)
        directory.write_config(config)
    train_run(directory, job, task, training, as_json=as_json)


def _treebank(paths: list[Path], other: object) -> tuple[list[Path], Path, Path] | None:
    """The three files of the Penn Treebank, where the only path is their folder."""
    if len(paths) != 1 or not any(path.exists() for path in treebank_files(paths[0]).values()):
        return None
    if other is not None:
        raise ArgumentError(
            str(paths[0]),
            wanted="the folder alone, as its files are all parts",
            got=f"{other} beside it",
            remedy="To choose the parts, name files: ptb.train.txt --validation ptb.valid.txt.",
        )
    train, valid, test = (existing_file(p, "FILE") for p in treebank_files(paths[0]).values())
    return [train], valid, test


def _documents(
    paths: list[Path], corpus: str | None, encoding: str | None, *, as_json: bool
) -> list[Document]:
    if corpus is None:
        return (
            files(paths, encoding, say=partial(say, as_json=as_json)) if paths else default_text()
        )
    if paths:
        raise ArgumentError(
            "--corpus",
            wanted="either --corpus or files",
            got=f"--corpus {corpus} and {paths[0]}",
            remedy="Leave one of them out.",
        )
    if corpus not in CORPORA:
        raise ArgumentError(
            "--corpus",
            wanted=f"one of {', '.join(CORPORA)}",
            got=repr(corpus),
            remedy="To train on your own text, name its files without --corpus.",
        )
    return CORPORA[corpus]()
