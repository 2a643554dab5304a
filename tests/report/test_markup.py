"""Pieces of HTML hold any text."""

from html.parser import HTMLParser

import pytest

from ostinato.report.markup import element, joined, lines, section, sign, tag, text


class Reader(HTMLParser):
    """What a browser would read: tags with attributes, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


HOSTILE = "</pre><script>alert('1')</script> & \"x\" &lt; \u202eabc"


def test_text_is_text_between_tags_and_in_attributes() -> None:
    read = Reader(element("p", text(HOSTILE), title=HOSTILE))
    shown = HOSTILE.replace("\u202e", "[U+202E]")
    assert read.tags == [("p", {"title": shown})]
    assert read.words == shown


@pytest.mark.parametrize("character", [*map(chr, range(32)), "\x7f", "\x80", "\x9f", "\ud800"])
def test_what_html_cannot_hold_is_visible(character: str) -> None:
    shown = text(f"a{character}b")
    assert len(shown) == 3
    assert shown.encode()  # a lone surrogate would raise
    assert (shown[1] == character) == (character in "\t\n")


def test_any_plane_and_combining_marks_are_left_alone() -> None:
    words = "e\u0301 \U0001f600 \u05d0 \u0e01\u0e33"
    assert text(words) == words


def test_attributes_that_are_none_are_left_out() -> None:
    assert tag("img", alt="a", class_=None, data_x=1) == '<img alt="a" data-x="1">'


def test_signs() -> None:
    assert sign(" ") == "\u2423"
    assert sign("\n") == "\u23ce"
    assert sign(" cat") == "cat"
    assert sign("") == ""
    assert sign("a" * 14) == "a" * 14
    assert sign("a" * 15) == "a" * 13 + "\u2026"


def test_nothing_has_no_heading() -> None:
    assert section("Samples", "", "") == ""
    assert lines(" \n") == ""
    assert joined(("a", "", "b")) == "a \u00b7 b"


def test_long_lines_are_broken_and_tables_are_not() -> None:
    assert 'class="prose"' in lines("a " * 200)
    assert "class" not in lines("a  b\nc  d")
