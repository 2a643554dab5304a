"""Pictures hold any words, and are written whole or not at all."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from ostinato.data.pictures import save_picture


@pytest.mark.parametrize(
    "words", ["plain", "$\\frac", "$a$", "\x1b[2J", "漢字", "\u202eא", "\ud800"]
)
def test_words_are_words(tmp_path: Path, words: str) -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 100], label=words)
    axes.set(title=words, xlabel=words, yscale="log")
    axes.set_title(words, loc="left")
    axes.text(0, 1, words)
    axes.legend()
    save_picture(figure, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [tmp_path / "picture.png"]
