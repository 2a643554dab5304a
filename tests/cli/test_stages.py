"""What takes long is shown, on a terminal in place and in a log by lines."""

import io
import re
import time

import pytest

from ostinato._stages import Stage, stage, unshown
from ostinato.cli import stages
from ostinato.cli.stages import Stages, watched


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "PATIENCE", 0.05)
    monkeypatch.setattr(stages, "_LIVELY", 0.01)


def waited(condition, seconds: float = 20.0) -> bool:
    """Whether it comes true in time: the thread that shows runs when it can."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def test_in_words() -> None:
    assert str(Stage("writing")) == "writing"
    half = Stage("measuring", 2000, "tokens")
    half.advance(1000)
    assert str(half) == "measuring: 50% of 2,000 tokens"
    some = Stage("reading", unit="characters")
    some.advance(1234)
    assert str(some) == "reading: 1,234 characters"


def test_a_terminal_shows_what_lasts_and_is_left_clean() -> None:
    screen = Screen()
    shown = Stages(screen)
    with shown(Stage("thinking", 10)) as _:
        assert waited(lambda: "thinking: 0% of 10" in screen.getvalue())
        inner = Stage("measuring", 10)
        with shown(inner):
            inner.advance(5)
            assert waited(lambda: "measuring: 50% of 10" in screen.getvalue())
        assert screen.getvalue().endswith(stages._ERASE)
    shown.close()
    assert screen.getvalue().endswith(stages._ERASE)
    assert "\n" not in screen.getvalue()


def test_a_line_is_no_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    screen = Screen()
    shown = Stages(screen)
    with shown(Stage("reading " + "a/long/path/" * 9)):
        assert waited(lambda: "reading" in screen.getvalue())
    shown.close()
    assert {len(line) for line in screen.getvalue().split(stages._ERASE)} == {0, 29}


def test_a_log_has_a_line_for_each_stage_that_lasts() -> None:
    log = io.StringIO()
    shown = Stages(log)
    for name in ("reading", "measuring"):
        with shown(Stage(name)):
            assert waited(lambda name=name: name in log.getvalue())
    with shown(Stage("blinking")):
        pass
    shown.close()
    assert log.getvalue() == "note: reading ...\nnote: measuring ...\n"


def test_what_is_short_is_not_shown(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(stages, "PATIENCE", 60)
    with watched():
        with stage("blinking"):
            time.sleep(0.1)
    assert capsys.readouterr() == ("", "")


def test_a_training_shows_itself(capsys) -> None:
    with watched(), unshown():
        with stage("validating"):
            time.sleep(0.2)
    assert capsys.readouterr() == ("", "")


def test_nobody_listens_to_a_library(capsys) -> None:
    with stage("measuring") as done:
        done.advance()
        time.sleep(0.1)
    assert capsys.readouterr() == ("", "")


def test_a_command_shows_its_stages(ostinato, trained, monkeypatch) -> None:
    from ostinato.text import evaluation

    take = evaluation.take_ids

    def slowly(*arguments):
        time.sleep(0.3)
        return take(*arguments)

    monkeypatch.setattr(evaluation, "take_ids", slowly)
    done = ostinato("evaluate", trained)
    assert done.code == 0
    assert re.search(r"^note: measuring: \d+% of 97 tokens \.\.\.$", done.err, flags=re.M)
    assert "note" not in done.out
