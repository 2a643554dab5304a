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

# The files of what is read, and what is in the second.
ENCODING, _SAMPLES = "encoding.json", "samples.safetensors"
_PARTS, _FIELDS = ("train", "held_out"), ("steps", "lengths", "targets")
# Without a file: sequences, steps of each, classes, and the share that is held out.
_COUNT, _STEPS, _CLASSES, _HELD_OUT = 5000, 10, 7, 0.2


def classify(settings: LabelledSettings, source: Path | None, folder: Path) -> Problem:
    """A file, a folder in the layout of Sentiment140, or sequences drawn from pools."""
    if source is None and not (_kept(folder) / _SAMPLES).is_file():
        return pools()
    return _kept_problem(settings, source, folder, per_step=False)


def tag(settings: LabelledSettings, source: Path | None, folder: Path) -> Problem:
    """A file with a label for each step."""
    if source is None and not (_kept(folder) / _SAMPLES).is_file():
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
    # what is drawn may come twice
    return replace(made, summary=f"{made.summary}, drawn from pools", remarks=tuple)


def _problem(data: Labelled) -> Problem:
    vocabulary = data.encoding.vocabulary
    return Problem(
        data.train,
        data.held_out,
        Classification(data.encoding.labels),
        data.summary(),
        tokens=len(vocabulary) if vocabulary else 0,
        encoding=data.encoding,
        remarks=data.remarks,
    )


def keep_encoding(folder: Path, encoding: Encoding) -> None:
    """Keep what a model knows, its words and labels, in the folder of a run before it reads."""
    _kept(folder).mkdir()
    write_json(_kept(folder) / ENCODING, encoding.as_dict())


def _kept_problem(
    settings: LabelledSettings, source: Path | None, folder: Path, *, per_step: bool
) -> Problem:
    """What the folder keeps; at first the file, which is then kept in the folder."""
    kept, reader, cut = _kept(folder), Reader(settings), Labelled.cut
    if not (kept / _SAMPLES).is_file():
        assert source is not None
        known = _kept_encoding(kept) if kept.is_dir() else None
        data = _read(settings, source, known, reader, per_step=per_step)
        cut = data.cut
        kept.mkdir(exist_ok=True)
        write_json(kept / ENCODING, data.encoding.as_dict())
        tensors = {
            f"{part}.{name}": getattr(samples, name).contiguous()
            for part, samples in zip(_PARTS, (data.train, data.held_out), strict=True)
            for name in _FIELDS
        }
        with atomic(kept / _SAMPLES) as file:
            file.write(require("safetensors.torch", "train").save(tensors))
    made = _problem(replace(_load(kept, per_step=per_step), cut=cut))
    return replace(made, read={**reader.decided.given(), **reader.found}, said=reader.said)


def _read(
    settings: LabelledSettings,
    source: Path,
    known: Encoding | None,
    reader: Reader,
    *,
    per_step: bool,
) -> Labelled:
    if per_step or not (source / SENTIMENT140).is_file():
        return read_labelled(source, settings, per_step=per_step, encoding=known, reader=reader)
    tweets = read_sentiment140(source)
    return Labelled(Encoding(tweets.vocabulary, None, MOODS), tweets.train, tweets.held_out)


def _kept_encoding(kept: Path) -> Encoding:
    path = kept / ENCODING
    return Encoding.from_dict(read_json(path, "the encoding of sequences"), str(path))


def _load(kept: Path, *, per_step: bool) -> Labelled:
    path = kept / _SAMPLES
    encoding, tensors = _kept_encoding(kept), _tensors(path)

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
