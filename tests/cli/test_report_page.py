"""`report.html` at the end of a training, when it is stopped, and by `ostinato report`."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from ostinato import load
from ostinato.cli import page
from ostinato.runs import JOBS, activations
from ostinato.text import ModelSettings
from ostinato.train import Run, Solver
from small_model import SMALL

TAGS = "text,label\n" + "the cat sat,D N V\na dog ran off,D N V P\n" * 15


def test_a_training_leaves_its_page(ostinato, folder) -> None:
    done = ostinato(
        *("train", "text", "verse.txt", *SMALL, "--steps", 12),
        *("--validate-every", 5, "--sample-every", 4),
    )
    assert done.code == 0
    assert "kept in runs/text-001: report.html, curves.png" in done.out
    run = Run.open(folder / "runs" / "text-001")
    written = run.report_path.read_text(encoding="utf-8")
    result = run.read_result()
    assert result is not None
    assert f"{result['bpc']:.4f} bits per character" in written
    for part in ("verse.txt", "12 steps in", "How it began", "layer 1", "expects"):
        assert part in written
    assert "ostinato train text verse.txt --size 8" in written
    assert f"<td>8<small> (default {ModelSettings().size})</small></td>" in written
    assert "ostinato sample runs/text-001" in written
    (command,) = run.commands()
    assert command["torch"] == torch.__version__
    assert command["processes"] == 1


def test_a_page_is_made_anew(ostinato, folder, trained) -> None:
    run = Run.open(trained)
    before = run.report_path.read_text(encoding="utf-8")
    run.report_path.unlink()
    done = ostinato("report", "runs/text-001")
    assert done.code == 0, done.err
    assert done.out == "written: runs/text-001/report.html\n"
    assert run.report_path.read_text(encoding="utf-8") == before


def test_an_old_run_without_commands(ostinato, trained) -> None:
    Run.open(trained).commands_path.unlink()
    assert ostinato("report", trained).code == 0
    assert "How it was made" not in Run.open(trained).report_path.read_text(encoding="utf-8")


def test_a_run_that_is_stopped_has_a_page(ostinato, folder, monkeypatch) -> None:
    update = Solver.update

    def stop(solver: Solver, batch):
        if solver.progress.step == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(solver, batch)

    monkeypatch.setattr(Solver, "update", stop)
    flags = ("verse.txt", *SMALL, "--steps", 12, "--validate-every", 5)
    done = ostinato("train", "text", *flags)
    assert done.code == 128 + signal.SIGTERM
    path = folder / "runs" / "text-001" / "report.html"
    written = path.read_text(encoding="utf-8")
    assert "stopped at step 7 of 12" in written
    assert "so far" in written
    assert "ostinato train --resume runs/text-001" in written
    assert ostinato("report", "runs/text-001").code == 0
    anew = path.read_text(encoding="utf-8")
    assert "stopped at step 7 of 12" in anew
    assert "bits per character, loss" in anew
    monkeypatch.undo()


def test_a_page_that_fails_does_not_cost_the_result(ostinato, folder, monkeypatch) -> None:
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page, "write_page", full)
    done = ostinato("train", "text", "verse.txt", *SMALL, "--steps", 3)
    assert done.code == 0
    assert "note: no report.html: OSError: [Errno 28] No space left on device" in done.err
    assert (folder / "runs" / "text-001" / "result.json").is_file()
    assert "report.html" not in done.out


def test_activations_that_fail_leave_a_page_without(ostinato, folder, monkeypatch) -> None:
    def fail(*_):
        raise ValueError("what a cell")

    monkeypatch.setattr(activations, "run_and_record", fail)
    done = ostinato("train", "text", "verse.txt", *SMALL, "--steps", 3)
    assert done.code == 0
    assert "no hidden activations in the page: ValueError: what a cell" in done.err
    written = (folder / "runs" / "text-001" / "report.html").read_text(encoding="utf-8")
    assert "Hidden activations" not in written
    assert "How to go on" in written


@pytest.fixture
def tagger(ostinato, folder) -> Path:
    (folder / "tags.csv").write_text(TAGS)
    flags = ("--tokens", "space", "--size", 4, "--steps", 40, "--lr", 0.03)
    done = ostinato("train", "tag", "tags.csv", *flags)
    assert done.code == 0, done.err
    return folder / "runs" / "tag-001"


def test_labels_and_both_directions(tagger) -> None:
    written = (tagger / "report.html").read_text(encoding="utf-8")
    assert "Which label it gave" in written
    assert json.loads((tagger / "result.json").read_text())["labels"] == ["D", "N", "P", "V"]
    told = activations.of_sequence(load(tagger).task)
    assert list(told.layers) == ["layer 1, forward", "layer 1, backward"]
    assert {tuple(layer.shape) for layer in told.layers.values()} == {(4, 4)}
    assert told.rows["reads"] == ["a", "dog", "ran", "off"]  # the longest sequence
    assert told.rows["truth"] == ["D", "N", "V", "P"]
    assert len(told.rows["says"]) == 4


def test_chance_and_the_model_are_left_alone(trained, folder) -> None:
    task = load(trained).task
    task.model.train()
    weights = {name: value.clone() for name, value in task.model.state_dict().items()}
    before = torch.get_rng_state()
    told = activations.of_text(task)
    assert torch.equal(torch.get_rng_state(), before)
    assert task.model.training
    assert all(torch.equal(weights[name], now) for name, now in task.model.state_dict().items())
    assert told.layers["layer 1"].shape == (len(told.rows["reads"]), 8)


def test_what_a_text_model_reads_is_held_out(trained) -> None:
    task = load(trained).task
    text = "".join(activations.of_text(task).rows["reads"]).removesuffix("\u220e")
    assert text in task.corpus.tokenizer.decode(task.corpus.held_out)


def test_a_sentence_is_begun_at() -> None:
    pieces = [*"so it is. Then ", *"x" * 100]
    assert activations._sentence(pieces, 3) == 10
    assert activations._sentence(pieces, 12) == 12  # no sentence begins after it
    assert activations._sentence([*"a. B"], 0) == 0  # no room after it


@pytest.mark.parametrize("name", JOBS)
def test_each_job_knows_its_sections(name: str) -> None:
    job = JOBS[name]
    if name == "text":
        assert set(job.defaults) == {"corpus", "model", "columns", "train"}
    assert "train" in job.defaults
    # the pictures of looks tell more
    assert (job.activations is None) is (name == "attention")


def test_defaults_are_those_of_the_command(ostinato, folder) -> None:
    """A run without any flag but the length has nothing else marked, whatever the data chose."""
    for task in ("adding", "series"):
        done = ostinato("train", task, "--steps", 1)
        assert done.code == 0, done.err
        written = (folder / "runs" / f"{task}-001" / "report.html").read_text(encoding="utf-8")
        assert written.count('class="changed"') == 1


def test_a_page_of_many_columns_says_what_its_picture_leaves_out(ostinato, folder) -> None:
    names = [f"c{number}" for number in range(30)]
    rows = [
        f"2000-01-{day:02}," + ",".join(str(day * day % (n + 9)) for n in range(30))
        for day in range(1, 32)
    ]
    (folder / "wide.csv").write_text("\n".join([",".join(["day", *names]), *rows]))
    flags = ("--steps", 1, "--size", 2, "--horizon", 2, "--bptt", 4)
    done = ostinato("train", "series", "wide.csv", *flags)
    assert done.code == 0, done.err
    words = "forecast.png; the first 8 of 30 columns"
    assert words in done.out
    written = (folder / "runs" / "series-001" / "report.html").read_text(encoding="utf-8")
    assert words in written
    # the tables of the back-test are tables
    assert '<th scope="col">steps ahead</th>' in written
    assert "better than the model" in written
    done = ostinato("forecast", "runs/series-001", "--plot", "next.png")
    assert "written: next.png; the first 8 of 30 columns" in done.out
