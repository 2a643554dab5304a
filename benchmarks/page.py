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
here is typed: they lie in `benchmarks/results/`, and `benchmarks/__init__.py` says how to add some.
"""


@dataclass(frozen=True)
class Places:
    """Where results and the page are kept."""

    results: Path = ROOT / "benchmarks" / "results"
    page: Path = ROOT / "docs" / "benchmarks.md"

    def result(self, part: Part) -> Path:
        """The file of a part's results."""
        return self.results / f"{part.name}.json"

    def picture(self, part: Part) -> Path:
        """The file of a part's picture."""
        return self.page.parent / "pictures" / f"{part.name}.svg"


def keep(places: Places, part: Part, rows: list[Row], seconds: float) -> None:
    """Write down what a part has measured, and on what."""
    found = {"environment": environment.describe(), "seconds": round(seconds), "rows": rows}
    places.results.mkdir(parents=True, exist_ok=True)
    places.result(part).write_text(json.dumps(rounded(found), indent=1) + "\n")


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
    for part, found in known(places, parts):
        if part.draw is not None:
            part.draw(found["rows"], places.picture(part))
    places.page.write_text(text(places, parts))


def text(places: Places, parts: tuple[Part, ...]) -> str:
    """The page."""
    results = known(places, parts)
    machines = list(dict.fromkeys(found["environment"] for _, found in results))
    seconds = sum(found["seconds"] for _, found in results)
    lines = [HEAD]
    lines += [f"{len(results)} parts, measured in {seconds / 60:.0f} min.", ""]
    lines += [f"{machine}.\n" for machine in machines[:1]]
    for part, found in results:
        lines += [f"## {part.title}", "", part.about, ""]
        if found["environment"] != machines[0]:
            lines += [f"Measured on {found['environment']}.", ""]
        lines += part.show(found["rows"])
        if part.draw is not None:
            picture = places.picture(part).relative_to(places.page.parent)
            lines += [f"![{part.title.replace('`', '')}]({picture.as_posix()})", ""]
    return "\n".join(lines).rstrip() + "\n"


def known(places: Places, parts: tuple[Part, ...]) -> list[tuple[Part, dict[str, Any]]]:
    """Parts that have results, with these."""
    return [
        (part, json.loads(places.result(part).read_text()))
        for part in parts
        if places.result(part).exists()
    ]
