"""Files as tables: every kind gives the same, and what is wrong is named by line."""

import codecs
import gzip
import io
import subprocess
import sys
from pathlib import Path

import polars
import pytest

from ostinato.data import Reader, ReadSettings, read_table
from ostinato.data.requirements import MissingPackage
from ostinato.data.tables.table import check_columns
from ostinato.errors import ArgumentError

ROWS = polars.DataFrame({"word": ["a", "b"], "size": [1.5, None], "number": [3, 4]})
TEXTS = [("a", "1.5", "3"), ("b", None, "4")]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def rows(path: Path, settings: ReadSettings | None = None) -> list[tuple]:
    return read_table(path, settings).frame.rows()


def test_all_kinds_of_files(tmp_path: Path) -> None:
    """Texts as they stand where a file has nothing else, and else what its types say."""
    ROWS.write_csv(tmp_path / "a.csv")
    ROWS.write_csv(tmp_path / "a.tsv", separator="\t")
    ROWS.write_csv(tmp_path / "a.CSV", separator=";")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    for name in ("a.csv", "a.tsv", "a.CSV", "a.csv.gz"):
        assert rows(tmp_path / name) == TEXTS, name
    ROWS.write_parquet(tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.NDJSON"):
        ROWS.write_ndjson(tmp_path / name)
    for name in ("a.parquet", "a.jsonl", "a.NDJSON"):
        assert read_table(tmp_path / name).frame.equals(ROWS), name


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(b"a;b\n1;2\n")

    monkeypatch.setattr(sys, "stdin", Input())
    for _ in range(2):  # it is kept
        assert read_table("-").frame.rows() == [("1", "2")]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"], ids=lambda name: name
)
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_marks_of_byte_order_are_known(tmp_path: Path, encoding: str, suffix: str) -> None:
    mark = "," if suffix == "csv" else "\t"
    path = write(tmp_path / f"a.{suffix}", f"größe{mark}b\nü{mark}2\n", encoding)
    assert read_table(path).columns == ["größe", "b"]
    assert rows(path) == [("ü", "2")]


def test_utf_16_of_both_orders_and_zipped(tmp_path: Path) -> None:
    for mark, name in ((codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF16_LE, "utf-16-le")):
        data = mark + "a,b\nü,2\n".encode(name)
        (tmp_path / "a.csv").write_bytes(data)
        (tmp_path / "b.csv.gz").write_bytes(gzip.compress(data))
        assert rows(tmp_path / "a.csv") == rows(tmp_path / "b.csv.gz") == [("ü", "2")]


@pytest.mark.parametrize(("encoding", "word"), [("latin-1", "température"), ("cp1252", "“x”")])
def test_an_encoding_that_is_named(tmp_path: Path, encoding: str, word: str) -> None:
    """In the names of columns as in the rows."""
    head = write(tmp_path / "a.csv", f"{word},b\n1,2\n", encoding)
    body = write(tmp_path / "b.csv", f"a,b\n1,{word}\n", encoding)
    for path, line in ((head, 1), (body, 2)):
        with pytest.raises(ArgumentError, match=f"line {line}.*--encoding {encoding}"):
            read_table(path)
        found = read_table(path, ReadSettings(encoding=encoding))
        assert word in (*found.columns, *found.frame.row(0))


NO_TEXT = {
    "xlsx": b"PK\x03\x04" + bytes(range(256)),
    "parquet": b"PAR1" + bytes(range(200)),
    "pdf": b"%PDF-1.7\n" + bytes([200, 201, 0, 1]),
    "nothing": bytes(range(256)) * 4,
    "utf-16 without a mark": "date,value\n2024-01-01,1\n".encode("utf-16-le"),
}


