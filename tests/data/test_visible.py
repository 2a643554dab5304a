"""What would steer a reader is shown as a sign."""

import json
import unicodedata

import pytest

from ostinato.data.visible import json_line, visible

HOSTILE = "a\x1b[2Jb\x07\rc\x7f\x9b1m\u202e\u2066d\ud800"


def test_control_characters_become_signs() -> None:
    assert visible("a\x1b[2J\r\x00b") == "a\u241b[2J\u240d\u2400b"
    assert visible("\t\n") == "\t\n"
    assert visible("ü 漢 \u200f \u05d0") == "ü 漢 \u200f \u05d0"


def test_overrides_of_direction_are_named() -> None:
    assert visible("a\u202eb\u2066c") == "a[U+202E]b[U+2066]c"


@pytest.mark.parametrize("code", [*range(0x20), 0x7F, *range(0x80, 0xA0), 0xD800, 0xDFFF, 0xFFFF])
def test_nothing_is_sent_that_a_terminal_obeys(code: int) -> None:
    shown = visible(chr(code))
    shown.encode()
    if chr(code) not in "\t\n":
        assert all(unicodedata.category(each) not in ("Cc", "Cs", "Cn") for each in shown)


def test_any_object_is_text() -> None:
    assert visible(3) == "3"


def test_json_says_the_same_with_no_such_character() -> None:
    line = json_line({"text": HOSTILE, "ü": 1})
    assert json.loads(line) == {"text": HOSTILE, "ü": 1}
    assert visible(line) == line
    assert '"ü"' in line
