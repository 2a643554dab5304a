"""Reports: lines for a log, JSON for a program."""

import io
import json

import pytest

from ostinato.train import JsonLines, Lines, Silent
from ostinato.train.report import Record, digits, duration, held_out, mean, pace


def record(step: int, **more: float) -> Record:
    return {
        "step": step,
        "loss": 2.0,
        "bpc": 3.0,
        "tokens": step * 100,
        "tokens_per_second": 50,
        "seconds": 1.0,
        **more,
    }


def test_json_is_one_object_a_line_and_nothing_else() -> None:
    file = io.StringIO()
    with JsonLines(file) as report:
        report.start(9, "tokens")
        report.steps([record(1), record(2)])
        report.sample(2, "text")
    assert [json.loads(line)["step"] for line in file.getvalue().splitlines()] == [1, 2]


def test_lines_come_with_validations() -> None:
    file = io.StringIO()
    report = Lines(file)
    report.start(10, "tokens")
    report.steps([record(1), record(2, loss=4.0)])
    assert file.getvalue() == ""
    report.steps([record(3, held_out_bpc=2.5)])
    assert file.getvalue() == (
        "step 3/10  loss 2.667  bpc 3.000  held-out bpc 2.500  50 tokens/s  14s left\n"
    )


def test_lines_come_after_a_while() -> None:
    file = io.StringIO()
    report = Lines(file, every=0)
    report.start(10, "tokens")
    report.steps([record(1), record(2)])
    assert [line.split()[1] for line in file.getvalue().splitlines()] == ["2/10"]


def test_a_sample_is_indented() -> None:
    file = io.StringIO()
    Lines(file).sample(7, "two\nlines")
    assert file.getvalue() == "sample at step 7:\n    two\n    lines\n"


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    with Silent() as report:
        report.start(1, "tokens")
        report.steps([record(1)])
        report.sample(1, "text")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "0s"), (59.6, "1m00s"), (185, "3m05s"), (7805, "2h10m")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_figures_of_a_record() -> None:
    assert held_out(record(1, held_out_loss=1.0)) == {"loss": 1.0}
    assert mean([{"a": 1.0}, {"a": 2.0}]) == {"a": 1.5}
    assert mean([]) == {}
    assert pace(record(5), 10, "tokens") == (50, "10s left")


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.23456, "1.235"), (0.1, "0.100"), (0.01234, "0.0123"), (0.0, "0.000"), (-3e-7, "-3e-07")],
)
def test_small_figures_keep_digits_that_count(value: float, said: str) -> None:
    assert digits(value) == said