@pytest.mark.parametrize("kind", NO_TEXT)
def test_no_encoding_is_suggested_for_what_is_no_text(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(NO_TEXT[kind])
    with pytest.raises(ArgumentError) as error:
        read_table(path)
    suggested = "--encoding utf-16-le" in str(error.value)
    assert suggested == (kind == "utf-16 without a mark")
    assert "latin-1" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", "", r"FILE: wanted a table whose name ends in \.csv, \.tsv"),
        ("a.csv", "a,b\n1,2\n3,4,5\n", r"row 2 \(line 3\): wanted 2 fields.*got 3: '3', '4', '5'"),
        ("a.csv", "a,b\n1,2\n3\n", r"row 2 \(line 3\): wanted 2 fields.*got 1: '3'"),
        ("a.csv", "Report\na,b\n1,2\n3,4\n", "line 1: wanted the names of 2 columns.*'Report'"),
        ("a.csv", "a,a\n1,2\n", "wanted columns of different names, got 'a' for 2"),
        ("a.parquet", "PAR", "wanted a table as Parquet, got a file that is no Parquet"),
        ("a.parquet", "PAR1...", "wanted a table as Parquet, got a file that is damaged"),
        ("a.csv", "a,b\n", "wanted a table with rows, got none"),
        ("a.csv", "\n\n", "wanted a table with rows, got an empty file"),
        ("a.jsonl", '{"a":1}\n{"a":\n', r"JSON object in each line, got '\{\"a\":' in line 2"),
        ("a.jsonl", "[1]\n", r"JSON object in each line, got '\[1\]' in line 1"),
        ("a.jsonl", '{"a":[1]}\n{"a":"x"}\n', "column a of .*one kind of value, got lists and"),
        ("a.tsv", 'a\tb\nc\td\n"e\tf"\tg\n', r"row 2 \(line 3\).*--quotes where they are char"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, content: str, message: str) -> None:
    write(tmp_path / name, content)
    with pytest.raises(ArgumentError, match=message) as error:
        read_table(tmp_path / name)
    for word in ("polars", "truncate_ragged_lines", "infer_schema"):
        assert word not in str(error.value)


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 5000)
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArgumentError, match="wanted a whole gzip file"):
        read_table(tmp_path / "a.csv.gz")


def test_quotes_are_characters_in_tsv_and_not_in_csv(tmp_path: Path) -> None:
    tsv = write(tmp_path / "a.tsv", 'a\tb\n"x\ty\n"z\tw"\n')
    assert rows(tsv) == [('"x', "y"), ('"z', 'w"')]
    csv = write(tmp_path / "a.csv", 'a,b\n"x, y",z\n')
    assert rows(csv) == [("x, y", "z")]
    quoted = write(tmp_path / "b.tsv", 'a\tb\n"x"\ty\n')
    reader = Reader()
    assert reader.table(quoted).frame.rows() == [('"x"', "y")]
    assert "quotes are characters" in reader.said[0]
    assert rows(quoted, ReadSettings(quotes=True)) == [("x", "y")]


def test_quotes_that_may_hold_rows_are_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,label\n"so long,bad\nwell,good\nthe end",bad\n')
    with pytest.raises(ArgumentError, match=r"line 2: .*--quotes, or --no-quotes"):
        read_table(path)
    assert len(rows(path, ReadSettings(quotes=True))) == 1
    assert rows(path, ReadSettings(quotes=False))[0] == ('"so long', "bad")
    lone = write(tmp_path / "b.csv", 'text,label\n"so long,bad\nwell,good\n')
    reader = Reader()
    assert reader.table(lone).frame.rows() == [('"so long', "bad"), ("well", "good")]
    assert "does not close it is a character, in line 2" in reader.said[0]


def test_spaces_before_quotes_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '"a", "b"\n"x, y", "z"\n')
    reader = Reader()
    table = reader.table(path)
    assert (table.columns, table.frame.rows()) == (["a", "b"], [("x, y", "z")])
    assert "spaces round a field in quotes are left out, in lines 1, 2" in reader.said[0]


