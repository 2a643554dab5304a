"""The main job without the command line: about ten lines."""

from pathlib import Path

import torch

from ostinato.data import ColumnSettings
from ostinato.text import (
    Corpus,
    LanguageModel,
    ModelSettings,
    SampleSettings,
    TextTask,
    files,
    sample,
)
from ostinato.train import Run, Solver, TrainSettings


def test_train_measure_and_write(tmp_path: Path) -> None:
    path = tmp_path / "verse.txt"
    path.write_text("the cat sat on the mat.\nthe dog sat on the log.\n" * 40)

    torch.manual_seed(0)
    corpus = Corpus.build(files([path]))
    model = LanguageModel(corpus.tokenizer.size, ModelSettings(cell="gru", size=32, dropout=0.0))
    task = TextTask(model, corpus, ColumnSettings(batch_size=4, bptt=20))
    solver = Solver(
        task, TrainSettings(steps=120, lr=0.02), run=Run.create("text", tmp_path / "run")
    )
    solver.fit()
    assert task.evaluate().bits_per_character < 0.35
    written = sample(model, corpus.tokenizer, "the cat", SampleSettings(length=60, temperature=0))
    lines = {"the cat sat on the mat.", "the dog sat on the log.", "the dog sat on the mat."}
    assert set(written.splitlines()[:-1]) <= lines
