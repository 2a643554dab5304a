"""Sequences to sequences as a job: pairs and an encoder-decoder in a run's directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.conclusion import Conclusion
from ostinato.data import BatchSettings
from ostinato.data.source import source_words
from ostinato.errors import ArgumentError
from ostinato.runs import exports_of_pairs
from ostinato.runs.activations import of_pairs
from ostinato.runs.job import Job, Reading, section, set_up, train_settings
from ostinato.runs.reading import PAIR_FLAGS, reader_of
from ostinato.seq2seq import (
    EncoderDecoder,
    PairData,
    PairSettings,
    Seq2SeqModelSettings,
    Seq2SeqTask,
    read_pairs,
    tell_long,
    within_length,
)
from ostinato.train import Run, TrainSettings

BATCHES = BatchSettings(batch_size=64, bucket=20)
TRAINING = TrainSettings(epochs=10, validate_every=140, sample_every=700)


def build(run: Run, config: Mapping[str, Any]) -> Seq2SeqTask:
    """The task of a run, its weights drawn by the seed of the config."""
    where, training = str(run.config_path), train_settings(config, run)
    batches = BatchSettings.from_dict(section(config, "batches", run), where)
    settings = Seq2SeqModelSettings.from_dict(section(config, "model", run), where)
    data = PairData.load(pairs_path(run))
    encoding = data.encoding()
    set_up(training)
    model = EncoderDecoder(len(encoding.source), len(encoding.target), settings)
    model = model.to(training.torch_device())
    return Seq2SeqTask(model, data, batches, seed=training.seed)


def pairs_path(run: Run) -> Path:
    """Where a run keeps its pairs."""
    return run.folder / "pairs.json"


def pair_settings(run: Run) -> PairSettings:
    """Where the pairs of a run's files stand."""
    return PairSettings.from_dict(section(run.read_config(), "pairs", run), str(run.config_path))


def describe(task: Seq2SeqTask) -> str:
    """The model in a few words."""
    settings, number = task.model.settings, sum(p.numel() for p in task.model.parameters())
    reads = " both ways" if settings.direction == "both" else ""
    looks = "no" if settings.attention == "none" else settings.attention
    return (
        f"{settings.cell} {settings.layers} x {settings.size}{reads}, {looks} attention, "
        f"{number:,} parameters"
    )


def conclude(task: Seq2SeqTask, folder: Path | None) -> Conclusion:
    """The final held-out figures, with outputs beside the truth; leaves a picture in a folder."""
    return task.conclude(folder)


def evaluate(task: Seq2SeqTask, run: Run, paths: Sequence[Path], reading: Reading) -> Conclusion:
    """The figures on what is held out, or on the pairs of a table."""
    if not paths:
        return task.conclude()
    settings, reader = pair_settings(run).replace(**reading.places), reader_of(run, reading.files)
    task.held_out, long = within_length(read_pairs(paths, settings, reader=reader), settings)
    if not task.held_out:
        raise ArgumentError(
            source_words(paths[0]),
            wanted="pairs to measure on",
            got="none",
            remedy=tell_long(long, settings),
        )
    notes = [*reader.said, *([tell_long(long, settings)] if long else [])]
    return replace(task.conclude(), notes=notes)


def explain_model(task: Seq2SeqTask) -> str:
    """Which backend runs what of the encoder and the decoder, on a batch of the data."""
    batch = next(task.batches(0, 0)).to(task.device)
    said = task.model.explain(batch.source, batch.lengths, batch.inputs)
    return "\n".join(f"{part}:\n{each}" for part, each in said.items())


def drawn(task: Seq2SeqTask) -> tuple[nn.Module, tuple[Tensor | None, ...]]:
    """The model, and two pairs."""
    pairs = task.train.take(torch.arange(min(2, len(task.train))))
    return task.model, (pairs.source, None, pairs.inputs)


SEQ2SEQ = Job(
    "seq2seq",
    build,
    describe,
    conclude,
    evaluate,
    explain_model,
    drawn,
    "ostinato translate {run} --text '...'",
    reads=PAIR_FLAGS,
    activations=of_pairs,
    exported=exports_of_pairs.of_pairs,
    defaults={
        "pairs": PairSettings(),
        "model": Seq2SeqModelSettings(),
        "batches": BATCHES,
        "train": TRAINING,
    },
)
JOBS = (SEQ2SEQ,)
