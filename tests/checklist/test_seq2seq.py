"""Row 102 of the checklist: an encoder and a decoder, coupled by their states."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ostinato import cells
from ostinato.data import BatchSettings
from ostinato.seq2seq import (
    EXAMPLES,
    EncoderDecoder,
    PairSettings,
    SearchSettings,
    Seq2SeqModelSettings,
    Seq2SeqTask,
    beam_search,
)
from ostinato.train import History, Solver, TrainSettings

# Of the example encoder-decoder-coupling: hidden 6, one layer, plain SGD, 1000 iterations. Its loss
# was summed over the six steps of the longer target, at a rate of 0.1; ours is a mean.
MODEL = Seq2SeqModelSettings(
    size=6,
    embedding=6,
    direction="forward",
    attention="none",
    dropout=0.0,
    init="torch",
)
TRAINING = TrainSettings(
    steps=1000,
    optimiser="sgd",
    lr=6 * 0.1,
    schedule="constant",
    warm_up=0,
    clip=0,
    validate_every=1000,
)


def test_row_102_the_two_pairs_are_learned_in_1000_iterations() -> None:
    data = EXAMPLES["pairs"].make(PairSettings())
    assert data.train == [("1 2 3", "1 2 3 4"), ("4 3 2 1", "5 4 3 2 1")]
    encoding = data.encoding()
    model = EncoderDecoder(len(encoding.source), len(encoding.target), MODEL)
    assert isinstance(model.encoder.cells[0], cells.LSTM)
    task = Seq2SeqTask(model, data, BatchSettings(batch_size=2))
    history = History()
    assert Solver(task, TRAINING, report=history).fit()
    nll = [6 * loss for loss in history["loss"]]  # as the old script printed it
    assert nll[0] > 10
    assert nll[-1] < 0.1
    pairs = encoding.pairs(data.train)
    batch = pairs.take(torch.arange(2))
    found = beam_search(model, batch.source, batch.lengths, SearchSettings(beam=3, longest=9))
    assert [encoding.text(best.tokens) for (best,) in found] == ["1 2 3 4", "5 4 3 2 1"]


def test_row_102_from_the_command_line(call: Callable[..., str]) -> None:
    call("train seq2seq --example pairs --validate-every 1000 --run run")
    config, result = (
        json.loads(Path("run", name).read_text()) for name in ("config.json", "result.json")
    )
    assert config["model"] == MODEL.as_dict()
    wanted = TRAINING.as_dict()
    for name in ("steps", "optimiser", "lr", "schedule", "warm_up", "clip"):
        assert config["train"][name] == pytest.approx(wanted[name])
    assert result["loss"] < 0.02
    assert result["exact_match"] == 1
    assert call("translate run", "--text", "1 2 3", "--text", "4 3 2 1") == "1 2 3 4\n5 4 3 2 1\n"
