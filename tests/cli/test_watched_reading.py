"""The line that shows how far reading has come."""

import io
import sys

from ostinato.cli import reading
from ostinato.cli.reading import watched
from ostinato.text import text


def test_away_from_a_terminal_nothing_is_added() -> None:
    documents = [text("abc")]
    with watched(documents) as shown:
        assert shown == documents


def test_on_a_terminal_the_documents_are_the_same(monkeypatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(reading, "_PATIENCE", -1)
    with watched([text("abc" * 200_000, "a text")]) as shown:
        for _ in range(2):
            assert "".join(shown[0].pieces()) == "abc" * 200_000
        counter = shown[0].pieces.__closure__[0].cell_contents
        assert (counter._passes, counter._characters) == (2, 600_000)
    assert "reading a text" in screen.getvalue()
