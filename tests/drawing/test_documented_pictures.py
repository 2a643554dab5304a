"""The pictures in docs/ say what the code beside them draws, whatever Matplotlib draws it with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

DOCS = Path(__file__).parents[2] / "docs"


def words(path: Path) -> list[str]:
    return sorted(re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text()))


def shown(page: Path) -> list[str]:
    return re.findall(r"!\[[^\]]+\]\(pictures/([^)]+)\)", page.read_text())


PAGES = [page for page in sorted(DOCS.glob("*.md")) if shown(page)]
# pictures of a training, of measurements, and photographs of a page
SHOT = ("attention.md", "benchmarks.md", "training.md")
DRAWN = [page for page in PAGES if page.name not in SHOT]


@pytest.mark.parametrize("page", DRAWN, ids=lambda page: page.name)
def test_pictures_are_up_to_date(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    scope: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.M | re.S):
        exec(block, scope)
    for name in shown(page):
        assert words(tmp_path / name) == words(DOCS / "pictures" / name), f"draw {name} anew"


def test_every_picture_is_shown() -> None:
    there = {path.name for path in (DOCS / "pictures").iterdir()}
    assert there == {name for page in PAGES for name in shown(page)}
