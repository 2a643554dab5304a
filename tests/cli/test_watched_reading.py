"""The line that shows how far reading has come."""

import io
import sys

from ostinato.cli import reading
from ostinato.cli.reading import watched
from ostinato.text import Parts, text


def test_away_from_a_terminal_nothing_is_added() -> None:
    parts = Parts([text("abc")])
    with watched(parts) as shown:
        assert shown == parts


def test_on_a_terminal_the_documents_are_the_same(monkeypatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(reading, "_PATIENCE", -1)
    with watched(Parts([text("abc" * 200_000, "a text")], [text("d", "a text")])) as shown:
        for _ in range(2):
            assert "".join(shown.train[0].pieces()) == "abc" * 200_000
            assert "".join(shown.held_out[0].pieces()) == "d"
        counter = shown.train[0].pieces.__closure__[0].cell_contents
        assert (counter._passes, counter._characters) == (2, 600_001)
    assert "reading a text" in screen.getvalue()
