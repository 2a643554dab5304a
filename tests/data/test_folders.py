"""Folders of texts, with a folder for each label."""

from pathlib import Path

import pytest

from ostinato.data import Reader, read_sequences
from ostinato.data.folders import texts_in
from ostinato.errors import ArgumentError


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    files = {
        "pos/b.txt": "a great film",
        "pos/a.txt": "lovely",
        "neg/a.txt": "awful",
        "neg/old/b.txt": "so dull",
        ".hidden/c.txt": "no",
    }
    for name, text in files.items():
        path = tmp_path / "reviews" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "reviews" / "pos" / "poster.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(9))
    return tmp_path / "reviews"


def test_labels_are_folders(reviews: Path) -> None:
    reader = Reader()
    made = read_sequences(reviews, reader=reader)
    assert made.texts == ("awful", "so dull", "lovely", "a great film")
    assert made.labels is not None
    assert [made.names[place] for place in made.labels] == ["neg", "neg", "pos", "pos"]
    assert any("left out, as they are no texts: pos/poster.png" in line for line in reader.said)
    assert any("labelled by its folder: neg, pos" in line for line in reader.said)


def test_without_labels_any_folder_will_do(reviews: Path) -> None:
    assert read_sequences(reviews / "pos", labelled=False).texts == ("lovely", "a great film")


def test_what_has_no_labels_is_refused(reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"a folder for each label.*a\.txt in none of them"):
        read_sequences(reviews / "pos")
    (tmp_path / "one" / "pos").mkdir(parents=True)
    (tmp_path / "one" / "pos" / "a.txt").write_text("x")
    with pytest.raises(ArgumentError, match="folders of two labels or more, got pos alone"):
        read_sequences(tmp_path / "one")
    (tmp_path / "none").mkdir()
    with pytest.raises(ArgumentError, match=r"a folder with texts, got .*none, which has none"):
        texts_in(tmp_path / "none")
