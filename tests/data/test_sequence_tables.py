"""Two layouts of labelled sequences, and rows that do not fit."""

import json
from pathlib import Path

import numpy as np
import polars
import pytest

from ostinato.data import LabelledSettings, Sequences, read_sequences
from ostinato.errors import ArgumentError


def read(folder: Path, text: str, *, per_step: bool = False, name: str = "a.csv", **settings):
    (folder / name).write_text(text, encoding="utf-8")
    return read_sequences(folder / name, LabelledSettings(**settings), per_step=per_step)


def words(made: Sequences) -> list[list[str]]:
    assert made.words is not None
    steps = iter([made.words[place] for place in made.steps])
    return [[next(steps) for _ in range(length)] for length in made.lengths]


def labels(made: Sequences) -> list[str]:
    assert made.labels is not None
    return [made.names[place] for place in made.labels]


def lines(*rows: dict) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("tokens", "wanted"),
    [
        ("word", [["It", "isn't", "bad", ",", "ok"], [], ["bad"]]),
        ("space", [["It", "isn't", "bad,", "ok"], [], ["bad"]]),
        ("char", [list("It isn't bad, ok"), [], list("bad")]),
    ],
)
def test_texts_with_a_label(tmp_path: Path, tokens: str, wanted: list[list[str]]) -> None:
    text = 'text,label\n"It isn\'t bad, ok",good\n"",none\nbad,bad\n'
    made = read(tmp_path, text, tokens=tokens)
    assert words(made) == wanted
    assert labels(made) == ["good", "none", "bad"]
    assert made.names == ("bad", "good", "none")


def test_words_with_tags_between_spaces(tmp_path: Path) -> None:
    text = "text,label\nthe cat sat,D N V\nsit,V\n"
    made = read(tmp_path, text, per_step=True, tokens="space")
    assert words(made) == [["the", "cat", "sat"], ["sit"]]
    assert labels(made) == ["D", "N", "V", "V"]


def test_lists_in_json_lines_and_parquet(tmp_path: Path) -> None:
    rows = [{"text": ["a", "b c"], "label": ["X", "Y"]}, {"text": [], "label": []}]
    rows.append({"text": ["d"], "label": ["Y"]})
    made = read(tmp_path, lines(*rows), per_step=True, name="a.jsonl")
    polars.read_ndjson(tmp_path / "a.jsonl").write_parquet(tmp_path / "a.parquet")
    again = read_sequences(tmp_path / "a.parquet", per_step=True)
    for each in (made, again):
        assert words(each) == [["a", "b c"], [], ["d"]]
        assert labels(each) == ["X", "Y", "Y"]


def test_lists_of_numbers_and_of_vectors(tmp_path: Path) -> None:
    rows = lines({"text": [1, 2.5], "label": 10}, {"text": [3], "label": 9})
    made = read(tmp_path, rows, name="a.jsonl")
    assert made.words is None
    assert made.steps.tolist() == [[1], [2.5], [3]]
    assert made.names == ("9", "10")  # as numbers are in order
    rows = lines({"text": [[1, 2], [3, 4]], "label": True}, {"text": [[5, 6]], "label": False})
    made = read(tmp_path, rows, name="b.jsonl")
    assert made.steps.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert labels(made) == ["true", "false"]


def test_arrays_of_one_size(tmp_path: Path) -> None:
    arrays = np.arange(12.0).reshape(2, 3, 2)
    table = polars.DataFrame({"text": arrays, "label": ["a", "b"]})
    table.write_parquet(tmp_path / "a.parquet")
    made = read_sequences(tmp_path / "a.parquet")
    assert made.lengths.tolist() == [3, 3]
    np.testing.assert_array_equal(made.steps, arrays.reshape(6, 2))


def test_a_row_a_step(tmp_path: Path) -> None:
    text = "who,x,y,label\nb,1,2,up\na,3,4,down\nb,5,6,up\n"
    made = read(tmp_path, text, sequence="x, y", group="who")
    assert made.steps.tolist() == [[1, 2], [5, 6], [3, 4]]
    assert made.lengths.tolist() == [2, 1]
    assert labels(made) == ["up", "down"]
    tagged = read(tmp_path, text, sequence="x,y", group="who", per_step=True)
    assert labels(tagged) == ["up", "up", "down"]


def test_a_row_a_word(tmp_path: Path) -> None:
    text = "sentence,word,label\n1,the,D\n1,cat,N\n2,sit,V\n"
    made = read(tmp_path, text, sequence="word", group="sentence", per_step=True)
    assert words(made) == [["the", "cat"], ["sit"]]
    assert labels(made) == ["D", "N", "V"]


def test_without_labels(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\na b\nc\n")
    made = read_sequences(tmp_path / "a.csv", labelled=False)
    assert words(made) == [["a", "b"], ["c"]]
    assert made.labels is None


GROUP = {"sequence": "x", "group": "who"}


@pytest.mark.parametrize(
    ("text", "settings", "per_step", "message"),
    [
        ("txt,label\na,b\n", {}, False, "sequence: .*'text'. Did you mean txt?"),
        ("text,lable\na,b\n", {}, False, "label: .*Did you mean lable?"),
        ("x,label,whom\n1,b,1\n", GROUP, False, "group: .*Did you mean whom?"),
        ("text,label\na,b\n,c\n", {}, False, "column text of .*nothing in row 2"),
        ("text,label\na,b\nc,\n", {}, False, "column label of .*nothing in row 2"),
        ("text,label\na b,X Y\nc d,X\n", {}, True, "steps of sequence 2, got 1 in row 2.*--tokens"),
        ("who,x,label\n1,2,a\n1,3,b\n", GROUP, False, r"one label .*\['a', 'b'\] in sequence 1"),
        ("who,x,label\n1,2,a\n1,,a\n", GROUP, False, "nothing in row 2"),
        ("who,x,label\n1,2,a\n1,NaN,a\n", GROUP, False, "got 'NaN' in row 2"),
        ("who,x,y,label\n1,2,u,a\n", {**GROUP, "sequence": "x,y"}, False, "got 'u' in row 1"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit(tmp_path, text, settings, per_step, message) -> None:
    with pytest.raises(ArgumentError, match=message):
        read(tmp_path, text, per_step=per_step, **settings)


def test_a_number_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"wanted texts or lists, got Int64.*with group"):
        read(tmp_path, lines({"text": 1, "label": "b"}), name="a.jsonl")


def test_steps_of_different_sizes(tmp_path: Path) -> None:
    rows = lines({"text": [[1, 2], [3]], "label": "a"})
    with pytest.raises(ArgumentError, match="as many numbers in each step, got 1 to 2"):
        read(tmp_path, rows, name="a.jsonl")
