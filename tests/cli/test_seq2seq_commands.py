"""`ostinato train seq2seq`, `translate`, and what works for every run."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from ostinato.data import BatchSettings
from ostinato.runs.seq2seq import SEQ2SEQ
from ostinato.seq2seq import PairSettings, SearchSettings, Seq2SeqModelSettings
from ostinato.train import Run
from same_values import same

SMALL = ["--size", "4", "--embedding", "3", "--batch-size", "9", "--steps", "12"]
SMALL += ["--validate-every", "6", "--sample-every", "6"]
FILES = {
    *("alignment.png", "checkpoints", "config.json", "curves.png", "lock", "metrics.jsonl"),
    *("commands.jsonl", "pairs.json", "report.html", "result.json", "samples.txt"),
}
CLOCK = {"seconds", "pairs_per_second"}


@pytest.fixture
def words(folder: Path) -> Path:
    """A table of words in two languages."""
    pairs = [("a cat", "eine Katze"), ("the dog", "der Hund"), ("a dog", "ein Hund")] * 10
    lines = [f"{i},{a},{b}" for i, (a, b) in enumerate(pairs)]
    (folder / "words.csv").write_text("n,english,german\n" + "\n".join(lines) + "\n")
    (folder / "new.csv").write_text("english\na cat\na zebra\n")
    return folder


TABLE = ["words.csv", "--source", "english", "--target", "german", "--tokens", "word"]


@pytest.fixture
def run(ostinato, words) -> Path:
    """A run of 12 steps, ``runs/seq2seq-001``."""
    done = ostinato("train", "seq2seq", *TABLE, *SMALL)
    assert done.code == 0, done.err
    return words / "runs" / "seq2seq-001"


def test_a_run_is_a_directory(ostinato, words) -> None:
    done = ostinato("train", "seq2seq", *TABLE, *SMALL)
    assert done.code == 0, done.err
    run = Run.open(words / "runs" / "seq2seq-001")
    assert {path.name for path in run.folder.iterdir()} == FILES
    assert "27 pairs and 3 held out, of 7 and 8 different words" in done.out
    assert "lstm 1 x 4 both ways, dot attention" in done.out
    assert "wholly right, accuracy of a token" in done.out
    assert f"ostinato translate {Path('runs/seq2seq-001')}" in done.out
    assert run.samples_path.read_text().count("----- step") == 2
    assert (run.folder / "alignment.png").read_bytes().startswith(b"\x89PNG")
    result = run.read_result()
    assert result is not None
    assert {"loss", "accuracy", "exact_match", "step", "steps"} == set(result)
    assert run.read_config()["source"] == "words.csv"
    (words / "words.csv").unlink()  # the run keeps its pairs
    assert ostinato("evaluate", run.folder).code == 0


def test_an_example_and_its_number_of_pairs(ostinato, folder) -> None:
    flags = ["--example", "reverse", "--num-pairs", 40, "--attention", "none"]
    done = ostinato("train", "seq2seq", *flags, *SMALL, "--json")
    assert done.code == 0, done.err
    assert "36 pairs and 4 held out" in done.err
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [record["step"] for record in records] == list(range(1, 13))
    assert {"loss", "lr", "pairs", "pairs_per_second"} <= set(records[0])
    assert {"held_out_loss", "held_out_accuracy", "held_out_exact_match"} <= set(records[-1])
    assert not (folder / "runs" / "seq2seq-001" / "alignment.png").exists()


def test_flags_come_before_the_settings_of_an_example(ostinato, folder) -> None:
    flags = ["--epochs", 2, "--cell", "gru", "--validate-every", 1]
    done = ostinato("train", "seq2seq", "--example", "pairs", *flags)
    assert done.code == 0, done.err
    config = Run(folder / "runs" / "seq2seq-001").read_config()
    assert config["model"]["cell"] == "gru"
    assert (config["model"]["size"], config["model"]["attention"]) == (6, "none")
    assert config["pairs"]["tokens"] == "space"
    assert "trained 2 steps" in done.out


def test_a_run_goes_on_exactly(ostinato, run) -> None:
    other = run.with_name("other")
    shutil.copytree(run, other)
    done = ostinato("train", "--resume", other / "checkpoints" / "step-00000006.safetensors")
    assert done.code == 0, done.err
    one, two = Run(run), Run(other)
    assert same(one.metrics(), two.metrics(), CLOCK)
    assert one.samples_path.read_text() == two.samples_path.read_text()
    assert one.read_result() == two.read_result()
    ours, theirs = one.load_checkpoint(), two.load_checkpoint()
    ours.pop("sizes"), theirs.pop("sizes")
    assert same(ours, theirs, CLOCK)


def test_translate(ostinato, run) -> None:
    done = ostinato("translate", run, "new.csv")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert len(lines) == 2
    assert "1 in the sources not known to the model, read as <unk>: 'zebra'" in done.err
    alone = ostinato("translate", run, "--text", "a cat", "--text", "a zebra")
    assert alone.out.splitlines() == lines
    column = ostinato("translate", run, "words.csv", "--source", "german", "--beam", 1)
    assert len(column.out.splitlines()) == 30
    short = ostinato("translate", run, "--text", "a cat", "--longest", 1)
    assert len(short.out.split()) <= 1


def test_the_best_outputs_with_their_probabilities(ostinato, run) -> None:
    flags = ["new.csv", "--beam", 4, "--best", 3, "--length-norm", 0]
    lines = ostinato("translate", run, *flags).out.splitlines()
    assert [line.split()[0] for line in lines] == ["1"] * 3 + ["2"] * 3
    chances = [float(line.split()[1]) for line in lines]
    assert chances[:3] == sorted(chances[:3], reverse=True)
    records = [json.loads(x) for x in ostinato("translate", run, *flags, "--json").out.splitlines()]
    assert [record["source"] for record in records] == ["a cat", "a zebra"]
    for record, line in zip([r for r in records for _ in range(3)], lines, strict=True):
        said = {f"{each['log_probability']:.3f}": each["text"] for each in record["outputs"]}
        assert said[line.split()[1]] == " ".join(line.split()[2:])


def test_evaluate(ostinato, run) -> None:
    result = Run(run).read_result()
    assert result is not None
    found = json.loads(ostinato("evaluate", run, "--json").out)
    assert found == {name: result[name] for name in found}
    whole = ostinato("evaluate", run, "words.csv", "--json")
    assert whole.code == 0, whole.err
    assert json.loads(whole.out)["loss"] != found["loss"]
    assert not ostinato("evaluate", run, "words.csv", "words.csv").out


def test_info_and_explain(ostinato, run) -> None:
    said = " ".join(ostinato("info", run).out.split())
    for wanted in ("source words.csv", "task seq2seq", "exact_match", "target german", "bucket"):
        assert wanted in said
    told = ostinato("explain", run).out
    assert [line for line in told.splitlines() if line.endswith(":") and " " not in line] == [
        *("encoder:", "back:", "decoder:")
    ]
    opened = Run.open(run)
    task = SEQ2SEQ.build(opened, opened.read_config())
    assert SEQ2SEQ.explain is not None
    assert SEQ2SEQ.explain(task).strip() == told.strip()


@pytest.mark.parametrize(
    ("arguments", "words_said"),
    [
        (["words.cvs"], "Did you mean words.csv"),
        (["words.csv", "--source", "englsh"], "error: --source: wanted a column of words.csv"),
        (["words.csv", "--source", "english", "--target", "germn"], "Did you mean german?"),
        ([*TABLE, "--example", "dates"], "--example: wanted either --example or a file"),
        ([*TABLE, "--num-pairs", "9"], "--num-pairs: wanted either --num-pairs or a file"),
        (["--example", "date"], "--example: wanted one of dates, reverse, pairs, got 'date'"),
        (["--tokens", "word"], "the table that the flags are about, got --tokens with the example"),
        (["--example", "pairs", "--num-pairs", "9"], "got --num-pairs with the example pairs"),
        (["--num-pairs", "99999"], "--num-pairs: wanted at most the 36525 days"),
        (["--attention", "dott"], "Did you mean dot?"),
        (["--direction", "backward"], "--direction: wanted one of forward, both"),
        (["--cell", "lsmt"], "Did you mean lstm?"),
        (["--epochs", "2", "--steps", "3"], "either in steps or in epochs"),
    ],
)
def test_what_is_wrong_is_said(ostinato, words, arguments, words_said) -> None:
    done = ostinato("train", "seq2seq", *arguments)
    assert done.code == 1
    assert words_said in done.err
    assert not list(words.glob("runs/*"))


def test_what_cannot_be_translated_is_said(ostinato, run) -> None:
    wrong: dict[tuple[str, ...], str] = {
        (): "FILE: wanted either a table of sources or --text, got neither",
        ("new.csv", "--text", "a"): "got new.csv and --text 'a'",
        ("new.cvs",): "Did you mean new.csv",
        ("new.csv", "--source", "englsh"): "--source: wanted a column of new.csv",
        ("--text", "a", "--source", "b"): "wanted a column of a table, got --text",
        ("--text", "a", "--best", "6"): "--best: wanted at most 5",
        ("--text", "a", "--beam", "0"): "--beam: wanted a number of at least 1",
    }
    for arguments, words_said in wrong.items():
        done = ostinato("translate", run, *arguments)
        assert done.code == 1
        assert words_said in done.err


def test_a_run_of_another_task_is_refused(ostinato, trained) -> None:
    done = ostinato("translate", trained, "--text", "a")
    assert done.code == 1
    assert "wanted a run of seq2seq, got one of text" in done.err


def test_every_setting_is_a_flag_with_its_help_and_default(ostinato) -> None:
    shown = {
        name: " ".join(ostinato(*name.split(), "-h").out.split())
        for name in ("train seq2seq", "translate")
    }
    kinds = {
        "train seq2seq": (PairSettings, Seq2SeqModelSettings, BatchSettings),
        "translate": (SearchSettings,),
    }
    for command, settings in kinds.items():
        for kind in settings:
            for field in dataclasses.fields(kind):
                assert f"--{field.name.replace('_', '-')}" in shown[command]
                assert field.metadata["help"].split()[0] in shown[command]
