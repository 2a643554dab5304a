"""Benchmarks do not rot: every part runs at its smallest size, and the page is made of results.

Nothing here looks at how fast anything is.
"""

from __future__ import annotations

import gc
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import ostinato
from benchmarks import child, environment, page
from benchmarks.cells import CELLS
from benchmarks.contestants import LAYERS, Layer, check_agreement, loop
from benchmarks.markdown import mean_and_worst, milliseconds, table, times
from benchmarks.part import Part
from benchmarks.parts import PARTS
from benchmarks.race import QUICK, Race, race

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> page.Places:
    """Where the command line has left a try of everything, run in a process of its own.

    JAX, where it is installed, must not come into this one: it warns of every fork.
    """
    folder = tmp_path_factory.mktemp("benchmarks")
    command = [sys.executable, "-m", "benchmarks", "--quick", "--folder", str(folder)]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return page.Places(folder / "results", folder / "benchmarks.md")


def numbers(value: Any) -> Iterator[float]:
    """All numbers in a tree."""
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from numbers(one)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_every_part_runs(part: Part, tried: page.Places) -> None:
    found = json.loads(tried.result(part).read_text())
    assert torch.__version__ in found["environment"]
    assert found["environment"].endswith("threads: 1")
    measured = list(numbers(found["rows"]))
    assert measured
    assert all(map(math.isfinite, measured))
    written = tried.page.read_text()
    assert f"## {part.title}\n\n{part.about}\n" in written
    assert "\n".join(part.show(found["rows"])).rstrip() in written
    assert tried.picture(part).exists() == (part.draw is not None)


def test_pictures_are_the_same_for_the_same_numbers(tried: page.Places) -> None:
    drawn = {part: tried.picture(part).read_bytes() for part in PARTS if part.draw}
    page.write(tried, PARTS)
    assert drawn == {part: tried.picture(part).read_bytes() for part in drawn}


def test_the_page_of_the_docs_is_made_of_the_results() -> None:
    places = page.Places()
    if not page.known(places, PARTS):
        pytest.skip("no results are kept: python -m benchmarks writes them")
    assert places.page.read_text() == page.text(places, PARTS)
    for one in page.known(places, PARTS):
        assert places.picture(one.part, one.kind).exists() == (one.part.draw is not None)


def test_each_kind_of_cpu_has_a_table_of_its_own(tmp_path: Path) -> None:
    part = Part(
        "some", "Some", "About.", lambda effort: [], lambda rows: [f"| {rows[0]['x']} |", ""]
    )
    places = page.Places(tmp_path / "results", tmp_path / "page.md")
    for kind, number in (("amd", 1), ("intel", 2)):
        place = places.result(part, kind)
        place.parent.mkdir(parents=True)
        found = {"environment": f"a CPU of {kind}", "seconds": 3, "rows": [{"x": number}]}
        place.write_text(json.dumps(found))
    text = page.text(places, (part,))
    assert text.index("a CPU of amd") < text.index("| 1 |") < text.index("a CPU of intel")
    assert text.index("a CPU of intel") < text.index("| 2 |")
    assert text.count("## Some") == 1


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Intel(R) Xeon(R) Processor avx512f", "intel-xeon-avx512f"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz avx512f", "intel-xeon-avx512f"),
        ("AMD EPYC avx512f", "amd-epyc-avx512f"),
    ],
)
def test_a_kind_of_cpu_is_a_folder(monkeypatch: pytest.MonkeyPatch, name: str, wanted: str) -> None:
    monkeypatch.setattr(environment, "processor", lambda: name)
    assert environment.kind() == wanted


def test_every_part_of_a_file_is_in_the_list() -> None:
    names = [part.name for part in PARTS]
    assert len(set(names)) == len(names)
    sources = [path for path in (ROOT / "benchmarks").glob("*.py") if path.name != "part.py"]
    written = sum(path.read_text().count("= Part(\n") for path in sources)
    assert written == len(PARTS)


@pytest.mark.parametrize("name", CELLS)
def test_cells_run_in_a_loop_and_are_taken_by_the_compiler(name: str) -> None:
    cell, xs = CELLS[name](3, 4).eval(), torch.randn(2, 5, 3)
    torch.testing.assert_close(loop(cell, xs), ostinato.unroll(cell, xs, backend="eager")[0])
    assert ostinato.explain(cell, xs, backend="fused").segments[-1].backend == "fused"


@pytest.mark.parametrize("name", LAYERS)
def test_contestants_agree_and_others_are_found_out(name: str) -> None:
    layer = Layer(name, (3, 2, 4, 5))
    works = layer.training(("nn", "torch", "loop"))
    assert list(works) == ["nn", "torch", "loop"]
    check_agreement(works, 1e-5)
    with torch.no_grad():
        layer.cell.weight_hh.add_(0.1)
    with pytest.raises(AssertionError, match="loop against nn"):
        check_agreement(works, 1e-5)


def test_a_race_takes_turns_and_leaves_the_garbage_collector_on() -> None:
    seen: list[str] = []
    found = race({name: lambda name=name: seen.append(name) for name in "abc"}, QUICK)
    # unmeasured, then once to see how long it takes, then two rounds, each turn with a warm-up
    assert "".join(seen) == "abcabc" + "aabbcc" + "bbccaa"
    assert all(len(found.times[name]) == 2 for name in "abc")
    assert gc.isenabled()


def test_ratios_are_of_turns_and_not_of_medians() -> None:
    found = Race({"ours": [1.0, 2.0, 4.0], "peer": [3.0, 4.0, 4.0]})
    assert found.ratio("ours", "peer") == [1.5, 2.0, 2.5]
    assert found.seconds("ours") == 2.0
    assert found.longest("ours") == 4.0


def test_figures_as_text() -> None:
    assert times([1.0, 1.25, 1.5]) == "1.25x (1.00 to 1.50)"
    assert times(None) == "-"
    assert mean_and_worst([[0, 2.0, 9], None, [0, 8.0, 9]]) == "4.00x, 2.00x"
    assert milliseconds(0.00123456) == "1.23"
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |", ""]


def test_a_process_that_takes_too_long_is_ended() -> None:
    start = time.perf_counter()
    with pytest.raises(child.Stopped, match="not done after 1 s"):
        child.call(time.sleep, 100, limit=1.0)
    assert time.perf_counter() - start < 50


def test_a_process_gives_its_result_or_its_last_words() -> None:
    assert child.call(math.hypot, 3, 4) == 5.0
    with pytest.raises(child.Failed, match="ValueError"):
        child.call(math.sqrt, -1)
