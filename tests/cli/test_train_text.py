"""`ostinato train text`: what it leaves behind and what it prints."""

import json

import pytest
import torch

from ostinato.text import Corpus
from ostinato.train import Run
from same_values import same
from small_model import SMALL

FILES = {
    "checkpoints",
    "commands.jsonl",
    "config.json",
    "corpus",
    "curves.png",
    "lock",
    "metrics.jsonl",
    "report.html",
    "result.json",
    "samples.txt",
}


def test_a_run_is_a_directory(ostinato, folder) -> None:
    done = ostinato(
        *("train", "text", "verse.txt", *SMALL, "--steps", 12),
        *("--validate-every", 5, "--sample-every", 6),
    )
    assert done.code == 0
    run = Run.open(folder / "runs" / "text-001")
    assert {path.name for path in run.folder.iterdir()} == FILES
    config = run.read_config()
    assert config["task"] == "text"
    assert config["source"] == "verse.txt"
    assert config["model"]["size"] == 8
    assert config["train"]["steps"] == 12
    assert config["columns"] == {"batch_size": 4, "bptt": 5, "shift": True}
    assert len(run.metrics()) == 12
    assert run.samples_path.read_text().count("----- step") == 2
    assert "held-out bpc" in done.out
    assert "sample at step 6:" in done.out
    assert "ostinato sample runs/text-001" in done.out
    result = run.read_result()
    assert result is not None
    assert f"{result['bpc']:.4f} bits per character" in done.out
    assert result["characters"] == 96


def test_a_run_never_touches_another(ostinato, folder, trained) -> None:
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    again = ("train", "text", "verse.txt", *SMALL, "--steps", 2)
    assert ostinato(*again).code == 0
    assert ostinato(*again, "--run", "mine").code == 0
    refused = ostinato(*again, "--run", trained)
    assert refused.code == 1
    assert "wanted the name of a new directory" in refused.err
    assert f"ostinato train --resume {trained}" in refused.err
    assert {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in (folder / "runs").iterdir()) == ["text-001", "text-002"]
    assert (folder / "mine" / "result.json").is_file()


def test_json_is_all_that_is_printed(ostinato) -> None:
    done = ostinato("train", "text", "verse.txt", *SMALL, "--steps", 7, "--json")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [record["step"] for record in records] == list(range(1, 8))
    assert {"loss", "bpc", "lr", "grad_norm", "tokens", "tokens_per_second"} <= set(records[0])
    assert {"held_out_loss", "held_out_bpc", "held_out_perplexity"} <= set(records[-1])
    assert "bits per character" in done.err


@pytest.mark.parametrize(
    "flags",
    [
        "--level word --min-frequency 1",
        "--level bpe --vocabulary 270",
        "--cell gru --layers 2 --residual --dropout 0.2",
        "--cell torch.nn:LSTMCell --embedding 0",
        "--level word --min-frequency 1 --output adaptive --cutoffs 3",
        "--output nce --nce-samples 5",
        "--level spaced --uniform 0.1",
        "--tied --layer-norm --ema 0.9 --optimiser sgd --schedule onecycle --clip 0",
    ],
)
def test_other_models_and_tokens(ostinato, flags: str) -> None:
    done = ostinato("train", "text", "verse.txt", *SMALL, "--steps", 3, *flags.split())
    assert done.code == 0, done.err
    assert "bits per character" in done.out


def test_a_cell_of_a_module_in_the_working_directory(ostinato, folder) -> None:
    (folder / "cells_of_mine.py").write_text("from ostinato.cells import GRU as Mine\n")
    done = ostinato(
        "train", "text", "verse.txt", *SMALL, "--steps", 2, "--cell", "cells_of_mine:Mine"
    )
    assert done.code == 0, done.err
    assert "cells_of_mine:Mine 1 x 8" in done.out


def test_words_that_are_unknown_are_a_caution(ostinato, folder) -> None:
    (folder / "words.txt").write_text("one two " * 50 + "three four five")
    flags = ("--level", "word", "--steps", 1)
    done = ostinato("train", "text", "words.txt", *SMALL, *flags)
    assert "words that are <unk> costs no bits" in done.out


def test_several_files_are_documents(ostinato, folder) -> None:
    (folder / "more.txt").write_text("more text " * 30)
    done = ostinato("train", "text", "verse.txt", "more.txt", *SMALL, "--steps", 1)
    assert "reading verse.txt and 1 more" in done.out
    assert "1,260 characters" in done.out
    assert len(Corpus(folder / "runs" / "text-001" / "corpus").tokens) == 1264


def test_texts_to_hold_out_and_to_test_on(ostinato, folder) -> None:
    (folder / "held.txt").write_text("the dog sat. " * 9)
    (folder / "test.txt").write_text("the cat sat. " * 3)
    more = ("--validation", "held.txt", "--test", "test.txt")
    done = ostinato("train", "text", "verse.txt", *SMALL, "--steps", 3, *more)
    assert done.code == 0, done.err
    assert "1,116 characters, 15 different; the last 156 are held out, 39 of them" in done.out
    result = Run(folder / "runs" / "text-001").read_result()
    assert result is not None
    assert (result["characters"], result["test_characters"]) == (117, 39)
    assert f"test text: {result['test_bpc']:.4f} bits per character" in done.out
    found = json.loads(ostinato("evaluate", "runs/text-001", "--json").out)
    assert found == {name: result[name] for name in found}
    refused = ostinato("train", "text", "verse.txt", *more, "--held-out", 0.2)
    assert "--held-out: wanted a share of the text, or a text of its own" in refused.err
    assert "Did you mean held.txt" in ostinato("train", "text", "--validation", "hold.txt").err
    (folder / "test.txt").write_text("")
    assert "test.txt: wanted a text to test on" in ostinato("train", "text", "verse.txt", *more).err


