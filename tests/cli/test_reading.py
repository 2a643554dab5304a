"""How far the reading of a text has come."""

from ostinato._stages import Stage
from ostinato.cli.reading import counted
from ostinato.text import Parts, text


def test_the_documents_are_the_same_and_counted() -> None:
    stage = Stage("reading a text", unit="characters")
    shown = counted(Parts([text("abc" * 200_000, "a text")], [text("d", "a text")]), stage)
    for number in (1, 2):
        pieces = shown.train[0].pieces()
        next(pieces)
        assert str(stage) == f"reading a text, pass {number} of 3"
        next(pieces)
        assert str(stage) == f"reading a text, pass {number} of 3: 262,144 characters"
        assert len("".join(pieces)) == 600_000 - 2 * 262_144
        assert "".join(shown.held_out[0].pieces()) == "d"
        assert str(stage) == f"reading a text, pass {number} of 3: 600,001 characters"
