"""``ostinato translate RUN [FILE]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from ostinato._stages import stage
from ostinato.cli.code import AllowCode
from ostinato.cli.files import note_decisions, refuse_without_file
from ostinato.cli.options import with_settings
from ostinato.cli.screen import note, one_line, show
from ostinato.data import FileSettings
from ostinato.data.batches import side_by_side
from ostinato.data.source import source_words
from ostinato.data.visible import json_line
from ostinato.errors import ArgumentError
from ostinato.runs.load import load_run
from ostinato.runs.reading import reader_of
from ostinato.runs.seq2seq import SEQ2SEQ, pair_settings
from ostinato.seq2seq import Hypothesis, SearchSettings, Seq2SeqTask, beam_search, read_sources
from ostinato.train import Run

# Sources that are searched side by side, and their tokens with padding.
_ROWS, _TOKENS = 50, 20_000


@with_settings(search=SearchSettings, reading=FileSettings)
def translate(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="A run of seq2seq, or one of its checkpoint files."),
    ],
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A table with a source in each row; or a text, or - (standard input), with one a "
            "line.",
        ),
    ] = None,
    *,
    text: Annotated[
        list[str] | None, typer.Option(help="A source, in place of FILE; may be given again.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="The column of the sources, where it is not that of the run.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a source.")
    ] = False,
    allow_code: AllowCode = False,
    search: SearchSettings,
    reading: FileSettings,
) -> None:
    """Turn sources into targets with the best weights of a run, by beam search.

    One line for each output: with --best above 1, its source's number and its log-probability too.
    Line ends in an output are written as \\\\n; --json has them as they are.
    """
    loaded = load_run(run, SEQ2SEQ.name, allow_code=allow_code)
    task: Seq2SeqTask = loaded.task
    texts = _texts(loaded.run, path, text or [], source, reading)
    _tell_unknown(task, texts)
    torch.set_num_threads(1)  # the batches are small
    search = search.replace(longest=search.longest or 2 * task.longest)
    samples = task.encoding.sources(texts)
    for rows in side_by_side(samples.lengths, _ROWS, _TOKENS):
        batch = samples.take(rows).xs.to(task.device), samples.lengths[rows].to(task.device)
        found = beam_search(task.model, *batch, search)
        for row, each in zip(rows.tolist(), found, strict=True):
            show(_told(task, row, texts[row], each, best=search.best, as_json=as_json))


def _texts(
    run: Run, path: Path | None, texts: list[str], source: str | None, reading: FileSettings
) -> list[str]:
    if (path is None) == (not texts):
        got = "neither" if path is None else f"{path} and --text {texts[0]!r}"
        raise ArgumentError("FILE", wanted="either a table of sources or --text", got=got)
    if path is None:
        refuse_without_file(reading.given(), path)
        if source is not None:
            raise ArgumentError(
                "--source", wanted="a column of a table", got="--text, which has no columns"
            )
        return texts
    reader, column = reader_of(run, reading), source or pair_settings(run).source
    with stage(f"reading {source_words(path)}"):
        found = read_sources(path, column, reader=reader)
    note_decisions(reader)
    return found


def _tell_unknown(task: Seq2SeqTask, texts: list[str]) -> None:
    if unknown := task.encoding.unknown(texts):
        shown = ", ".join(map(repr, unknown[:10]))
        note(f"{len(unknown)} in the sources not known to the model, read as <unk>: {shown}")


def _told(
    task: Seq2SeqTask,
    row: int,
    source: str,
    found: list[Hypothesis],
    *,
    best: int,
    as_json: bool,
) -> str:
    texts = [(task.encoding.text(each.tokens), each.log_probability) for each in found]
    if as_json:
        outputs = [{"text": text, "log_probability": chance} for text, chance in texts]
        record = {"row": row + 1, "source": source, "outputs": outputs}
        return json_line(record)
    if best == 1:
        return one_line(texts[0][0])
    return "\n".join(f"{row + 1:>6}  {chance:>8.3f}  {one_line(text)}" for text, chance in texts)
