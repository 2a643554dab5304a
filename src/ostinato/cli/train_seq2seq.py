"""``ostinato train seq2seq``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from ostinato import __version__
from ostinato._stages import stage
from ostinato.cli.code import AllowCode
from ostinato.cli.options import all_given, check_training, given, settled, with_settings
from ostinato.cli.origin import From, begun_from, refuse_beside, source_with, take_weights
from ostinato.cli.screen import note, say
from ostinato.cli.training import train_run
from ostinato.data import BatchSettings, Reader, Settings
from ostinato.data.source import source_words
from ostinato.errors import ArgumentError
from ostinato.runs.reading import SECTION
from ostinato.runs.seq2seq import BATCHES, SEQ2SEQ, TRAINING, pairs_path
from ostinato.seq2seq import (
    EXAMPLES,
    PairData,
    PairSettings,
    Seq2SeqModelSettings,
    read_pairs,
    tell_long,
)
from ostinato.train import Run, TrainSettings

_DEFAULT = next(iter(EXAMPLES))

Some = TypeVar("Some", bound=Settings)


@with_settings(pairs=PairSettings, model=Seq2SeqModelSettings, batches=BATCHES, training=TRAINING)
def seq2seq(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="A table with a pair in each row (CSV and its like, Parquet, JSON lines), or two "
            "texts whose lines are pairs. Without one: dates as people write them, to be said as "
            "1998-05-03.",
        ),
    ] = None,
    *,
    example: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(EXAMPLES),
            help="Pairs that come with ostinato, in place of FILE, with settings of their own "
            "where you give none: dates; words to be said backwards; the two pairs of numbers of "
            "Torch rnn's example.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="A new directory for the run; by default runs/seq2seq-001, and so on."),
    ] = None,
    start: From = None,
    allow_code: AllowCode = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a step, and nothing else.")
    ] = False,
    pairs: PairSettings,
    model: Seq2SeqModelSettings,
    batches: BatchSettings,
    training: TrainSettings,
) -> None:
    """Train an encoder and a decoder to turn sequences into sequences.

    It leaves a run directory with settings, metrics, checkpoints, curves and a picture of the
    attention; [bold]ostinato translate RUN[/] uses it.

    Ctrl-C saves and stops; [bold]ostinato train --resume RUN[/] goes on, exactly.
    """
    check_training(context, training, model.cell)
    paths = paths or []
    name = _example(context, paths[0] if paths else None, example)
    model, batches = _own(context, model, name), _own(context, batches, name)
    training = settled(context, _own(context, training, name))
    origin, model = begun_from(context, start, model, SEQ2SEQ.name, allow_code=allow_code)
    if origin is not None:
        fixed = ("tokens", "min_frequency")
        refuse_beside(start, "vocabulary", *(n for n in fixed if given(context, n)))
        pairs = pairs.replace(tokens=origin.task.encoding.tokens)
    reader = Reader(pairs)
    if name is None:
        source = ", ".join(map(source_words, paths))
        with stage(f"reading {source}"):
            data = PairData.split(read_pairs(paths, pairs, reader=reader), pairs, source=source)
    else:
        source, data = f"example {name}", EXAMPLES[name].make(pairs)
    if origin is not None:
        data = data.encoded_by(origin.task.encoding)
    directory = Run.create(SEQ2SEQ.name, run)
    with directory.beginning():
        data.save(pairs_path(directory))
        config: dict[str, Any] = {
            "ostinato": __version__,
            "task": SEQ2SEQ.name,
            "given": all_given(context),
            "source": source_with(source, origin),
            SECTION: reader.decided.given() if name is None else {},
            "pairs": pairs.replace(tokens=data.tokens).as_dict(),
            "model": model.as_dict(),
            "batches": batches.as_dict(),
            "train": training.as_dict(),
        }
        task = SEQ2SEQ.prepare(directory, config)
        take_weights(task.model, origin)
        directory.write_config(config)
    for line in [*reader.said, data.summary()]:
        say(line, as_json=as_json)
    if unknown := data.encoding().unknown(source for source, _ in data.train) if origin else []:
        note(f"{len(unknown):,} different tokens of the sources are not known: they read <unk>")
    if data.left_out:
        note(tell_long(data.left_out, pairs))
    train_run(directory, SEQ2SEQ, task, training, as_json=as_json)


def _example(context: typer.Context, path: Path | None, example: str | None) -> str | None:
    """The name of the example, None with a file. Raises ArgumentError for flags of the other."""
    if path is not None:
        for flag in ("example", "num_pairs"):
            if given(context, flag):
                flag = f"--{flag.replace('_', '-')}"
                raise ArgumentError(
                    flag,
                    wanted=f"either {flag} or a file",
                    got=f"{flag} and {path}",
                    remedy="Leave one of them out.",
                )
        return None
    example = example or _DEFAULT
    if example not in EXAMPLES:
        raise ArgumentError(
            "--example",
            wanted=f"one of {', '.join(EXAMPLES)}",
            got=repr(example),
            remedy="To train on your own pairs, name their file without --example.",
        )
    fixed = () if EXAMPLES[example].drawn else ("num_pairs", "held_out")
    for name in ("source", "target", "tokens", "min_frequency", *fixed):
        if given(context, name):
            raise ArgumentError(
                "FILE",
                wanted="the table that the flags are about",
                got=f"--{name.replace('_', '-')} with the example {example}",
                remedy="Name it: ostinato train seq2seq FILE ...",
            )
    return example


def _own(context: typer.Context, settings: Some, example: str | None) -> Some:
    """Settings with those of the example wherever the user has given none."""
    chosen = EXAMPLES[example].settings if example else {}
    fields = [field.name for field in dataclasses.fields(settings)]
    return settings.replace(
        **{name: v for name, v in chosen.items() if name in fields and not given(context, name)}
    )
