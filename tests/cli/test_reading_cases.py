"""Small files that were once misread, by the program: read right, or refused by row and cell."""

import gzip
import io
import json
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from ostinato.train import Run

CASES = Path(__file__).parent / "cases"
SHORT = ["--size", 4, "--steps", 4, "--validate-every", 2, "--sample-every", 0]


@pytest.fixture
def train(ostinato, folder):
    """``train(task, file, *flags)`` trains a moment on a file of the cases."""

    def run(task: str, name: str, *flags: object):
        (folder / name).write_bytes((CASES / name).read_bytes())
        return ostinato("train", task, name, *SHORT, *flags, "--run", "run")

    return run


def first_times(ostinato, *arguments: object) -> list[str]:
    done = ostinato("forecast", "run", *arguments, "--steps", 2)
    assert done.code == 0, done.err
    return [line.split()[0] for line in done.out.splitlines()[1:]]


READ = {
    "s_us_monthly.csv": (
        "144 steps of 1 month from 2000-01-01 to 2011-12-01",
        "as %m/%d/%Y (as %d/%m/%Y they would have no regular steps)",
        ["2012-01-01", "2012-02-01"],
    ),
    "s_compact.csv": (
        "140 steps of 1 day from 2024-01-01 to 2024-05-19, value",
        "the times are in date, as %Y%m%d",
        ["2024-05-20", "2024-05-21"],
    ),
    "s_business.csv": (
        "100 steps of 1 business day from 2024-01-01 to 2024-05-17",
        "the times are in date",
        ["2024-05-20", "2024-05-21"],
    ),
    "s_noheader.csv": (
        "140 steps of 1 day from 2024-01-01 to 2024-05-19, column_2",
        "the first row is data, not names",
        ["2024-05-20", "2024-05-21"],
    ),
    "s_semicolon_dec.csv": (
        "140 steps of 1 day from 2024-01-01 to 2024-05-19, value",
        "',' is the decimal mark",
        ["2024-05-20", "2024-05-21"],
    ),
    "s_trailingblank.csv": ("140 steps of 1 day", "", ["2024-05-20", "2024-05-21"]),
    "s_spacepad.csv": ("144 steps of 1 month", "", ["2012-01-01", "2012-02-01"]),
    "s_dst_offset.csv": (
        "400 steps of 1 hour from 2024-10-20T02:00:00+02:00 to 2024-11-05T16:00:00+01:00",
        "",
        ["2024-11-05T17:00:00+01:00", "2024-11-05T18:00:00+01:00"],
    ),
}


@pytest.mark.parametrize("name", READ)
def test_series_that_are_read(ostinato, train, name: str) -> None:
    summary, said, times = READ[name]
    done = train("series", name)
    assert done.code == 0, done.err
    assert summary in done.out
    assert said in done.out
    assert first_times(ostinato) == times


def test_a_later_file_is_read_as_the_first(ostinato, train, folder) -> None:
    """Semicolons, decimal commas, and a form of dates that two rows do not tell."""
    rows = [line.split(",") for line in (CASES / "s_us_monthly.csv").read_text().splitlines()[1:]]
    lines = [f"{date};{value.replace('.', ',')}" for date, value in rows]
    for path, part in (
        ("old.csv", lines[:140]),
        ("new.csv", lines[140:142]),
        ("one.csv", lines[140:141]),
    ):
        (folder / path).write_text("\n".join(["date;value", *part]) + "\n")
    assert ostinato("train", "series", "old.csv", *SHORT, "--run", "run").code == 0
    assert Run.open(Path("run")).read_config()["read"]["date_format"] == "%m/%d/%Y"
    done = ostinato("forecast", "run", "new.csv", "--steps", 1)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1].startswith("2011-11-01")
    assert first_times(ostinato, "one.csv") == ["2011-10-01", "2011-11-01"]
    wrong = ostinato("forecast", "run", "new.csv", "--date-format", "%d/%m/%Y")
    assert wrong.code == 1
    assert "wanted equally spaced times, 1 month apart as the run has them" in wrong.err
    gone = ostinato("forecast", "run", "--date-format", "%d/%m/%Y")
    assert "FILE: wanted the file that the flags are about, got --date-format" in gone.err


