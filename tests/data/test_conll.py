"""Files with a token a line and blank lines between sentences."""

from pathlib import Path

import pytest

from ostinato.data import LabelledSettings, Reader, Sequences, read_sequences
from ostinato.data.conll import looks_like_conll, parse_conll
from ostinato.errors import ArgumentError

NER = """-DOCSTART- -X- O O

EU NNP I-NP B-ORG
rejects VBZ I-VP O
" NN I-NP O

Peter NNP I-NP B-PER
# NN I-NP O
"""
UNIVERSAL = """# sent_id = 1
# text = Die Katze
1\tDie\tder\tDET\tART\t_\t2\tdet\t_\t_
2\tKatze\tKatze\tNOUN\tNN\t_\t0\troot\t_\t_

# text = zum
1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_
1\tzu\tzu\tADP\tA\t_\t2\tcase\t_\t_
2\tdem\tder\tDET\tA\t_\t0\tdet\t_\t_
2.1\tx\tx\tX\tX\t_\t_\t_\t_\t_

"""


def read(path: Path, text: str, **options) -> tuple[Sequences, list[str]]:
    path.write_bytes(text.encode())
    settings = LabelledSettings(**options.pop("settings", {}))
    reader = options.pop("reader", Reader(settings))
    return read_sequences(path, settings, per_step=True, reader=reader, **options), reader.said


def words(made: Sequences) -> list[list[str]]:
    assert made.words is not None
    steps = iter([made.words[place] for place in made.steps])
    return [[next(steps) for _ in range(length)] for length in made.lengths]


def labels(made: Sequences) -> list[str]:
    assert made.labels is not None
    return [made.names[place] for place in made.labels]


def test_the_first_and_the_last_column(tmp_path: Path) -> None:
    for name in ("a.conll", "a.txt", "a.iob"):
        made, said = read(tmp_path / name, NER)
        assert words(made) == [["EU", "rejects", '"'], ["Peter", "#"]]
        assert labels(made) == ["B-ORG", "O", "O", "B-PER", "O"]
        assert "2 sentences between blank lines; tokens are column_1, labels column_4" in said[0]
    made, _ = read(tmp_path / "a.conll", NER, settings={"label": "column_2"})
    assert labels(made)[:2] == ["NNP", "VBZ"]


def test_universal_dependencies(tmp_path: Path) -> None:
    made, _ = read(tmp_path / "a.conllu", UNIVERSAL)
    assert words(made) == [["Die", "Katze"], ["zu", "dem"]]
    assert labels(made) == ["DET", "NOUN", "ADP", "DET"]
    made, _ = read(tmp_path / "a.conllu", UNIVERSAL, settings={"label": "deprel"})
    assert labels(made) == ["det", "root", "case", "det"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "the\tD\ncat\tN\n\na\tD\ndog\tN\n"),
        ("a.txt", "the D\r\ncat N\r\n\r\na D\r\ndog N\r\n"),
        ("a.txt", "\n\nthe D\ncat N\n\n\n\na D\ndog N"),
        ("a.bio", "the D\ncat\tN\n\na   D\ndog N\n"),
        ("a.tsv", "text\tlabel\nthe\tD\ncat\tN\n\na\tD\ndog\tN\n"),
        ("a.txt", "text label\nthe D\ncat N\n\na D\ndog N\n"),
        ("a.csv", "text,label\nthe,D\ncat,N\n\na,D\ndog,N\n"),
        ("a.csv", "n,text,label\n1,the,D\n2,cat,N\n,,\n1,a,D\n2,dog,N\n"),
    ],
)
def test_blank_lines_part_sentences_in_every_kind_of_file(tmp_path, name, text) -> None:
    made, _ = read(tmp_path / name, text)
    assert words(made) == [["the", "cat"], ["a", "dog"]]
    assert labels(made) == ["D", "N", "D", "N"]


def test_a_table_without_names_is_asked_about(tmp_path: Path) -> None:
    text = "the,D\ncat,N\n\na,D\ndog,N\n"
    with pytest.raises(ArgumentError, match="--no-header"):
        read(tmp_path / "a.csv", text)
    made, _ = read(tmp_path / "a.csv", text, settings={"header": False})
    assert labels(made) == ["D", "N", "D", "N"]


def test_a_line_of_another_width_is_named(tmp_path: Path) -> None:
    for name in ("a.conll", "a.txt"):
        with pytest.raises(ArgumentError, match=r"line 4: wanted 2 fields .*got 3: 'a D extra'"):
            read(tmp_path / name, "the D\ncat N\n\na D extra\nb D\n")


def test_sentences_without_labels(tmp_path: Path) -> None:
    """A token a line, as it stands or with labels that nobody asks for; or a sentence a line."""
    tokens = "the\ncat\n\na\ndog\n"
    for text in (tokens, tokens.replace("\n", " X\n").replace("\n X\n", "\n\n")):
        made, _ = read(tmp_path / "a.txt", text, labelled=False)
        assert words(made) == [["the", "cat"], ["a", "dog"]]
        assert made.labels is None
    lines, _ = read(tmp_path / "a.txt", "the cat\na dog ran\n", labelled=False)
    assert words(lines) == [["the", "cat"], ["a", "dog", "ran"]]


def test_one_sentence_is_one_where_the_run_has_learned_from_such_a_file(tmp_path: Path) -> None:
    reader = Reader()
    read(tmp_path / "a.conll", NER, reader=reader)
    usual = {**reader.decided.as_dict(), **reader.found}
    made, _ = read(tmp_path / "b.txt", "a\ndog\n", labelled=False, reader=Reader(usual=usual))
    assert words(made) == [["a", "dog"]]
    made, _ = read(tmp_path / "b.txt", "a\ndog\n", labelled=False)
    assert words(made) == [["a"], ["dog"]]


def test_prose_is_no_such_file() -> None:
    prose = "It was a dark night.\n\nThe wind was cold.\nNobody came.\n"
    assert not looks_like_conll(prose, labelled=False)
    assert not looks_like_conll("one\ntwo\n", labelled=True)
    assert looks_like_conll(NER, labelled=True)
    assert parse_conll(NER, "x").lines == [3, 4, 5, 7, 8]
