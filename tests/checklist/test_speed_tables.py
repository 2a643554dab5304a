"""Row 108 of the checklist: the old timings are tables of docs/benchmarks.md.

Where a layer runs faster than a processor alone, on a GPU, could not be measured: there was none.
"""

import json
from pathlib import Path

import pytest

from benchmarks.page import Places
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
    rows = json.loads(places.result(part).read_text())["rows"]
    for row in rows:
        for path in ASKED[name]:
            found = row
            for key in path.split("."):
                found = found[key]
            assert all(value > 0 for value in (found if isinstance(found, list) else [found]))
    assert "\n".join(part.show(rows)).rstrip() in Path(places.page).read_text()


def test_row_108_sizes_from_a_step_to_a_long_sequence() -> None:
    places = Places()
    rows = json.loads(places.result(PARTS_BY_NAME["layers"]).read_text())["rows"]
    for layer in ("LSTM", "GRU", "RNN"):
        sizes = [row["size"] for row in rows if row["layer"] == layer]
        assert len(sizes) == 11
        assert min(size[3] for size in sizes) <= 26
        assert max(size[3] for size in sizes) >= 512
