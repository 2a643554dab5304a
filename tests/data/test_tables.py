"""Tables: every kind of file gives the same, and a wrong name leads to the right one."""

import gzip
import subprocess
import sys
from pathlib import Path

import polars
import pytest

from ostinato.data import read_table
from ostinato.data.requirements import MissingPackage
from ostinato.data.tables import check_columns
from ostinato.errors import ArgumentError

ROWS = polars.DataFrame({"word": ["a", "b"], "size": [1.5, None], "number": [3, 4]})


def write(folder: Path) -> list[Path]:
    names = ("table.csv", "table.tsv", "table.parquet", "table.jsonl", "table.NDJSON")
    csv, tsv, parquet, *json_lines = (folder / name for name in names)
    ROWS.write_csv(csv)
    ROWS.write_csv(tsv, separator="\t")
    ROWS.write_parquet(parquet)
    for path in json_lines:
        ROWS.write_ndjson(path)
    zipped = folder / "other.csv.gz"
    zipped.write_bytes(gzip.compress(csv.read_bytes()))
    return [csv, tsv, parquet, *json_lines, zipped]


def test_all_kinds_of_files(tmp_path: Path) -> None:
    for path in write(tmp_path):
        assert read_table(path).equals(ROWS), path


def test_types_are_those_of_the_whole_column(tmp_path: Path) -> None:
    """Not of the first rows, from which Polars otherwise guesses."""
    path = tmp_path / "long.csv"
    path.write_text("size\n" + "1\n" * 3000 + "0.5\n")
    assert read_table(path)["size"].sum() == 3000.5


def test_words_for_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("size,word\n1,NA\nNA,b\n,c\n")
    assert read_table(tmp_path / "a.csv", missing=["NA"])["size"].to_list() == [1, None, None]
    assert read_table(tmp_path / "a.csv")["word"].to_list() == ["NA", "b", "c"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", "", r"FILE: wanted a table whose name ends in \.csv, \.tsv, \.parquet"),
        ("a.csv", "a,b\n1,2\n3,4,5\n", "wanted a table as csv, got one that cannot be read"),
        ("a.parquet", "PAR", "wanted a table as parquet"),
        ("a.csv", "a,b\n", "wanted a table with rows, got none"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ArgumentError, match=message):
        read_table(tmp_path / name)


def test_a_typo_in_a_file_name_suggests_the_near_one(tmp_path: Path) -> None:
    write(tmp_path)
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
    path, *_ = write(tmp_path)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingPackage, match=r"pip install 'ostinato\[series\]'"):
        read_table(path)
