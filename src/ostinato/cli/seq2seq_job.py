"""Sequences to sequences as a job: pairs and an encoder-decoder in a run's directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.cli.files import PAIR_FLAGS, note_decisions, reader_of
from ostinato.cli.hidden import of_pairs
from ostinato.cli.job import (
    Job,
    Judged,
    Reading,
    load_task,
    section,
    set_up,
    train_settings,
)
from ostinato.data import BatchSettings
from ostinato.seq2seq import (
    EncoderDecoder,
    PairData,
    PairSettings,
    Seq2SeqModelSettings,
    Seq2SeqTask,
    read_pairs,
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
    return Seq2SeqTask(model, data, batches, seed=training.seed, folder=run.folder)


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


def conclude(task: Seq2SeqTask) -> Judged:
    """The final held-out figures, with outputs beside the truth; leaves a picture in the run."""
    return task.conclude()


def load(path: Path) -> Seq2SeqTask:
    """The task of a run, or as it was at one of its checkpoints, with its best weights."""
    task = load_task(path, (SEQ2SEQ.name,), build)
    task.folder = None  # pictures belong to the end of a training
    return task


def evaluate(run: Run, checkpoint: Path | None, paths: Sequence[Path], reading: Reading) -> Judged:
    """The figures on what is held out, or on the pairs of a table."""
    task = load(checkpoint or run.folder)
    if paths:
        reader = reader_of(run, reading.files)
        settings = pair_settings(run).replace(**reading.places)
        task.held_out = read_pairs(paths, settings, reader=reader)
        note_decisions(reader)
    return task.conclude()


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
    build,  # pyright: ignore[reportArgumentType]
    describe,  # pyright: ignore[reportArgumentType]
    conclude,  # pyright: ignore[reportArgumentType]
    evaluate,
    explain_model,  # pyright: ignore[reportArgumentType]
    drawn,  # pyright: ignore[reportArgumentType]
    "ostinato translate {run} --text '...'",
    reads=PAIR_FLAGS,
    activations=of_pairs,  # pyright: ignore[reportArgumentType]
    defaults={
        "pairs": PairSettings(),
        "model": Seq2SeqModelSettings(),
        "batches": BATCHES,
        "train": TRAINING,
    },
)