REFUSED = {
    "s_badcol.csv": ["column sales", "'?' in row 71 (line 72)", "--missing '?'"],
    "s_badtime.csv": ["column date", "'2005-13-01' in row 71 (line 72)"],
    "s_typo_year.csv": ["2034-01-01T00:01:17 in row 78 (line 79)", "315,619,278 steps"],
    "s_long.csv": ["two for 2024-01-01", "--series store"],
    "s_latin.csv": ["the byte 0xe9", "line 1", "--encoding latin-1"],
    "s_currency.csv": ["column value", "'$10.04' in row 1 (line 2)", "--units '$'"],
}
SETTLED = {
    "s_badcol.csv": ["--missing", "?"],
    "s_badtime.csv": ["--time", ""],
    "s_long.csv": ["--series", "store"],
    "s_latin.csv": ["--encoding", "latin-1"],
    "s_currency.csv": ["--units", "$"],
}


@pytest.mark.parametrize("name", REFUSED)
def test_series_that_are_asked_about(train, folder, name: str) -> None:
    done = train("series", name)
    assert done.code == 1
    for words in REFUSED[name]:
        assert words in done.err
    assert not Path("run").exists()
    if name in SETTLED:
        settled = train("series", name, *SETTLED[name])
        assert settled.code == 0, settled.err


def test_the_name_of_a_latin_column(train) -> None:
    assert "température" in train("series", "s_latin.csv", "--encoding", "latin-1").out


