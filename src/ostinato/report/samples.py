"""What a model said on the way and says now, and which label it gave for which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ostinato.report.markup import element, lines, section, text
from ostinato.tasks.supervised import tell_confusion

# Earlier samples that are shown, and characters of each; characters of the last.
_EARLIER, _BRIEF, _LONG = 5, 1200, 20_000
# Labels of a confusion table that can be read; the task's own words tell of more.
_LABELS = 30
_HEAD = re.compile(r"^----- step ([0-9]{1,15}) -----\n", flags=re.M)


def read_samples(path: Path) -> list[tuple[int, str]]:
    """The samples of a run by their steps, as its journal wrote them."""
    if not path.is_file():
        return []
    _, *parts = _HEAD.split(path.read_text(encoding="utf-8", errors="replace"))
    return [(int(step), said.strip("\n")) for step, said in zip(*[iter(parts)] * 2, strict=True)]


def parts_of(said: str) -> tuple[list[str], str, str]:
    """Of a conclusion, the lines of the first paragraph; what it announces with a colon, as tables
    of figures; and else what comes after it, which the model says."""
    first, _, rest = said.strip("\n").partition("\n\n")
    rest = rest.strip("\n")
    return (first.splitlines(), rest, "") if first.endswith(":") else (first.splitlines(), "", rest)


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


def without_confusion(rest: str, figures: Any) -> str:
    """A conclusion without the confusion matrix in words, where a table shows it."""
    if not has_confusion(figures):
        return rest
    matrix, labels = torch.tensor(figures["confusion"]), tuple(figures["labels"])
    return rest.replace(tell_confusion(matrix, labels), "").strip("\n")


def has_confusion(figures: Any) -> bool:
    """Whether there is a confusion matrix that fits a page."""
    return "confusion" in figures and 0 < len(figures.get("labels", ())) <= _LABELS


def show_confusion(figures: Any) -> str:
    """A table with a row for each true label, shaded by the row's shares."""
    if not has_confusion(figures):
        return ""
    labels, matrix = figures["labels"], figures["confusion"]
    head = element("tr", element("td"), *(_label(label, "col") for label in labels))
    rows = [
        element("tr", _label(label, "row"), *_cells(place, row))
        for place, (label, row) in enumerate(zip(labels, matrix, strict=True))
    ]
    table = element("table", element("thead", head), element("tbody", *rows), class_="confusion")
    box = element("div", table, class_="scroll", tabindex=0, role="group", aria_label="table")
    caption = element(
        "figcaption",
        "A row for each true label, a column for each that the model gave: right ones in blue, "
        "mistakes in orange, each by its share of the row.",
    )
    return section("Which label it gave", element("figure", box, caption))


def _label(label: str, scope: str) -> str:
    return element("th", element("bdi", text(label)), scope=scope)


def _cells(place: int, row: Sequence[int]) -> list[str]:
    total = max(1, sum(row))
    return [
        element(
            "td",
            text(f"{count:,}"),
            class_="right" if other == place else "none" if not count else None,
            style=f"--share:{count / total:.2f}" if count else None,
        )
        for other, count in enumerate(row)
    ]
