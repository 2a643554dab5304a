"""Results on the disk, and the page that is made of them and of nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.part import Part, Row

ROOT = Path(__file__).parents[1]
HEAD = """\
# Benchmarks

Written by `python -m benchmarks`. Contestants work in turn, in one process unless it says
otherwise; "1.50x (1.45 to 1.55)" is the median of how many times faster ours is, turn by turn, and
the middle half of it, which shows the noise of the machine. Above 1, ours is faster. No figure
here is typed: they lie in `benchmarks/results/`, in a folder for each kind of CPU, and
`benchmarks/__init__.py` says how to add some. Every table says what it was measured on: what holds
on one CPU need not hold on another, whose products and caches are others.
"""


@dataclass(frozen=True)
class Places:
    """Where results and the page are kept."""

    results: Path = ROOT / "benchmarks" / "results"
    page: Path = ROOT / "docs" / "benchmarks.md"

    def result(self, part: Part, kind: str | None = None) -> Path:
        """The file of a part's results on a kind of CPU, by default this one."""
        return self.results / (kind or environment.kind()) / f"{part.name}.json"

    def picture(self, part: Part, kind: str | None = None) -> Path:
        """The file of a part's picture."""
        return self.page.parent / "pictures" / f"{part.name}-{kind or environment.kind()}.svg"


@dataclass(frozen=True)
class Measured:
    """What a part has found on one kind of CPU."""

    part: Part
    kind: str
    environment: str
    seconds: int
    rows: list[Row]


def keep(places: Places, part: Part, rows: list[Row], seconds: float) -> None:
    """Write down what a part has measured, and on what."""
    found = {"environment": environment.describe(), "seconds": round(seconds), "rows": rows}
    path = places.result(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rounded(found), indent=1) + "\n")


def rounded(value: Any) -> Any:
    """Four digits are more than any machine repeats."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, (list, tuple)) else value


def write(places: Places, parts: tuple[Part, ...]) -> None:
    """The page and its pictures, from the results that there are."""
    places.page.parent.mkdir(parents=True, exist_ok=True)
    for one in known(places, parts):
        if one.part.draw is not None:
            one.part.draw(one.rows, places.picture(one.part, one.kind))
    places.page.write_text(text(places, parts))


def text(places: Places, parts: tuple[Part, ...]) -> str:
    """The page: the parts in order, each with a table for every kind of CPU."""
    lines = [HEAD]
    results = known(places, parts)
    for part in dict.fromkeys(one.part for one in results):
        lines += [f"## {part.title}", "", part.about, ""]
        for one in results:
            if one.part is part:
                lines += section(places, one)
    return "\n".join(lines).rstrip() + "\n"


def section(places: Places, one: Measured) -> list[str]:
    """A part on one kind of CPU."""
    lines = [f"**{one.environment}**, measured in {one.seconds} s:", "", *one.part.show(one.rows)]
    if one.part.draw is not None:
        picture = places.picture(one.part, one.kind).relative_to(places.page.parent)
        title = one.part.title.replace("`", "")
        lines += [f"![{title}, {one.kind}]({picture.as_posix()})", ""]
    return lines


def known(places: Places, parts: tuple[Part, ...]) -> list[Measured]:
    """What has been measured, part by part, of each on every kind of CPU."""
    kinds = sorted(path.name for path in places.results.glob("*") if path.is_dir())
    return [
        Measured(part, kind, **json.loads(places.result(part, kind).read_text()))
        for part in parts
        for kind in kinds
        if places.result(part, kind).exists()
    ]
