"""Text that may hold anything, made fit to be shown: what would steer the reader is a sign.

A terminal obeys control characters, and both terminals and browsers let a few characters turn the
direction of what follows, so that a name reads as another. Texts from files and models may hold
them; what is shown of such texts goes through `visible`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

_DIRECTIONS: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Embeddings, overrides and isolates of the Unicode bidirectional algorithm (UAX 9)."""

SIGNS: Final[dict[int, int | str]] = {
    # U+2400 on are the pictures of control characters
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    **{code: f"[U+{code:04X}]" for code in _DIRECTIONS},
    **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD),
    **dict.fromkeys((0xFFFE, 0xFFFF), 0xFFFD),
}
"""What stands for each such character."""

_UNSAFE_IN_JSON = re.compile(f"[{''.join(map(chr, SIGNS.keys() - set(range(0x20))))}]")


def visible(value: object) -> str:
    """Anything as text without control characters but tabs and line ends; those become signs."""
    return str(value).translate(SIGNS)


def json_line(value: Any) -> str:
    """A value as JSON on one line, the letters as they are, what `visible` would change as \\u."""
    text = json.dumps(value, ensure_ascii=False)
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