def test_a_folder_of_the_treebank(ostinato, folder) -> None:
    for part in ("train", "valid", "test"):
        (folder / f"ptb.{part}.txt").write_text(
            " the cat <unk> \n" * (40 if part == "train" else 2)
        )
    done = ostinato("train", "text", ".", *SMALL, "--steps", 2)
    assert done.code == 0, done.err
    run = Run(folder / "runs" / "text-001")
    assert run.read_config()["corpus"]["level"] == "spaced"
    assert Corpus(run.folder / "corpus").tokenizer.size == 5
    as_text = ostinato("train", "text", ".", *SMALL, "--steps", 2, "--level", "char")
    assert "characters, 12 different" in as_text.out
    beside = ostinato("train", "text", ".", "--test", "verse.txt")
    assert "wanted the folder alone, as its files are all parts" in beside.err
    share = ostinato("train", "text", ".", "--held-out", 0.2)
    assert "got 0.2 and ptb.valid.txt" in share.err
    (folder / "ptb.valid.txt").rename(folder / "ptb.val.txt")
    assert "Did you mean ptb.val.txt or" in ostinato("train", "text", ".").err
    (folder / "other").mkdir()
    assert (
        "wanted a text, or a folder with texts, got other, which has none"
        in ostinato("train", "text", "other").err
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--nce-samples 5", "--nce-samples: wanted the output nce, which it belongs to"),
        ("--cutoffs 5,9", "--cutoffs: wanted the output adaptive"),
        ("--output adaptive --tied", "--tied: wanted the output softmax"),
        ("--output adaptive --cutoffs 9,5", "--cutoffs: wanted growing numbers with commas"),
        ("--output adaptive --cutoffs 5,999", "--cutoffs: wanted numbers below the"),
        ("--direction both --bptt 1", "--bptt: wanted windows of at least 2 tokens"),
        ("--zoneout 0.1 --recurrent-dropout 0.1", "--zoneout: wanted either --zoneout or"),
    ],
)
def test_contradictory_flags_leave_no_run(ostinato, folder, flags: str, message: str) -> None:
    done = ostinato("train", "text", "verse.txt", *SMALL, *flags.split())
    assert done.code == 1
    assert done.err.startswith(f"error: {message}")
    runs = folder / "runs"
    assert not runs.exists() or list(runs.iterdir()) == []


def test_without_a_file_it_reads_the_reference_of_python(ostinato) -> None:
    done = ostinato("train", "text", *SMALL, "--steps", 1, "--validate-every", 9)
    assert done.code == 0
    assert "reading the Python language reference" in done.out


def test_characters_that_only_the_held_out_part_has_are_counted(ostinato, folder) -> None:
    (folder / "odd.txt").write_text("abcd " * 50 + "ééé")
    done = ostinato("train", "text", "odd.txt", *SMALL, "--steps", 1)
    assert "<unk> stands 0 times before them and 3 in them" in done.out


def test_a_failure_while_reading_leaves_no_run(ostinato, folder) -> None:
    (folder / "latin.txt").write_bytes("grün ".encode("latin-1") * 50)
    done = ostinato("train", "text", "latin.txt")
    assert done.code == 1
    assert "latin.txt: wanted text in utf-8, got the byte 0xfc near position 2" in done.err
    assert list((folder / "runs").iterdir()) == []
    assert (
        ostinato(
            *("train", "text", "latin.txt", *SMALL, "--steps", 1, "--encoding", "latin-1")
        ).code
        == 0
    )


def test_early_stopping_is_said(ostinato) -> None:
    done = ostinato(
        *("train", "text", "verse.txt", *SMALL, "--steps", 500, "--lr", 0),
        *("--validate-every", 2, "--patience", 3),
    )
    assert "trained 8 steps" in done.out
    assert "stopped early at step 8 of 500" in done.out


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [([], 6e-3), (["--optimiser", "sgd"], None), (["--optimiser", "sgd", "--lr", 1], 1.0)],
)
def test_another_optimiser_has_a_rate_of_its_own(ostinato, folder, flags, wanted) -> None:
    done = ostinato("train", "text", "verse.txt", *SMALL, *flags, "--steps", 1, "--run", "run")
    assert done.code == 0, done.err
    assert Run(folder / "run").read_config()["train"]["lr"] == wanted


def test_the_first_weights_do_not_depend_on_the_threads_before(ostinato, folder) -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            flags = [*SMALL[2:], "--size", 384, "--steps", 1, "--run", f"run-{threads}"]
            done = ostinato("train", "text", "verse.txt", *flags)
            assert done.code == 0, done.err
            found.append(Run(folder / f"run-{threads}").load_checkpoint(part="model"))
    finally:
        torch.set_num_threads(before)
    assert same(*found, but=set())
