"""Files that grow: added to in place, never through a link, and read with care."""

import json
import logging
import os
from pathlib import Path

import pytest

from ostinato.errors import ArgumentError
from ostinato.train import Run
from ostinato.train.lines import Growing, check_marks

GOOD = ['{"step": 1, "loss": 2.5}', '{"step": 2, "loss": 2.25, "held_out_loss": 3}']
COMMAND = {
    "began": "2026-01-02T03:04:05+00:00",
    "arguments": ["train", "text"],
    "ostinato": "0.1.0",
    "torch": "2.13.0",
    "python": "3.11.7",
    "system": "Linux x86_64",
    "threads": 1,
    "processes": 1,
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create("text", tmp_path / "run")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "null",
        "3",
        "",
        '{"loss": 1}',
        '{"step": -1}',
        '{"step": 1.5}',
        '{"step": true}',
        '{"step": 1, "loss": NaN}',
        '{"step": 1, "loss": 1e999}',
        '{"step": 1, "loss": "low"}',
        '{"step": 1, "loss": null}',
        f'{{"step": {10**30}}}',
        f'{{"step": 1, "loss": {10**400}}}',
        "[" * 100_000,
        "\x00\x00",
    ],
)
def test_the_good_lines_are_used_and_the_bad_ones_named(run: Run, line: str, caplog) -> None:
    run.metrics_path.write_text("\n".join([GOOD[0], line, GOOD[1]]) + "\n")
    assert run.metrics() == [json.loads(each) for each in GOOD]
    (record,) = caplog.records
    assert record.getMessage() == f"{run.metrics_path}: line 2 is damaged, and left out"


def test_many_damaged_lines_are_counted(run: Run, caplog) -> None:
    run.metrics_path.write_bytes(b"\xff\n" * 9)
    assert run.metrics() == []
    assert "lines 1, 2, 3, 4, 5 and 4 more are damaged" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"began": "yesterday"},
        {"began": 3},
        {"arguments": "train text"},
        {"arguments": [1]},
        {"threads": "1"},
        {"torch": None},
    ],
)
def test_commands_have_all_that_a_page_tells(run: Run, change: dict, caplog) -> None:
    lines = [json.dumps(COMMAND), json.dumps({**COMMAND, **change}), '{"began": "2026-01-01"}']
    run.commands_path.write_text("\n".join(lines) + "\n")
    assert run.commands() == [COMMAND]
    assert "lines 2, 3 are damaged" in caplog.text


def test_what_was_changed_before_a_checkpoint_is_told(run: Run, caplog) -> None:
    run.append(run.metrics_path, [f"{line}\n" for line in GOOD])
    sizes = run.sizes()
    run.append(run.metrics_path, ['{"step": 3}\n'])
    with caplog.at_level(logging.WARNING):
        Run(run.folder).cut_back(sizes)
    assert caplog.records == []
    run.metrics_path.write_text(run.metrics_path.read_text().replace("2.5", "2.6"))
    run.save_checkpoint(2, {"sizes": sizes})
    Run(run.folder).check_lines()
    assert "metrics.jsonl was changed after it was written" in caplog.text


def test_a_mark_is_that_of_what_others_have_written_too(tmp_path: Path) -> None:
    growing = Growing(tmp_path / "file")
    assert growing.mark() == [0, 0]
    growing.append("one\n")
    (tmp_path / "file").write_text("one\ntwo\n")
    growing.append("three\n")
    assert growing.mark() == Growing(tmp_path / "file").mark()


def test_lone_surrogates_are_written_as_what_they_are(tmp_path: Path) -> None:
    Growing(tmp_path / "file").append("a\ud800b")
    assert (tmp_path / "file").read_text() == "a\\ud800b"


@pytest.mark.parametrize("kind", ["link", "hard link", "folder", "pipe"])
def test_nothing_is_written_elsewhere(run: Run, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("stays")
    path = run.metrics_path
    if kind == "link":
        path.symlink_to(outside)
    elif kind == "hard link":
        os.link(outside, path)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(ArgumentError, match=r"metrics\.jsonl: wanted a file of its own"):
        run.append(path, ["x\n"])
    assert outside.read_text() == "stays"


@pytest.mark.parametrize("sizes", [None, [], {"a": 1}, {"a": [1]}, {"a": [1, -2]}, {"a": [1.5, 2]}])
def test_what_is_no_mark_is_refused(sizes: object) -> None:
    with pytest.raises(ArgumentError, match="sizes"):
        check_marks(sizes)
