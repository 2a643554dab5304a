"""The measure at the end: of large texts too, and it may be interrupted."""

import json
import os
import signal
import time

import numpy as np
import pytest
import torch

from ostinato.cli import training
from ostinato.text import Corpus, CorpusSettings, TextTask, evaluation, text
from ostinato.text.evaluation import usual_columns
from ostinato.train import Run
from small_model import SMALL

FLAGS = ("verse.txt", *SMALL, "--steps", 6, "--validate-every", 3, "--run", "run")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_costs_the_figures_alone(ostinato, folder, monkeypatch, number) -> None:
    def stopped(task: TextTask, part: str = "held_out", *, workers: int = 1):
        os.kill(os.getpid(), number)
        time.sleep(5)  # another thread may have got it: Python looks when this ends, or before
        raise AssertionError("not interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(TextTask, "evaluate", stopped)
        done = ostinato("train", "text", *FLAGS)
    assert done.code == 128 + number
    assert "stopped while the trained model was measured; it is saved" in done.out
    assert "ostinato train --resume run" in done.out
    run = Run.open(folder / "run")
    assert run.read_result() is None
    assert run.load_checkpoint()["progress"]["step"] == 6
    weights = run.load_checkpoint(part="best")["weights"]
    done = ostinato("train", "--resume", "run")
    assert done.code == 0, done.err
    result = run.read_result()
    assert result is not None
    assert result["steps"] == 6
    after = run.load_checkpoint(part="best")["weights"]
    assert all(torch.equal(weights[name], after[name]) for name in weights)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_evaluate_can_be_interrupted(ostinato, trained, monkeypatch) -> None:
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation, "take_ids", stopped)
    done = ostinato("evaluate", trained)
    assert done.code != 0
    assert "Traceback" not in done.err


def test_a_long_text_holds_out_no_more_than_two_million() -> None:
    def counts(length: int, share: float | None = None) -> tuple[int, int]:
        made = Corpus.build(text("ab" * (length // 2)), CorpusSettings(held_out=share)).counts
        return made.train_characters, made.held_out_characters

    assert counts(1000) == (900, 100)
    assert counts(20_000_000) == (18_000_000, 2_000_000)
    assert counts(24_000_000) == (22_000_000, 2_000_000)
    assert counts(24_000_000, 0.1) == (21_600_000, 2_400_000)


def test_columns_for_long_texts() -> None:
    assert [usual_columns(n) for n in (1, 500_000, 500_001, 2_000_000)] == [1, 1, 51, 200]


@pytest.mark.parametrize("flags", [(), ("--direction", "both")])
def test_on_all_cores_the_figure_is_that_of_one(ostinato, folder, monkeypatch, flags) -> None:
    assert ostinato("train", "text", *FLAGS, *flags).code == 0
    monkeypatch.setattr(evaluation, "_FULL", 50)
    monkeypatch.setattr(evaluation, "_COLUMN", 4)
    monkeypatch.setattr(evaluation, "_ROWS", 3)
    monkeypatch.setattr(evaluation, "SCORES", 400)
    monkeypatch.setattr("ostinato.runs.text.WARM_UP", 20)
    found = []
    threads = torch.get_num_threads()
    for cores in (1, 3):
        monkeypatch.setattr("ostinato.runs.text.num_cores", lambda cores=cores: cores)
        found.append(json.loads(ostinato("evaluate", "run", "verse.txt", "--json").out))
    assert found[0] == found[1]
    assert found[0]["tokens"] == 961
    monkeypatch.setattr(evaluation, "_FULL", 10**9)
    alone = json.loads(ostinato("evaluate", "run", "verse.txt", "--json").out)
    assert found[0]["loss"] == pytest.approx(alone["loss"], rel=0.02)
    assert torch.get_num_threads() == threads


def test_workers_give_their_parts_in_order() -> None:
    parts = list(np.arange(20))
    for workers in (1, 4):
        found = evaluation.in_workers(lambda part: torch.tensor(part), parts, workers)
        assert torch.stack(found).tolist() == list(range(20))


def test_the_way_of_stopping_is_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with training.termination_interrupts():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
