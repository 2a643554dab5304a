"""``ostinato draw``: pictures of cells from the command line."""

from pathlib import Path

import pytest

from small_model import SMALL


def test_a_cell_and_a_stack_are_drawn(ostinato, tmp_path):
    done = ostinato("draw", "lstm", "-o", tmp_path / "lstm.svg", "--input", 3, "--hidden", 5)
    assert done.code == 0, done.err
    assert f"drawn: {tmp_path / 'lstm.svg'}" in done.out
    assert "weight_hh" in Path(tmp_path / "lstm.svg").read_text()
    stack = tmp_path / "stack.dot"
    done = ostinato("draw", "gru", "-o", stack, "--layers", 2, "--unrolled", 3, "--depth", 0)
    assert done.code == 0, done.err
    assert stack.read_text().startswith("digraph")


@pytest.mark.parametrize(
    ("flags", "drawn"),
    [
        (["text", "verse.txt", *SMALL], "weight_hh"),
        (["text", "verse.txt", *SMALL, "--direction", "both"], "BiSequencerLM"),
        (["adding", "--size", 8, "--num-train", 20, "--num-held-out", 4], "OneWay"),
        (["attention", "--size", 8], "RecurrentAttention"),
        (["series", "--size", 8], "weight_hh"),
        (["seq2seq", "--example", "reverse", "--num-pairs", 40, "--size", 8], "Attention"),
    ],
    ids=["text", "bidirectional", "adding", "attention", "series", "seq2seq"],
)
def test_the_model_of_a_run_is_drawn(ostinato, folder, flags, drawn):
    done = ostinato("train", *flags, "--steps", 1, "--run", "run")
    assert done.code == 0, done.err
    done = ostinato("draw", "run", "-o", "model.svg")
    assert done.code == 0, done.err
    assert drawn in (folder / "model.svg").read_text()


def test_what_cannot_be_drawn_is_told(ostinato, tmp_path):
    done = ostinato("draw", "lstn", "-o", tmp_path / "cell.svg")
    assert done.code != 0
    assert "lstm" in done.err
    done = ostinato("draw", "runs/lstm", "-o", tmp_path / "cell.svg")
    assert done.code != 0
    assert "the directory of a run" in done.err
    done = ostinato("draw", "lstm", "-o", tmp_path / "cell.gif")
    assert done.code != 0
    assert ".svg" in done.err
    assert not [path for path in tmp_path.iterdir() if path.stem == "cell"]
