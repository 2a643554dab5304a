"""``ostinato classify RUN FILE`` and ``ostinato tag RUN FILE``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from ostinato.cli.code import AllowCode
from ostinato.cli.files import note_decisions
from ostinato.cli.options import with_settings
from ostinato.cli.screen import one_line, show
from ostinato.data import Encoding, NumberSettings, Sequences
from ostinato.runs import Loaded
from ostinato.runs.load import load_run
from ostinato.runs.reading import reader_of
from ostinato.runs.supervised import labelled_settings, read_for
from ostinato.tasks import predict

RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run of the task, or one of its checkpoint files.")
]
FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A table, which needs no column of labels; a text (.txt) or - (standard input) with a "
        "sequence a line; or a folder with a sequence a file.",
    ),
]
SequenceOption = Annotated[
    str | None, typer.Option(help="The column of the sequences, where it is not that of the run.")
]
GroupOption = Annotated[
    str | None, typer.Option(help="The column that names the sequence of a step, likewise.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a sequence.")]


@with_settings(reading=NumberSettings)
def classify(
    run: RunArgument,
    file: FileArgument,
    *,
    sequence: SequenceOption = None,
    group: GroupOption = None,
    as_json: JsonOption = False,
    allow_code: AllowCode = False,
    reading: NumberSettings,
) -> None:
    """Say the label of each sequence of a file, with its probability, by the best weights.

    A line for each sequence: line ends in its text are written as \\\\n.
    """
    loaded = load_run(run, "classify", allow_code=allow_code)
    labels, sequences, outputs = _predicted(loaded, file, sequence, group, reading)
    best, shown_labels = outputs.max(-1), [one_line(label) for label in labels]
    width = max(map(len, shown_labels))
    for row, text in enumerate(texts(sequences)):
        label, probability = labels[int(best.indices[row])], best.values[row].item()
        if as_json:
            each = dict(zip(labels, outputs[row].tolist(), strict=True))
            print(json.dumps({"row": row + 1, "label": label, "probabilities": each}))
        else:
            shown = one_line(sequences.texts[row] if sequences.texts else " ".join(text))
            label = shown_labels[int(best.indices[row])]
            show(f"{row + 1:>6}  {label:<{width}}  {probability:.3f}  {shown}".rstrip())


@with_settings(reading=NumberSettings)
def tag(
    run: RunArgument,
    file: FileArgument,
    *,
    sequence: SequenceOption = None,
    group: GroupOption = None,
    as_json: JsonOption = False,
    allow_code: AllowCode = False,
    reading: NumberSettings,
) -> None:
    """Say the label of each step of the sequences of a file, by the best weights."""
    loaded = load_run(run, "tag", allow_code=allow_code)
    labels, sequences, outputs = _predicted(loaded, file, sequence, group, reading)
    said = [labels[place] for place in outputs.argmax(-1).tolist()]
    start = 0
    for row, (text, length) in enumerate(
        zip(texts(sequences), sequences.lengths.tolist(), strict=True)
    ):
        steps = said[start : start + length]
        start += length
        if as_json:
            print(json.dumps({"row": row + 1, "steps": text, "labels": steps}))
        else:
            both = zip(text, steps, strict=True) if text else (("", label) for label in steps)
            pairs = (f"{word}/{label}" if word else label for word, label in both)
            show(one_line(" ".join(pairs)))


def _predicted(
    loaded: Loaded,
    file: Path,
    sequence: str | None,
    group: str | None,
    reading: NumberSettings,
) -> tuple[tuple[str, ...], Sequences, Tensor]:
    """(labels, the file's sequences, the probabilities [N, C] or of all steps [S, C])."""
    encoding = loaded.task.problem.encoding
    assert isinstance(encoding, Encoding)
    torch.set_num_threads(1)  # the batches are small
    wanted: dict[str, Any] = {"sequence": sequence, "group": group}
    settings = labelled_settings(loaded.run)
    settings = settings.replace(**{name: v for name, v in wanted.items() if v is not None})
    reader = reader_of(loaded.run, reading)
    sequences, samples = read_for(
        encoding, file, settings, reader, per_step=loaded.job.name == "tag", labelled=False
    )
    note_decisions(reader)
    outputs = predict(loaded.model, samples)
    return encoding.labels, sequences, outputs.softmax(-1)


def texts(sequences: Sequences) -> Iterator[list[str]]:
    """The words of each sequence; none where steps are numbers."""
    start = 0
    for length in sequences.lengths.tolist():
        places = sequences.steps[start : start + length].tolist()
        yield [sequences.words[place] for place in places] if sequences.words else []
        start += length
