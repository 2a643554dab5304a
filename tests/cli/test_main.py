"""The program as a whole: its help, its version, its way of refusing."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import ostinato as library
from ostinato.data import Settings
from ostinato.runs.text import COLUMNS, TRAINING
from ostinato.tasks import RECIPES
from ostinato.text import CorpusSettings, ModelSettings, SampleSettings
from ostinato.train import TrainSettings
from small_model import SMALL


def test_version(ostinato) -> None:
    assert (
        ostinato("--version").out == f"ostinato {library.__version__} (torch {torch.__version__})\n"
    )


@pytest.mark.parametrize("arguments", [(), ("--help",), ("train",), ("train", "text", "--help")])
def test_help_is_given(ostinato, arguments: tuple[str, ...]) -> None:
    done = ostinato(*arguments)
    assert "Usage: ostinato" in done.out
    assert done.err == ""


def test_training_is_listed_first(ostinato) -> None:
    said = ostinato("--help").out
    places = [said.index(f"│ {name} ") for name in ("train", "compare", "sample", "bench")]
    assert places == sorted(places)


def test_every_setting_is_a_flag_with_its_help_and_default(ostinato) -> None:
    shown = " ".join((ostinato("train", "text", "-h").out + ostinato("sample", "-h").out).split())
    for settings in (CorpusSettings(), ModelSettings(), COLUMNS, TRAINING, SampleSettings()):
        check_shown(settings, shown)
    for name, recipe in RECIPES.items():
        shown = " ".join(ostinato("train", name, "-h").out.split())
        training = TrainSettings(**recipe.training)
        for settings in (recipe.data, recipe.model, recipe.batches, training):
            check_shown(settings, shown)


def check_shown(settings: Settings, shown: str) -> None:
    """Each field is a flag with its help, and the default that these settings have."""
    for field in dataclasses.fields(settings):
        default = getattr(settings, field.name)
        assert f"--{field.name.replace('_', '-')}" in shown
        assert field.metadata["help"].split()[0] in shown
        if default is not None and not isinstance(default, bool):
            assert f"[default: {default}]" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train text vers.txt", "FILE: wanted the path of a file, got vers.txt, which does not"),
        ("train text vers.txt", "Did you mean verse.txt?"),
        ("train text verse.txt --corpus stdlib", "--corpus: wanted either --corpus or files"),
        ("train text --corpus stdlb", "--corpus: wanted one of topics, stdlib, got 'stdlb'"),
        ("train text --steps 5 --epochs 2", "--steps: wanted the length of training either in"),
        ("train text --cell lsmt", "--cell: wanted one of elman, gru, lstm, or package.module"),
        ("train text --cell lsmt", "Did you mean lstm?"),
        ("train text --dropout 1.5", "--dropout: wanted a number of at least 0 and less than 1"),
        ("train text --optimiser adm", "Did you mean adam?"),
        ("train text --tied --embedding 0", "--tied: wanted an embedding"),
        ("train text --level bpe --vocabulary 9", "--vocabulary: wanted at least 259 for BPE"),
        ("train text verse.txt --batch-size 9999", "--batch-size: wanted at least 10,049 steps"),
        ("train text verse.txt --device gpu", "--device: wanted a device that torch has here"),
        ("train text verse.txt --encoding utf-9", "--encoding: wanted a text encoding"),
        ("train text verse.txt --held-out 1", "--held-out: wanted a number of at least 0.001"),
        ("train text --drpout 0.5", "No such option: --drpout"),
        ("train text --layers two", "Invalid value for '--layers'"),
        ("train tex", "Did you mean 'text'?"),
        ("trian text", "Did you mean 'train'?"),
        ("train --resume runs/text-009", "--resume: wanted the directory of a run"),
        ("sample verse.txt", "RUN: wanted the directory of a run, got the file verse.txt"),
        ("evaluate nowhere", "nowhere, which does not exist"),
        ("info .", "which has no config.json"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left(ostinato, folder, arguments, message) -> None:
    done = ostinato(*arguments.split())
    assert done.code in (1, 2)
    assert message in done.err
    assert "Traceback" not in done.err
    assert list((folder / "runs").glob("*")) == []


def test_a_reader_who_has_seen_enough_is_no_error(folder: Path) -> None:
    call = "from ostinato.cli import main; main()"
    arguments = ["train", "text", "verse.txt", *SMALL, "--json", "--steps", "3000"]
    process = subprocess.Popen(
        [sys.executable, "-c", call, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith('{"step": 1')
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert "Traceback" not in error
    assert "Exception" not in error


def test_a_missing_package_names_the_extra(ostinato, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    done = ostinato("train", "text", "verse.txt")
    assert done.code == 1
    assert "pip install 'ostinato[text]'" in done.err


@pytest.mark.parametrize("task", ["text", "adding", "series", "seq2seq"])
def test_a_missing_package_leaves_no_run(ostinato, folder, monkeypatch, task: str) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    done = ostinato("train", task, "--tensorboard")
    assert done.code == 1
    assert "pip install 'ostinato[tensorboard]'" in done.err
    assert not (folder / "runs").exists()
