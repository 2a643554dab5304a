"""Random cells: 2,000 after every pass by the interpreter, 150 compiled, in all ways of a call.

By hand, any number: ``python tests/backends/fused/random_run.py 0 50000``.
"""

from __future__ import annotations

from collections import Counter

import pytest
from random_checks import check_compiled, check_passes, draw_way
from random_lines import draw_cell

PASSES, COMPILED, PIECE = 2000, 150, 50
ACCEPTED = 0.9
"""Of the cells at least; the others have operations that the compiler does not know."""


def refusals(found: list[str | None]) -> Counter[str]:
    """Why cells were refused, without the places in their text."""
    return Counter(said.split(", at ")[0] for said in found if said is not None)


@pytest.mark.parametrize("first", range(0, PASSES, PIECE))
def test_forms_after_every_pass(first: int) -> None:
    found = [check_passes(draw_cell(seed)) for seed in range(first, first + PIECE)]
    assert found.count(None) >= ACCEPTED * PIECE, refusals(found)


@pytest.mark.parametrize("first", range(0, COMPILED, 10))
def test_compiled(first: int) -> None:
    seeds = range(100_000 + first, 100_000 + first + 10)
    found = [check_compiled(draw_cell(seed), draw_way(seed)) for seed in seeds]
    assert found.count(None) >= 7, refusals(found)
    assert not any("other numbers" in said for said in found if said), refusals(found)
