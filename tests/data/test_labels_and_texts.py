"""Labels and texts are texts, whatever they look like, and groups are what they say."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.data import LabelledSettings, Reader, Sequences, read_sequences
from ostinato.data.label_names import in_order
from ostinato.errors import ArgumentError


def read(path: Path, text: str, *, per_step: bool = False, **options) -> tuple[Sequences, list]:
    path.write_text(text, encoding="utf-8", newline="")
    words, labelled = options.pop("words", None), options.pop("labelled", True)
    made = LabelledSettings(**options)
    reader = Reader(made)
    found = read_sequences(
        path, made, per_step=per_step, labelled=labelled, words=words, reader=reader
    )
    return found, reader.said


def labels(made: Sequences) -> list[str]:
    assert made.labels is not None
    return [made.names[place] for place in made.labels]


@pytest.mark.parametrize(
    "names",
    [
        ["0234", "00234", "234"],
        ["1e5", "1E5", "100000"],
        ["1", "1.0", "1.00", "01"],
        ["true", "True", "TRUE"],
        ["2024-01-01", "2024-1-1", "01/01/2024"],
        ["NA", "null", "None", "nan", "x"],
        ["inf", "Infinity", "-inf"],
        [".", "-", "?"],
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_labels_that_look_alike_are_different(tmp_path: Path, names, suffix) -> None:
    mark = "," if suffix == "csv" else "\t"
    text = f"text{mark}label\n" + "".join(f"a{n}{mark}{name}\n" for n, name in enumerate(names))
    made, _ = read(tmp_path / f"a.{suffix}", text)
    assert labels(made) == names
    assert len(set(made.names)) == len(names)


@pytest.mark.parametrize("texts", [["0", "1"], ["2024-01-01", "2024-01-02"], ["1.5", "007"]])
def test_texts_that_look_like_numbers_or_dates_are_texts(tmp_path: Path, texts) -> None:
    text = "text,label\n" + "".join(f"{each},x\n" for each in texts)
    made, _ = read(tmp_path / "a.csv", text, tokens="space")
    assert made.texts == tuple(texts)
    assert made.words is not None
    assert set(made.words) == set(texts)
    again, _ = read(tmp_path / "b.csv", "text\n" + "\n".join(texts), labelled=False)
    assert again.texts == tuple(texts)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1), min_size=2))
def test_every_text_comes_back_as_it_stands(tmp_path_factory, texts: list[str]) -> None:
    rows = "".join('"{}",l\n'.format(text.replace('"', '""')) for text in texts)
    path: Path = tmp_path_factory.mktemp("texts") / "a.csv"
    made, _ = read(path, f"text,label\n{rows}")
    assert made.texts == tuple(texts)


def test_words_such_as_na_are_said_to_be_read_as_they_stand(tmp_path: Path) -> None:
    _, said = read(tmp_path / "a.csv", "text,label\nNA,good\nnull,NA\nfine,x\n")
    assert said == [
        f"{tmp_path / 'a.csv'}: NA in label are read as they stand, as texts",
        f"{tmp_path / 'a.csv'}: NA, null in text are read as they stand, as texts",
    ]


def test_an_empty_label_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"column label .*nothing in row 2 \(line 3\)"):
        read(tmp_path / "a.csv", "text,label\na,x\nb,\n")


def test_labels_that_differ_by_spaces_are_told(tmp_path: Path) -> None:
    made, said = read(tmp_path / "a.csv", "text,label\na,x\nb, x\n")
    assert made.names == (" x", "x")
    assert "' x' and 'x' in label are two" in said[0]


def test_names_are_in_the_order_of_numbers_or_of_letters() -> None:
    assert in_order(["10", "9", "010"]) == ["9", "010", "10"]
    assert in_order(["b", "10", "9"]) == ["10", "9", "b"]


GROUPED = {"sequence": "word", "group": "s"}


def test_names_of_groups_on_first_rows_alone(tmp_path: Path) -> None:
    text = "s,word,label\nSentence: 1,the,D\n,cat,N\n,sat,V\nSentence: 2,a,D\n,dog,N\n"
    made, said = read(tmp_path / "a.csv", text, per_step=True, **GROUPED)
    assert made.lengths.tolist() == [3, 2]
    assert "s is given on the first row of each sequence" in said[0]
    assert "2 sequences" in said[0]
    spaced, _ = read(tmp_path / "b.csv", text.replace("\n,", "\n ,"), per_step=True, **GROUPED)
    assert spaced.lengths.tolist() == [3, 2]


@pytest.mark.parametrize(
    ("rows", "row"),
    [
        ("1,the,D\n1,cat,N\n,sat,V\n2,a,D\n", "row 3 (line 4)"),
        (",the,D\n1,cat,N\n", "row 1 (line 2)"),
        ("1,the,D\n,cat,N\n1,sat,V\n", "row 2 (line 3)"),
    ],
)
def test_a_name_that_is_missing_elsewhere_is_named(tmp_path: Path, rows: str, row: str) -> None:
    with pytest.raises(ArgumentError, match="of the first row of each alone") as error:
        read(tmp_path / "a.csv", f"s,word,label\n{rows}", per_step=True, **GROUPED)
    assert row in str(error.value)


def test_names_of_groups_are_texts(tmp_path: Path) -> None:
    made, _ = read(tmp_path / "a.csv", "s,word,label\n01,a,D\n1,b,N\n1.0,c,N\n", per_step=True,
                   **GROUPED)  # fmt: skip
    assert made.lengths.tolist() == [1, 1, 1]


def test_steps_of_digits_are_numbers_or_what_is_said(tmp_path: Path) -> None:
    text = "s,word,label\n1,10,D\n1,9,N\n2,8,N\n"
    made, said = read(tmp_path / "a.csv", text, per_step=True, **GROUPED)
    assert made.steps.tolist() == [[10], [9], [8]]
    assert "read as numbers (--step-kind words)" in said[0]
    for options in ({"step_kind": "words"}, {"words": True}):
        words, said = read(tmp_path / "a.csv", text, per_step=True, **GROUPED, **options)
        assert (words.words, said) == (("8", "9", "10"), [])
    with pytest.raises(ArgumentError, match=r"'x' in row 2 \(line 3\)"):
        read(tmp_path / "a.csv", text.replace("9", "x"), per_step=True, **GROUPED, words=False)


def test_one_bad_step_among_numbers_is_named(tmp_path: Path) -> None:
    text = "s,word,label\n" + "".join(f"{n // 5},{'?' if n == 7 else n},x\n" for n in range(30))
    with pytest.raises(ArgumentError, match=r"'\?' in row 8 \(line 9\).*--step-kind words"):
        read(tmp_path / "a.csv", text, **GROUPED)
    decimal = text.replace("?", "7").replace(",", ";").replace(";x", ",5;x")
    made, said = read(tmp_path / "a.csv", decimal, **GROUPED)
    assert made.steps[:2].tolist() == [[0.5], [1.5]]
    assert any("',' is the decimal mark" in line for line in said)


def test_words_among_which_some_are_numbers_are_words(tmp_path: Path) -> None:
    text = 's,word,label\n1,NA,D\n1,"""",N\n2,"1,000",N\n2,7,N\n2,of,N\n'
    made, _ = read(tmp_path / "a.csv", text, per_step=True, **GROUPED)
    assert made.words == ('"', "1,000", "7", "NA", "of")


def test_lines_of_a_text(tmp_path: Path) -> None:
    made, _ = read(tmp_path / "a.txt", 'good "film\r\n\nbad, one\n', labelled=False)
    assert made.texts == ('good "film', "", "bad, one")
    table, _ = read(tmp_path / "b.txt", "n\ttext\n1\tgood film\n", labelled=False)
    assert table.texts == ("good film",)