def test_many_series(ostinato, train, folder) -> None:
    done = train("series", "s_long.csv", "--series", "store", "--known", "calendar")
    assert done.code == 0, done.err
    assert "140 steps of 1 day from 2024-01-01 to 2024-05-19, value of 2 series" in done.out
    assert "MASE of each series" in done.out
    lines = Path("run/series.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["series", "A: value", "B: value"]
    said = ostinato("forecast", "run", "--steps", 2)
    rows = [line.split()[:2] for line in said.out.splitlines()]
    assert rows == [
        *(["time", "store"], ["2024-05-20", "A"], ["2024-05-21", "A"]),
        *(["2024-05-20", "B"], ["2024-05-21", "B"]),
    ]
    records = [json.loads(line) for line in ostinato("forecast", "run", "--json").out.splitlines()]
    assert {record["store"] for record in records} == {"A", "B"}
    more = [f"2024-05-{day},{store},{day}" for day in (20, 21) for store in "AB"]
    (folder / "new.csv").write_text("\n".join(["day,shop,value", *more]))
    later = ostinato(
        "forecast", "run", "new.csv", "--steps", 1, "--time", "day", "--series", "shop"
    )
    assert later.code == 0, later.err
    assert [line.split()[0] for line in later.out.splitlines()[1:]] == ["2024-05-22"] * 2
    flags = ("--time", "day", "--series", "shop", "--json")
    measured = ostinato("evaluate", "run", "new.csv", *flags)
    assert measured.code == 0, measured.err
    assert "mase" in json.loads(measured.out)
    lost = ostinato("forecast", "run", "new.csv")
    assert lost.code == 1
    assert "series: wanted a column" in lost.err or "time: wanted a column" in lost.err


def test_what_is_known_ahead(ostinato, folder) -> None:
    days = [
        f"{date(2024, 1, 1) + timedelta(n)},{'yes' if n % 5 == 0 else 'no'},"
        f"{'' if n >= 130 else 9 if n % 5 == 0 else 1}"
        for n in range(140)
    ]
    (folder / "shop.csv").write_text("\n".join(["day,promotion,sales", *days]))
    flags = ("--known", "promotion", "--horizon", 15, "--run", "run")
    done = ostinato("train", "series", "shop.csv", *SHORT, *flags)
    assert done.code == 0, done.err
    assert "130 steps of 1 day" in done.out
    assert len(ostinato("forecast", "run").out.splitlines()) == 11  # as far as it is known
    far = ostinato("forecast", "run", "--steps", 12)
    assert far.code == 1
    assert "--steps: wanted promotion known up to 2024-05-21, got an end at 2024-05-19" in far.err
    ahead = [f"{date(2024, 5, 20) + timedelta(n)},no," for n in range(5)]
    (folder / "ahead.csv").write_text("\n".join(["day,promotion,sales", *ahead]))
    assert len(ostinato("forecast", "run", "ahead.csv", "--steps", 15).out.splitlines()) == 16


def test_labels_that_look_like_numbers(ostinato, train, folder) -> None:
    done = train("classify", "c_zipmerge.csv")
    assert done.code == 0, done.err
    result = Run.open(Path("run")).read_result()
    assert result is not None
    assert result["labels"] == ["00234", "0234", "234"]


def test_texts_that_look_like_numbers(ostinato, train, folder) -> None:
    assert train("classify", "c_numtext.csv").code == 0
    for text in ("text\n1\n2\n", "text\n2024-01-01\n7.5\n"):
        (folder / "new.csv").write_text(text)
        done = ostinato("classify", "run", "new.csv")
        assert done.code == 0, done.err
        assert [line.split()[-1] for line in done.out.splitlines()] == text.split()[1:]
    assert ostinato("evaluate", "run", "c_numtext.csv").code == 0


def test_words_such_as_na(train) -> None:
    done = train("classify", "c_na.csv")
    assert done.code == 0, done.err
    assert "NA, None, nan, null in text are read as they stand, as texts" in done.out


def test_sentences_named_on_their_first_row(ostinato, train) -> None:
    done = train("tag", "t_kaggle.csv", "--group", "sentence", "--sequence", "word")
    assert done.code == 0, done.err
    assert "sentence is given on the first row of each sequence" in done.out
    assert "24 sequences and 6 held out" in done.out
    assert len(ostinato("tag", "run", "t_kaggle.csv").out.splitlines()) == 30


def test_a_token_a_line(ostinato, train, folder) -> None:
    done = train("tag", "t_conll.txt")
    assert done.code == 0, done.err
    assert "30 sentences between blank lines; tokens are column_1, labels column_2" in done.out
    assert len(ostinato("tag", "run", "t_conll.txt").out.splitlines()) == 30
    (folder / "new.txt").write_text("the\ncat\n")
    assert ostinato("tag", "run", "new.txt").out.count("/") == 2
    assert ostinato("evaluate", "run", "t_conll.txt").code == 0


def test_quotes_in_tsv(ostinato, train) -> None:
    done = train("seq2seq", "p_q2.tsv")
    assert done.code == 0, done.err
    assert "54 pairs and 6 held out" in done.out
    assert len(ostinato("translate", "run", "p_q2.tsv").out.splitlines()) == 60


def test_one_line_for_each_output(ostinato, folder) -> None:
    (folder / "p.csv").write_bytes((CASES / "p_nltarget.csv").read_bytes())
    flags = ("--size", 16, "--steps", 120, "--lr", 0.03, "--sample-every", 0, "--run", "run")
    assert ostinato("train", "seq2seq", "p.csv", *flags).code == 0
    lines = ostinato("translate", "run", "p.csv").out.splitlines()
    assert lines == ["x\\ny"] * 60
    best = ostinato("translate", "run", "--text", "a0", "--best", 2, "--beam", 4).out.splitlines()
    assert [line.split()[0] for line in best] == ["1", "1"]
    exact = json.loads(ostinato("translate", "run", "--text", "a0", "--json").out)
    assert exact["outputs"][0]["text"] == "x\ny"


def test_a_model_of_characters_prints_the_text_as_it_is(ostinato, train, folder) -> None:
    assert train("classify", "c_zipmerge.csv", "--tokens", "char").code == 0
    (folder / "new.csv").write_text('text\n"what a\nfine  film, yes"\n')
    done = ostinato("classify", "run", "new.csv")
    assert done.out.splitlines()[0].endswith("  what a\\nfine  film, yes")
    assert len(done.out.splitlines()) == 1


class Input:
    """Standard input with some bytes."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_standard_input(ostinato, folder, train, monkeypatch) -> None:
    assert train("classify", "c_zipmerge.csv").code == 0
    monkeypatch.setattr(sys, "stdin", Input(b'a "film\n\nmess\n'))
    lines = ostinato("classify", "run", "-").out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert lines[0].endswith('a "film')
    monkeypatch.setattr(sys, "stdin", Input((CASES / "s_compact.csv").read_bytes()))
    done = ostinato("train", "series", "-", *SHORT, "--run", "series")
    assert done.code == 0, done.err
    assert "standard input: the times are in date" in done.out
    verse = (folder / "verse.txt").read_bytes()
    small = ("--batch-size", 2, "--bptt", 8)
    monkeypatch.setattr(sys, "stdin", Input(verse))
    done = ostinato("train", "text", "-", *SHORT, *small, "--run", "text")
    assert done.code == 0, done.err
    assert "reading standard input" in done.out
    from_file = ostinato("evaluate", "text", "verse.txt", "--json").out
    monkeypatch.setattr(sys, "stdin", Input(gzip.compress(verse.decode().encode("utf-16"))))
    assert ostinato("evaluate", "text", "-", "--json").out == from_file


def test_folders(ostinato, folder) -> None:
    for name, text in {
        "pos/a": "fine",
        "pos/b": "great fun",
        "neg/a": "awful",
        "neg/b": "bad",
    }.items():
        path = folder / "films" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text * 20)
    (folder / "films" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(9))
    done = ostinato("train", "classify", "films", *SHORT, "--run", "run")
    assert done.code == 0, done.err
    assert "labelled by its folder: neg, pos" in done.out
    assert len(ostinato("classify", "run", "films").out.splitlines()) == 4
    done = ostinato("train", "text", "films", *SHORT, "--batch-size", 2, "--bptt", 8, "--run", "t")
    assert done.code == 0, done.err
    assert "left out, as they are no texts: x.png" in done.out
    assert "x.png: wanted text, got a PNG picture" in ostinato("train", "text", "films/x.png").err


def test_parallel_texts_and_two_columns_without_names(ostinato, folder) -> None:
    english, german = (
        ["a cat", "the dog", "", "a dog"] * 5,
        ["eine Katze", "der Hund", "", "ein Hund"] * 5,
    )
    for name, lines in (("en.txt", english), ("de.txt", german), ("short.txt", german[:-1])):
        (folder / name).write_text("\n".join(lines) + "\n")
    done = ostinato("train", "seq2seq", "en.txt", "de.txt", *SHORT, "--run", "run")
    assert done.code == 0, done.err
    assert "5 lines that are empty in both are left out" in done.out
    assert ostinato("evaluate", "run", "en.txt", "de.txt").code == 0
    assert len(ostinato("translate", "run", "en.txt").out.splitlines()) == 20
    uneven = ostinato("train", "seq2seq", "en.txt", "short.txt")
    assert "got 20 in en.txt and 19 in short.txt" in uneven.err
    pairs = [f"{a}\t{b}" for a, b in zip(english, german, strict=True) if a]
    (folder / "pairs.tsv").write_text("\n".join(pairs) + "\n")
    assert "--no-header" in ostinato("train", "seq2seq", "pairs.tsv").err
    done = ostinato("train", "seq2seq", "pairs.tsv", "--no-header", *SHORT, "--run", "table")
    assert done.code == 0, done.err
    assert len(ostinato("translate", "table", "pairs.tsv").out.splitlines()) == 15


def test_text_in_other_encodings(ostinato, folder) -> None:
    (folder / "latin.txt").write_bytes("grün und blau. ".encode("latin-1") * 60)
    (folder / "marked.txt").write_bytes(("grün und blau. " * 60).encode("utf-16"))
    (folder / "zipped.txt.gz").write_bytes(gzip.compress(("grün und blau. " * 60).encode()))
    small = (*SHORT, "--batch-size", 2, "--bptt", 8)
    assert "--encoding latin-1" in ostinato("train", "text", "latin.txt").err
    flags = ("--encoding", "latin-1", "--run", "run")
    assert ostinato("train", "text", "latin.txt", *small, *flags).code == 0
    figures = {ostinato("evaluate", "run", "latin.txt", "--json").out}
    for name in ("marked.txt", "zipped.txt.gz"):
        figures.add(ostinato("evaluate", "run", name, "--json").out)
    assert len(figures) == 1
    assert (
        "--separator: wanted a run of"
        in ostinato("evaluate", "run", "latin.txt", "--separator", ";").err
    )


def test_a_flag_that_means_nothing_is_refused(ostinato, train, folder) -> None:
    assert train("classify", "c_zipmerge.csv").code == 0
    for flag in ("--date-format", "--time", "--target"):
        done = ostinato("evaluate", "run", "c_zipmerge.csv", flag, "x")
        assert f"{flag}: wanted a run of " in done.err
    assert "--separator without one" in ostinato("evaluate", "run", "--separator", ";").err
    (folder / "other.csv").write_text("review;mood\nfine;234\n")
    flags = ("--sequence", "review", "--label", "mood", "--separator", ";", "--json")
    done = ostinato("evaluate", "run", "other.csv", *flags)
    assert done.code == 0, done.err
