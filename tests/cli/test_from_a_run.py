"""`ostinato train TASK --from RUN`: a new run that begins with what another has learned."""

from pathlib import Path

import pytest
import torch

import ostinato as library
from ostinato.train import Run
from small_model import SMALL

# a rate of 0: the weights stay those that training begins with
STILL = "--lr 0 --steps 2 --validate-every 2 --sample-every 0"
SHORT = "--steps 6 --validate-every 3 --sample-every 0"
COLUMNS = "--batch-size 4 --bptt 5"
TASKS = {
    "text": ("text verse.txt", f"text other.txt {COLUMNS}", " ".join(SMALL)),
    "adaptive": (
        "text verse.txt --level word --output adaptive --cutoffs 4",
        f"text other.txt {COLUMNS}",
        " ".join(SMALL),
    ),
    "both": ("text verse.txt --direction both", f"text other.txt {COLUMNS}", " ".join(SMALL)),
    "adding": ("adding --num-train 40 --num-held-out 10", "adding --num-train 20", "--size 4"),
    "copy": ("copy --num-train 40 --num-held-out 10", "copy --num-train 20 --gap 3", "--size 4"),
    "toy": ("toy --num-train 40 --num-held-out 10", "toy --num-train 40 --noise 0", "--size 4"),
    "cos": ("cos --num-values 100", "cos --num-values 200", "--size 4"),
    "attention": ("attention", "attention", "--size 8"),
    "classify": ("classify moods.csv", "classify others.csv", "--size 4"),
    "pools": ("classify", "classify", "--size 4"),
    "tag": ("tag tags.csv --tokens space", "tag tags.csv", "--size 4"),
    "series": ("series", "series --example cosine", "--size 4"),
    "seq2seq": ("seq2seq pairs.csv", "seq2seq others.tsv", "--size 4"),
}


@pytest.fixture
def files(folder: Path) -> Path:
    (folder / "other.txt").write_text("the cow sat on the mat!\n" * 40)
    (folder / "moods.csv").write_text("text,label\n" + "a good film,plus\na bad film,minus\n" * 20)
    (folder / "others.csv").write_text("text,label\n" + "a fine film,plus\na bad day,minus\n" * 9)
    (folder / "new.csv").write_text("text,label\na fine film,plus\na so so film,so\n")
    (folder / "tags.csv").write_text("text,label\n" + "the cat sat,D N V\na dog ran,D N V\n" * 9)
    (folder / "pairs.csv").write_text("source,target\n" + "abc,cba\nab,ba\n" * 10)
    (folder / "others.tsv").write_text("source\ttarget\n" + "abx\txba\nb\tb\n" * 10)
    return folder


def weights(path: Path | str) -> dict[str, torch.Tensor]:
    return library.load(path).model.state_dict()


@pytest.mark.parametrize("name", TASKS)
def test_any_task_begins_with_the_best_weights(name: str, ostinato, files) -> None:
    first, second, small = TASKS[name]
    assert ostinato("train", *f"{first} {small} {SHORT} --run one".split()).code == 0
    done = ostinato("train", *f"{second} --from one {STILL} --run two".split())
    assert done.code == 0, done.err
    before, after = weights("one"), weights("two")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert Run.open(files / "two").read_config()["source"].endswith(", begun with one")
    assert Run.open(files / "one").checkpoints()[0].name == "step-00000006.safetensors"
    # the new run goes on as any other
    assert ostinato("train", "--resume", "two", "--steps", 3).code == 0
    assert ostinato("info", "two").code == 0


def test_going_on_is_as_never_having_stopped(ostinato, files) -> None:
    assert ostinato("train", "text", "verse.txt", *SMALL, *SHORT.split(), "--run", "one").code == 0
    flags = f"text other.txt --from one {COLUMNS} --schedule constant --validate-every 2".split()
    assert ostinato("train", *flags, "--steps", 8, "--run", "whole").code == 0
    assert ostinato("train", *flags, "--steps", 5, "--run", "parts").code == 0
    assert ostinato("train", "--resume", "parts", "--steps", 8).code == 0
    ends = [Run.open(files / name).load_checkpoint(part="model") for name in ("whole", "parts")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_the_tokeniser_and_what_it_does_not_know(ostinato, files) -> None:
    assert ostinato("train", "text", "verse.txt", *SMALL, *SHORT.split(), "--run", "one").code == 0
    done = ostinato("train", *f"text other.txt --from one {COLUMNS} {SHORT} --run two".split())
    assert "<unk> stands 72 times before them and 8 in them" in done.out  # w and !
    one, two = (library.load(name) for name in ("one", "two"))
    assert two.task.corpus.tokenizer.size == one.task.corpus.tokenizer.size
    assert two.settings["model"] == one.settings["model"]
    done = ostinato("train", *f"text other.txt --from two --dropout 0.4 {COLUMNS} {SHORT}".split())
    assert done.code == 0
    assert library.load("runs/text-001").settings["model"].dropout == 0.4  # type: ignore


def test_words_that_a_classifier_does_not_know_are_counted(ostinato, files) -> None:
    assert ostinato("train", *f"classify moods.csv --size 4 {SHORT} --run one".split()).code == 0
    done = ostinato("train", *f"classify others.csv --from one {SHORT}".split())
    assert "words are not known to the model of one, and read as <unk>" in done.err


REFUSED = {
    "text other.txt --from one --size 9": "--size: wanted the model of one",
    "text other.txt --from one --cell gru": "--cell: wanted the model of one",
    "text other.txt --from one --level word": "--level: wanted the vocabulary of one",
    "text other.txt --from nowhere": "--from: wanted the directory of a run, got nowhere",
    "text other.txt --from verse.txt": "--from: wanted the directory of a run, got the file",
    "text other.txt --from moods": "wanted a run of text or bidirectional, got one of classify",
    "classify new.csv --from moods": "wanted one of minus, plus, got 'so'",
    "classify others.csv --from moods --tokens char": "--tokens: wanted the vocabulary of moods",
    "series --from co2 --difference 0": "--difference: wanted the model of co2",
    "series wide.csv --from co2": "--from: wanted a model that fits this data: cell.layers.0",
    "seq2seq pairs.csv --from pairs --tokens word": "--tokens: wanted the vocabulary of pairs",
    "seq2seq pairs.csv --from pairs --attention none": "--attention: wanted the model of pairs",
    "copy --symbols 3 --from copy": "[12, 5], got [12, 10] in copy",
}


def test_what_does_not_go_together(ostinato, files) -> None:
    (files / "wide.csv").write_text("a,b\n" + "1,2\n3,5\n2,2\n" * 30)
    for line in (
        " ".join(["text verse.txt", *SMALL, SHORT, "--run one"]),
        f"classify moods.csv --size 4 {SHORT} --run moods",
        f"series --size 4 {SHORT} --run co2",
        f"seq2seq pairs.csv --size 4 {SHORT} --run pairs",
        f"copy --num-train 40 --num-held-out 9 --size 4 {SHORT} --run copy",
    ):
        assert ostinato("train", *line.split()).code == 0
    for line, wanted in REFUSED.items():
        done = ostinato("train", *line.split())
        assert done.code == 1, line
        assert wanted in done.err, line
    assert list((files / "runs").glob("*")) == []
