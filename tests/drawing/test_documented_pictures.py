"""The pictures in docs/ say what the code beside them draws, whatever Matplotlib draws it with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

DOCS = Path(__file__).parents[2] / "docs"


def words(path: Path) -> list[str]:
    return sorted(re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text()))


def test_pictures_are_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (DOCS / "drawing.md").read_text()
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    scope: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page, flags=re.M | re.S):
        exec(block, scope)
    shown = re.findall(r"!\[[^\]]+\]\(pictures/([^)]+)\)", page)
    assert sorted(shown) == sorted(path.name for path in (DOCS / "pictures").iterdir())
    for name in shown:
        assert words(tmp_path / name) == words(DOCS / "pictures" / name), f"draw {name} anew"
