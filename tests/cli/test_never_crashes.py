"""What people do wrong, or have on their disks, is told in one line, in the program's own words."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ostinato.data import files as data_files
from ostinato.train import Run
from small_model import SMALL, VERSE

LONG = "x" * 300
TRAIN = " ".join(["train text verse.txt", *SMALL, "--steps 4 --validate-every 2"])
PLAIN_SGD = "--optimiser sgd --clip 0 --schedule constant --warm-up 0"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files of all kinds and a run of each of four tasks."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "verse.txt").write_text(VERSE)
    (folder / "empty.txt").touch()
    (folder / "one.txt").write_text("a")
    (folder / "moods.csv").write_text("text,label\n" + "a good film,plus\na bad film,minus\n" * 20)
    (folder / "pairs.csv").write_text("source,target\n" + "abc,cba\nab,ba\n" * 10)
    (folder / "head.csv").write_text("text,label,source,target,date,v\n")
    (folder / "onerow.csv").write_text("text,label,source,target\na b,x,a,b\n")
    (folder / "few.csv").write_text("date,v\n2020-01-01,1\n2020-01-02,2\n2020-01-03,4\n")
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to("loop")
    return folder


@pytest.fixture
def call(kept: Path, ostinato, monkeypatch) -> Callable[[str], object]:
    monkeypatch.chdir(kept)
    short = "--size 4 --steps 2 --validate-every 2"
    for command in (
        f"{TRAIN} --run text",
        f"train classify moods.csv {short} --run moods",
        f"train seq2seq pairs.csv {short} --run pairs",
        f"train series {short} --run co2",
    ):
        if not (kept / command.split()[-1]).exists():
            assert ostinato(*command.split()).code == 0
    return lambda line: ostinato(*line.split())


REFUSED = {
    # nothing in it
    "evaluate text empty.txt": "empty.txt: wanted a text to measure on, got no character",
    "evaluate text empty.txt empty.txt": "empty.txt and 1 more: wanted a text to measure on",
    "evaluate moods head.csv": "head.csv: wanted a table with rows, got none",
    "evaluate pairs head.csv": "head.csv: wanted a table with rows, got none",
    "evaluate co2 head.csv": "head.csv: wanted a table with rows, got none",
    "classify moods head.csv": "head.csv: wanted a table with rows, got none",
    "translate pairs head.csv": "head.csv: wanted a table with rows, got none",
    "forecast co2 head.csv": "head.csv: wanted a table with rows, got none",
    "train text empty.txt": "got 0 characters in 1 file",
    "train text verse.txt --validation empty.txt": "wanted a text to hold out, got no character",
    "train text verse.txt --test empty.txt": "wanted a text to test on, got no character",
    # too little: what is needed, and what there is
    "train text one.txt": "got 1 characters in 1 file",
    "train text verse.txt --batch-size 900": "wanted at least 950 steps of data for 900 columns, "
    "got 865. Use more data, or a smaller --batch-size and --bptt",
    "train series few.csv": "--held-out: wanted at least 25 steps: with 0.3 of them held out, 4 "
    "each to learn from, to validate and to test, got 3",
    "train seq2seq onerow.csv": "onerow.csv: wanted at least two pairs, to hold one out, got 1",
    "train classify onerow.csv": "wanted at least two sequences, to hold one out, got 1",
    "train cos --num-values 100 --window 90": "--window: wanted fewer than the 80 values",
    # paths of another kind
    f"{TRAIN} --run verse.txt/x": "--run: wanted the name of a new directory, got verse.txt/x",
    f"{TRAIN} --run verse.txt": "--run: wanted the name of a new directory, got verse.txt, which",
    f"{TRAIN} --run {LONG}": f"a directory can be made, got {LONG} (File name too long)",
    f"train text {LONG}": "File name too long.",
    f"info {LONG}": "File name too long.",
    "train text folder": "FILE: wanted a text, or a folder with texts, got folder, which has none",
    "train text loop": "got loop, which is a link that leads nowhere",
    "train text verse.txt/x": "which does not exist. verse.txt is a file",
    "train series folder": "FILE: wanted the path of a file, got the folder folder",
    "train digits verse.txt": "FOLDER: wanted a folder, got the file verse.txt",
    "train attention nowhere": "FOLDER: wanted a folder, got nowhere, which does not exist",
    "forecast co2 --csv folder": "--csv: wanted a file in a folder that is there, got the folder",
    "forecast co2 --plot nowhere/a.png": "--plot: wanted a file in a folder that is there, got",
    f"forecast co2 --csv {LONG}": "File name too long.",
    "evaluate text --curves folder": "--curves: wanted a file in a folder that is there",
    "evaluate text --curves verse.txt/c.csv": "--curves: wanted a file in a folder that is there",
    "draw lstm -o folder": "--output: wanted a file name that ends with",
    "draw lstm -o nowhere/x.svg": "--output: wanted a file in a folder that is there",
    "info plain.txt": "RUN: wanted the directory of a run, got plain.txt, which does not exist",
    "info verse.txt": "RUN: wanted the directory of a run, got the file verse.txt.",
    "info text/config.json": "got the file text/config.json. Did you mean text?",
    "info text/checkpoints": "which has no config.json. Did you mean text?",
    "info verse.safetensors": "got verse.safetensors, which does not exist",
    "train --resume verse.txt": "--resume: wanted the directory of a run, got the file verse.txt",
    # a run knows its data and its settings
    "train --resume text verse.txt": "its data and its settings are fixed, got verse.txt beside",
    "train --resume text --lr 0.1": "its data and its settings are fixed, got --lr beside it",
    "train --resume=text --lr=0.1": "To go on: ostinato train --resume text",
    "train --resume text text --lr 1": "got both --resume and text",
    "train verse.txt": "Name the task before it: ostinato train text verse.txt",
    "train moods.csv": "Name the task before it: ostinato train series moods.csv",
    # numbers and names that libraries below would stumble over
    "train text verse.txt --level bpe --vocabulary 1000000000": "--vocabulary: wanted a number of",
    "train adding --num-train 10000000000": "--num-train: wanted a number of at most 100,000,000",
    "train toy --num-held-out 1000000000": "--num-held-out: wanted a number of at most",
    "info text/checkpoints/step-00000099.safetensors": "which does not exist. Did you mean text/",
    f"{TRAIN} --seed {2**64}": "--seed: wanted a number of at least 0 and at most",
    f"{TRAIN} --seed {10**400}": "--seed: wanted a number of at least 0 and at most",
    f"{TRAIN} --size {10**20}": "--size: wanted a number of at least 1 and at most",
    f"sample text --seed {10**25}": "--seed: wanted a number of at least 0 and at most",
    f"train adding --data-seed {2**64}": "--data-seed: wanted a number of at least 0 and at most",
    **{
        f"train text verse.txt --encoding {name}": "--encoding: wanted a text encoding that Python"
        for name in ("hex", "base64", "rot13", "zlib", "idna", "undefined", "utf-9")
    },
    "evaluate text verse.txt --encoding hex": "--encoding: wanted a text encoding that Python",
    "train text verse.txt --encoding punycode": "verse.txt: wanted text in punycode, got other",
    # told before anything is read
    "train text nowhere.txt --cell lsmt": "--cell: wanted one of elman, gru, lstm",
    "train series nowhere.csv --cell grru": "Did you mean gru?",
    "train seq2seq nowhere.csv --device gpu": "--device: wanted a device that torch has here",
    "train text verse.txt --device meta": "--device: wanted a device that torch has here",
    # our flags
    "train text verse.txt --tied --embedding 0": "got --embedding 0, one-hot input",
    "train text --recurrent-dropout 0.1 --zoneout 0.1": "wanted either --zoneout or "
    "--recurrent-dropout",
    "train classify moods.csv --last pad --bucket 4": "--bucket: wanted 1 with --last pad",
    "train text verse.txt --cutoffs 3": "Choose --output adaptive, or leave --cutoffs out",
}


@pytest.mark.parametrize("line", REFUSED)
def test_it_is_said_in_one_line_and_nothing_is_left(line: str, call, kept: Path) -> None:
    before = sorted(kept.rglob("*"))
    done = call(line)
    assert done.code == 1
    assert REFUSED[line] in done.err
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert "`" not in done.err
    left = set(kept.rglob("*")) - set(before)
    assert left <= {kept / "runs"}


@pytest.mark.parametrize("rate", ["1e30", "1e38", "1e8"])
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize(
    "task",
    [
        " ".join(["text verse.txt", *SMALL]),
        " ".join(["text verse.txt --direction both", *SMALL]),
        "classify moods.csv --size 4",
        "seq2seq pairs.csv --size 4",
        "series --size 4",
        "attention --size 8",
        "cos --size 4 --num-values 100",
    ],
)
def test_a_model_that_explodes(rate: str, steps: int, task: str, ostinato, folder) -> None:
    """It ends with figures, or with words; never in a library below."""
    (folder / "moods.csv").write_text("text,label\n" + "a good film,plus\na bad film,minus\n" * 20)
    (folder / "pairs.csv").write_text("source,target\n" + "abc,cba\nab,ba\n" * 10)
    often = "--validate-every 2 --sample-every 2"
    line = f"train {task} {PLAIN_SGD} --lr {rate} --steps {steps} {often} --run run"
    done = ostinato(*line.split())
    assert done.code in (0, 1)
    run = Run.open(folder / "run")
    if done.code == 0:
        assert run.read_result() is not None
    else:
        (error,) = (line for line in done.err.splitlines() if not line.startswith("note: "))
        assert "finite number" in error
        assert run.load_checkpoint()["progress"]["step"] <= steps
        assert ostinato("info", "run").code == 0


def test_sampling_from_weights_that_are_too_large(ostinato, folder) -> None:
    line = f"{TRAIN} {PLAIN_SGD} --lr 1e30 --steps 3 --run run"
    done = ostinato(*line.split())
    assert done.code == 1
    assert "lower --lr, or clip the gradients (--clip 1)" in done.err
    assert Run.open(folder / "run").load_checkpoint()["progress"]["step"] == 3


def test_a_full_disk_is_one_line(ostinato, folder, monkeypatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(data_files.os, "fsync", full)
    done = ostinato(*TRAIN.split(), "--run", "run")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "wanted room on the disk, got none, as it is full" in done.err
    assert ".partial" not in done.err
    assert not list(folder.rglob("*.partial"))
