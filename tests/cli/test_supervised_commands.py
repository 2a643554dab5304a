"""`ostinato train TASK` for supervised tasks, then `classify`, `tag`, `evaluate` and `info`."""

import json
from pathlib import Path

import pytest
import torch

from ostinato.train import Run

TINY = ["--num-train", "60", "--num-held-out", "20", "--size", "4", "--batch-size", "10"]
MOODS = "text,label\n" + "a good film,plus\na bad film,minus\n" * 20
TAGS = "text,label\n" + "the cat sat,D N V\na dog ran,D N V\n" * 15


def train(ostinato, *arguments: object) -> str:
    done = ostinato("train", *arguments)
    assert done.code == 0, done.err
    return done.out


@pytest.fixture
def classifier(ostinato, folder) -> Path:
    (folder / "moods.csv").write_text(MOODS)
    train(ostinato, "classify", "moods.csv", "--size", 4, "--steps", 60, "--lr", 0.03)
    return folder / "runs" / "classify-001"


@pytest.fixture
def tagger(ostinato, folder) -> Path:
    (folder / "tags.csv").write_text(TAGS)
    flags = ("--tokens", "space", "--size", 4, "--steps", 60, "--lr", 0.03)
    train(ostinato, "tag", "tags.csv", *flags)
    return folder / "runs" / "tag-001"


def test_a_run_of_numbers(ostinato, folder) -> None:
    out = train(ostinato, "adding", *TINY, "--steps", 8, "--validate-every", 3)
    run = Run.open(folder / "runs" / "adding-001")
    assert len(run.metrics()) == 8
    config = run.read_config()
    assert config["data"]["num_train"] == 60
    assert config["train"]["lr"] == 5e-3  # the default of the task, not of all tasks
    result = run.read_result()
    assert result is not None
    assert {"loss", "baseline_loss", "step", "steps"} <= set(result)
    assert "held-out mean squared error" in out
    assert "ostinato evaluate runs/adding-001" in out
    done = ostinato("evaluate", "runs/adding-001", "--json", "--curves", "curves.csv")
    assert json.loads(done.out)["loss"] == pytest.approx(result["loss"])
    lines = (folder / "curves.csv").read_text().splitlines()
    assert lines[0].startswith("step,loss,")
    assert len(lines) == 9
    assert "adding" in ostinato("info", "runs/adding-001").out


def test_json_is_all_that_is_printed(ostinato) -> None:
    out = train(ostinato, "adding", *TINY, "--steps", 4, "--json")
    assert [json.loads(line)["step"] for line in out.splitlines()] == [1, 2, 3, 4]


def test_epochs_may_be_asked_for_where_steps_are_the_default(ostinato, folder) -> None:
    flags = ("--num-values", 110, "--size", 4, "--batch-size", 20, "--epochs", 1)
    train(ostinato, "cos", *flags)
    assert len(Run.open(folder / "runs" / "cos-001").metrics()) == 4
    assert (folder / "runs" / "cos-001" / "forecast.png").is_file()


@pytest.mark.parametrize("task", ["adding", "copy"])
def test_going_on_is_as_never_having_stopped(ostinato, folder, task: str) -> None:
    flags = (task, *TINY, "--dropout", 0.3, "--validate-every", 4)
    train(ostinato, *flags, "--steps", 12, "--schedule", "constant", "--run", "whole")
    train(ostinato, *flags, "--steps", 7, "--schedule", "constant", "--run", "parts")
    done = ostinato("train", "--resume", "parts", "--steps", 12)
    assert done.code == 0, done.err
    ends = [Run.open(folder / name).load_checkpoint(part="model") for name in ("whole", "parts")]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_classify_a_file(ostinato, folder, classifier) -> None:
    (folder / "new.csv").write_text("text\na good film\na bad one\n")
    first, second = ostinato("classify", classifier, "new.csv").out.splitlines()
    assert first.split()[:2] == ["1", "plus"]
    assert first.endswith("a good film")
    assert second.split()[:2] == ["2", "minus"]
    lines = ostinato("classify", classifier, "new.csv", "--json").out.splitlines()
    said = json.loads(lines[0])
    assert said["label"] == "plus"
    assert sum(said["probabilities"].values()) == pytest.approx(1)


