"""``ostinato draw``: pictures of cells from the command line."""

from pathlib import Path


def test_a_cell_and_a_stack_are_drawn(ostinato, tmp_path):
    done = ostinato("draw", "lstm", "-o", tmp_path / "lstm.svg", "--input", 3, "--hidden", 5)
    assert done.code == 0, done.err
    assert f"drawn: {tmp_path / 'lstm.svg'}" in done.out
    assert "weight_hh" in Path(tmp_path / "lstm.svg").read_text()
    stack = tmp_path / "stack.dot"
    done = ostinato("draw", "gru", "-o", stack, "--layers", 2, "--unrolled", 3, "--depth", 0)
    assert done.code == 0, done.err
    assert stack.read_text().startswith("digraph")


def test_what_cannot_be_drawn_is_told(ostinato, tmp_path):
    done = ostinato("draw", "lstn", "-o", tmp_path / "cell.svg")
    assert done.code != 0
    assert "lstm" in done.err
    done = ostinato("draw", "lstm", "-o", tmp_path / "cell.gif")
    assert done.code != 0
    assert ".svg" in done.err
    assert not [path for path in tmp_path.iterdir() if path.stem == "cell"]