def test_a_first_row_that_is_data(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n")
    reader = Reader()
    table = reader.table(path)
    assert (table.columns, len(table), table.header) == (["column_1", "column_2"], 3, False)
    assert "the first row is data" in reader.said[0]
    assert reader.decided.header is False
    assert read_table(path, ReadSettings(header=True)).columns == ["2024-01-01", "1"]
    texts = write(tmp_path / "b.csv", "fine,good\nbad,bad\n")
    assert len(read_table(texts)) == 1
    assert len(read_table(texts, ReadSettings(header=False))) == 2


def test_blank_rows_and_rows_without_an_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "\n\na,b\n1,2,\n\n,,\n3,4\n\n\n")
    table = read_table(path)
    assert table.frame.rows() == [("1", "2"), ("3", "4")]
    assert table.row(1) == "row 2 (line 7)"
    assert list(table.after_blank) == [1]


def test_a_blank_line_in_a_single_column_is_a_missing_value(tmp_path: Path) -> None:
    reader = Reader()
    table = reader.table(write(tmp_path / "a.csv", "x\n\n1\n2\n\n\n3\n\n"))
    assert table["x"].to_list() == ["1", "2", None, None, "3"]
    assert table.row(4) == "row 5 (line 7)"
    assert "is a missing one: 2" in reader.said[0]


def test_a_declared_separator(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "sep=;\na;b,c\n1;2\n")
    assert read_table(path).columns == ["a", "b,c"]
    assert read_table(path).row(0) == "row 1 (line 3)"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"separator": "ab"}, "separator: wanted a character"),
        ({"separator": '"'}, "separator: wanted a character"),
        ({"decimal": ";"}, "decimal: wanted one of"),
        ({"thousands": ",", "decimal": ","}, "thousands: wanted another mark"),
        ({"encoding": "hex"}, "encoding: wanted a text encoding"),
        ({"encoding": "utf-9"}, "encoding: wanted a text encoding"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, str], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        ReadSettings(**settings)


@pytest.mark.parametrize("written", ["tab", "\\t", "\t"])
def test_a_separator_by_its_name(tmp_path: Path, written: str) -> None:
    path = write(tmp_path / "a.csv", "a,b\tc\n1,2\t3\n")
    assert read_table(path, ReadSettings(separator=written)).columns == ["a,b", "c"]


def test_flags_about_text_mean_nothing_for_typed_files(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "a.parquet")
    for settings in ({"separator": ";"}, {"header": False}, {"encoding": "utf-16"}):
        with pytest.raises(ArgumentError, match="wanted a table that is text between separators"):
            read_table(tmp_path / "a.parquet", ReadSettings(**settings))


def test_another_file_is_read_as_the_one_before(tmp_path: Path) -> None:
    """Where that fits; what it shows plainly counts more."""
    first = Reader(ReadSettings(encoding="latin-1", separator=";", header=False))
    first.table(write(tmp_path / "a.csv", "é;b\nc;d\n", "latin-1"))
    usual = first.decided.as_dict()
    again = Reader(usual=usual)
    found = again.table(write(tmp_path / "b.csv", "é;x\ny;z\n", "latin-1"))
    assert found.frame.rows() == [("é", "x"), ("y", "z")]
    assert again.said == []
    other = Reader(usual=usual)
    names = other.table(write(tmp_path / "c.csv", "é,n\ny,1\nz,2\n")).columns
    assert names == ["é", "n"]  # utf-8, commas, and names over numbers


def test_a_typo_in_a_file_name_suggests_the_near_one(tmp_path: Path) -> None:
    write(tmp_path / "table.csv", "a\n1\n")
    with pytest.raises(ArgumentError, match=r"FILE: .*Did you mean .*table\.csv"):
        read_table(tmp_path / "tabel.csv")


def test_a_typo_in_a_column_suggests_the_near_one() -> None:
    check_columns(["size", "word"], ROWS, "columns", "x.csv")
    with pytest.raises(ArgumentError) as error:
        check_columns(["size", "wrod"], ROWS, "columns", "x.csv")
    assert str(error.value) == (
        "columns: wanted a column of x.csv: word, size, number, got 'wrod'. Did you mean word?"
    )


def test_polars_is_imported_on_first_use_and_asked_for(tmp_path: Path, monkeypatch) -> None:
    code = "import sys, ostinato.data; print('polars' in sys.modules)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "False"
    path = write(tmp_path / "a.csv", "a\n1\n")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingPackage, match=r"pip install 'ostinato\[series\]'"):
        read_table(path)
