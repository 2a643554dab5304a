"""What a model said on the way, and says now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ostinato.report.markup import element, lines, section

# Earlier samples that are shown, and characters of each; characters of the last.
_EARLIER, _BRIEF, _LONG = 5, 1200, 20_000
_HEAD = re.compile(r"^----- step ([0-9]{1,15}) -----\n", flags=re.M)


def read_samples(path: Path) -> list[tuple[int, str]]:
    """The samples of a run by their steps, as its journal wrote them."""
    if not path.is_file():
        return []
    _, *parts = _HEAD.split(path.read_text(encoding="utf-8", errors="replace"))
    return [(int(step), said.strip("\n")) for step, said in zip(*[iter(parts)] * 2, strict=True)]


def show_samples(rest: str, samples: Sequence[tuple[int, str]]) -> str:
    """What the model says now (``rest``, else the last sample), and a few earlier samples."""
    if not rest and samples:
        (step, rest), samples = samples[-1], samples[:-1]
        shown = element("h3", f"at step {step:,}") + _written(rest, _LONG)
    else:
        shown = _written(rest, _LONG)
        # a sample of the final weights is in the conclusion already
        samples = [each for each in samples if each[1].strip() not in rest]
    return section("What it says", shown, _earlier(samples))


def _earlier(samples: Sequence[tuple[int, str]]) -> str:
    if not samples:
        return ""
    last = len(samples) - 1
    places = sorted({round(k * last / max(1, _EARLIER - 1)) for k in range(_EARLIER)})
    parts = [
        element("h3", f"at step {samples[place][0]:,}") + _written(samples[place][1], _BRIEF)
        for place in places
    ]
    return element("details", element("summary", "How it began"), *parts)


def _written(words: str, most: int) -> str:
    cut = words if len(words) <= most else f"{words[:most]} …"
    return lines(cut)