def test_evaluate_a_file(ostinato, folder, classifier) -> None:
    (folder / "moods.csv").unlink()  # the run keeps what it needs
    held_out = json.loads(ostinato("evaluate", classifier, "--json").out)
    assert sum(map(sum, held_out["confusion"])) == 8
    assert held_out["accuracy"] == 1
    (folder / "other.csv").write_text("text,label\na good film,minus\na bad film,minus\n")
    assert (
        json.loads(ostinato("evaluate", classifier, "other.csv", "--json").out)["accuracy"] == 0.5
    )
    assert "true, said" in ostinato("evaluate", classifier).out


def test_tag_a_file(ostinato, folder, tagger) -> None:
    (folder / "new.csv").write_text("text\nthe dog sat\n")
    assert ostinato("tag", tagger, "new.csv").out == "the/D dog/N sat/V\n"
    said = json.loads(ostinato("tag", tagger, "new.csv", "--json").out)
    assert said == {"row": 1, "steps": ["the", "dog", "sat"], "labels": ["D", "N", "V"]}


def test_rows_that_are_steps_of_numbers(ostinato, folder) -> None:
    rows = "".join(
        f"{name},{x},{x + 1},{'up' if name % 2 else 'down'}\n"
        for name in range(20)
        for x in ((1, 2) if name % 2 else (2, 1))
    )
    (folder / "walks.csv").write_text("walk,x,y,label\n" + rows)
    flags = ("--group", "walk", "--sequence", "x,y", "--size", 4, "--steps", 40, "--lr", 0.05)
    train(ostinato, "classify", "walks.csv", *flags)
    out = ostinato("classify", "runs/classify-001", "walks.csv").out
    assert [line.split()[1] for line in out.splitlines()] == ["down", "up"] * 10


REFUSED = {
    "train classify mood.csv": "Did you mean moods.csv?",
    "train classify moods.csv --label lable": "Did you mean label?",
    "train classify --label mood": "--label without a file",
    "train adding --cell lstmm": "--cell: wanted one of elman, gru, lstm",
    "train adding --steps 3 --epochs 2": "Leave one of them out",
    "train tag": "ostinato train tag FILE",
    "train digits nowhere": "nowhere, which does not exist",
    "train toy --kind fixd": "Did you mean fixed?",
    "train toy --noise -1": "--noise: wanted a number of at least 0",
    "sample runs/classify-001": "wanted a run of text, got one of classify",
    "tag runs/classify-001 moods.csv": "wanted a run of tag, got one of classify",
    "classify runs/classify-001 moods.csv --sequence txt": "Did you mean text?",
    "evaluate runs/classify-001 moods.csv moods.csv": "wanted one table",
    "compare adding --cells lstm,gruu": "--cells: wanted one of elman, gru, lstm",
    "compare adding --cells lstm@x": "such as lstm@100",
    "compare adding --cells lstm,lstm": "different cells between commas",
    "explain lstmm": "Did you mean lstm?",
    "explain runs/classify-002": "Did you mean runs/classify-001?",
}


def test_what_is_wrong_is_said_with_a_way_out(ostinato, folder, classifier) -> None:
    for call, wanted in REFUSED.items():
        done = ostinato(*call.split())
        assert done.code == 1, call
        assert wanted in done.err, call
    assert sorted(path.name for path in (folder / "runs").iterdir()) == ["classify-001"]


def test_a_run_of_formulas_takes_no_file(ostinato, folder) -> None:
    train(ostinato, "adding", *TINY, "--steps", 2)
    done = ostinato("evaluate", "runs/adding-001", "verse.txt")
    assert "wanted no file for a run of adding" in done.err


def test_explain(ostinato, classifier) -> None:
    assert ostinato("explain", "gru", "--input", 3, "--hidden", 4).out.startswith("GRU(3, 4)")
    assert ostinato("explain", "gru", "--backend", "eager").out.split()[-1] != ""
    assert "LSTM(32, 4" in ostinato("explain", classifier).out


def test_bench_is_the_harness_of_the_source_tree(ostinato, monkeypatch, tmp_path) -> None:
    from ostinato.cli import bench

    called = []

    def run(command, cwd, check):
        called.append((command[1:], cwd))
        return bench.subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(bench.subprocess, "run", run)
    assert ostinato("bench", "cells", "--quick").code == 0
    assert called == [(["-m", "benchmarks", "cells", "--quick"], bench.ROOT)]
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    done = ostinato("bench")
    assert done.code == 1
    assert "wanted the source tree of ostinato" in done.err
