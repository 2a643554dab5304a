"""Row 108 of the checklist: the old timings are tables of docs/benchmarks.md.

Where a layer runs faster than a processor alone, on a GPU, could not be measured: there was none.
"""

from pathlib import Path

import pytest

from benchmarks.page import Places, known
from benchmarks.parts import PARTS

PARTS_BY_NAME = {part.name: part for part in PARTS}
ASKED = {
    "layers": ("seconds.fused", "seconds.loop", "ratios.loop"),
    "masking": ("seconds.masked", "seconds.trimmed", "trimmed"),
    "cells": ("seconds.fused", "seconds.loop"),
    "streaming": ("seconds.ours", "seconds.torch"),
}
"""A whole sequence against its steps; rows masked and trimmed; a sweep of cells; single steps."""


@pytest.mark.parametrize("name", ASKED)
def test_row_108_tables_of_speed(name: str) -> None:
    part, places = PARTS_BY_NAME[name], Places()
    measured = known(places, (part,))
    assert measured, "on no CPU"
    for one in measured:
        for row in one.rows:
            for path in ASKED[name]:
                found = row
                for key in path.split("."):
                    found = found[key]
                assert all(value > 0 for value in (found if isinstance(found, list) else [found]))
        assert "\n".join(part.show(one.rows)).rstrip() in Path(places.page).read_text()


def test_row_108_sizes_from_a_step_to_a_long_sequence() -> None:
    for one in known(Places(), (PARTS_BY_NAME["layers"],)):
        for layer in ("LSTM", "GRU", "RNN"):
            sizes = [row["size"] for row in one.rows if row["layer"] == layer]
            assert len(sizes) == 11
            assert min(size[3] for size in sizes) <= 26
            assert max(size[3] for size in sizes) >= 512
