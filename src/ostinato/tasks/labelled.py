"""Sequences with labels from a file of the user: a label for each (classify) or each step (tag)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ostinato.data import (
    BatchSettings,
    Encoding,
    Labelled,
    LabelledSettings,
    Reader,
    Samples,
    Vocabulary,
    atomic,
    read_labelled,
    read_sentiment140,
    require,
    write_json,
)
from ostinato.data.files import read_json
from ostinato.data.problems import drawn_from_pools
from ostinato.data.sentiment import CLASSES as MOODS
from ostinato.data.sentiment import TRAIN as SENTIMENT140
from ostinato.errors import ArgumentError
from ostinato.tasks.aim import Classification
from ostinato.tasks.model import SupervisedModelSettings
from ostinato.tasks.problem import Problem
from ostinato.tasks.recipe import Recipe

_PARTS, _FIELDS = ("train", "held_out"), ("steps", "lengths", "targets")
# Without a file: sequences, steps of each, classes, and the share that is held out.
_COUNT, _STEPS, _CLASSES, _HELD_OUT = 5000, 10, 7, 0.2


def classify(settings: LabelledSettings, source: Path | None, folder: Path) -> Problem:
    """A file, a folder in the layout of Sentiment140, or sequences drawn from pools."""
    if source is None and not _kept(folder).is_dir():
        return pools()
    return _kept_problem(settings, source, folder, per_step=False)


def tag(settings: LabelledSettings, source: Path | None, folder: Path) -> Problem:
    """A file with a label for each step."""
    if source is None and not _kept(folder).is_dir():
        raise ArgumentError(
            "FILE",
            wanted="a table with a label for each step",
            got="none",
            remedy="With the columns text and label, both of words between spaces: "
            "ostinato train tag FILE --tokens space",
        )
    return _kept_problem(settings, source, folder, per_step=True)


def pools() -> Problem:
    """Sequences of seven ids, told apart by how often they have each: ln 7 without skill."""
    drawn = drawn_from_pools(_COUNT, _STEPS, classes=_CLASSES)
    train, held_out = Samples.of(drawn).split(_HELD_OUT)
    names = tuple(map(str, range(_CLASSES)))
    encoding = Encoding(Vocabulary(names), None, names)
    made = _problem(Labelled(encoding, train, held_out))
    return replace(made, summary=f"{made.summary}, drawn from pools")


def _problem(data: Labelled) -> Problem:
    vocabulary = data.encoding.vocabulary
    return Problem(
        data.train,
        data.held_out,
        Classification(data.encoding.labels),
        data.summary(),
        tokens=len(vocabulary) if vocabulary else 0,
        encoding=data.encoding,
    )


def _kept_problem(
    settings: LabelledSettings, source: Path | None, folder: Path, *, per_step: bool
) -> Problem:
    """What the folder keeps; at first the file, which is then kept in the folder."""
    kept, reader = _kept(folder), Reader(settings)
    if not kept.is_dir():
        assert source is not None
        data = _read(settings, source, reader, per_step=per_step)
        kept.mkdir()
        write_json(kept / "encoding.json", data.encoding.as_dict())
        tensors = {
            f"{part}.{name}": getattr(samples, name).contiguous()
            for part, samples in zip(_PARTS, (data.train, data.held_out), strict=True)
            for name in _FIELDS
        }
        with atomic(kept / "samples.safetensors") as file:
            file.write(require("safetensors.torch", "train").save(tensors))
    made = _problem(_load(kept, per_step=per_step))
    return replace(made, read={**reader.decided.given(), **reader.found}, said=reader.said)


def _read(settings: LabelledSettings, source: Path, reader: Reader, *, per_step: bool) -> Labelled:
    if per_step or not (source / SENTIMENT140).is_file():
        return read_labelled(source, settings, per_step=per_step, reader=reader)
    tweets = read_sentiment140(source)
    return Labelled(Encoding(tweets.vocabulary, None, MOODS), tweets.train, tweets.held_out)


def _load(kept: Path, *, per_step: bool) -> Labelled:
    path = kept / "encoding.json"
    encoding = Encoding.from_dict(read_json(path, "the encoding of sequences"), str(path))
    path = kept / "samples.safetensors"
    tensors = _tensors(path)

    def samples(part: str) -> Samples:
        steps, lengths, targets = (tensors[f"{part}.{name}"] for name in _FIELDS)
        if lengths.dtype != torch.int64 or lengths.dim() != 1 or not (lengths >= 0).all():
            raise ArgumentError(str(path), wanted="lengths of sequences", got="others")
        made = Samples(steps, lengths, targets, per_step=per_step)
        encoding.check(made, str(path))
        return made

    return Labelled(encoding, samples("train"), samples("held_out"))


def _tensors(path: Path) -> dict[str, Tensor]:
    damaged = require("safetensors", "train").SafetensorError
    try:
        found = require("safetensors.torch", "train").load_file(path)
    except (damaged, OSError, ValueError) as error:
        raise ArgumentError(str(path), wanted="the samples of a run", got="no such file") from error
    names = {f"{part}.{name}" for part in _PARTS for name in _FIELDS}
    if found.keys() != names or not all(found[f"{part}.lengths"].numel() for part in _PARTS):
        raise ArgumentError(str(path), wanted="the samples of a run", got="others")
    return found


def _kept(folder: Path) -> Path:
    return folder / "data"


_TRAINING = {"epochs": 10, "lr": 4e-3, "validate_every": 50, "sample_every": 200}

CLASSIFY = Recipe(
    "classify",
    "Give each sequence a label. Without FILE: sequences of seven classes, drawn from pools.",
    LabelledSettings(),
    classify,
    SupervisedModelSettings(dropout=0.3),
    BatchSettings(bucket=20),
    _TRAINING,
    source="A table (CSV and its like, Parquet, JSON lines) with the columns --sequence and "
    "--label; a folder with a folder of texts for each label; or the files of Sentiment140.",
    reads_columns=True,
)

TAG = Recipe(
    "tag",
    "Give each step of a sequence a label.",
    LabelledSettings(),
    tag,
    SupervisedModelSettings(dropout=0.3, direction="both"),
    BatchSettings(bucket=20),
    _TRAINING,
    source="A table with a label for each step: in a row of its own (--group), or as many labels "
    "as words in a row (--tokens space); or a file with a token and its label a line, and blank "
    "lines between sentences (CoNLL).",
    reads_columns=True,
)
