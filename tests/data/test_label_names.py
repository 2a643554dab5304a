"""Labels that a reader would take for one are told apart in words."""

from pathlib import Path

import pytest

from ostinato.data import LabelledSettings, Reader, read_labelled

PAIRS = {
    "spaces": (" plus", "plus"),
    "capital letters": ("Plus", "plus"),
    "the Unicode form of their letters": ("\u00e9", "e\u0301"),
}


@pytest.mark.parametrize("why", PAIRS)
def test_two_labels_that_look_alike(tmp_path: Path, why: str) -> None:
    labels = PAIRS[why]
    rows = [f"text {n},{labels[n % 2]}" for n in range(20)]
    (tmp_path / "moods.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    reader = Reader(LabelledSettings())
    made = read_labelled(tmp_path / "moods.csv", reader=reader)
    assert sorted(made.encoding.labels) == sorted(labels)
    assert any(line.endswith(f"are two: they differ by {why}") for line in reader.said)


def test_labels_that_differ_are_not_told_of(tmp_path: Path) -> None:
    rows = [f"Text {n},{'ab'[n % 2]}\ntext {n},{'ab'[n % 2]}" for n in range(60)]
    (tmp_path / "moods.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    reader = Reader(LabelledSettings())
    read_labelled(tmp_path / "moods.csv", reader=reader)
    assert not any("differ by" in line for line in reader.said)
