"""The checks of `python -m benchmarks trust`, a few cases of each; the page is made of results."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.trust import page
from benchmarks.trust.check import Outcome, Tally
from benchmarks.trust.checks import CHECKS

ROOT = Path(__file__).parents[1]


# in processes of their own, as kills are forks of one that has computed nothing
@pytest.mark.parametrize("name", [check.name for check in CHECKS])
def test_a_few_cases_of_each_check(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "trust", "--quick", name],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAULT" not in done.stdout
    assert "| case | tried |" in done.stdout


def test_a_tally_counts_and_keeps_the_words_of_faults() -> None:
    tally = Tally()
    for end in ("the same", "noticed", "noticed", "raised"):
        tally.add(Outcome("a case", end, "words"))
    assert (tally.tried, tally.wrong) == (4, 1)
    again = Tally.from_dict(tally.as_dict())
    assert again.counts == {"a case": Counter({"noticed": 2, "the same": 1, "raised": 1})}
    assert again.faults == [Outcome("a case", "raised", "words")]


def test_the_page_of_the_docs_is_made_of_the_results() -> None:
    if not page.known(CHECKS):
        pytest.skip("no results are kept: python -m benchmarks trust writes them")
    assert page.PAGE.read_text() == page.text(CHECKS)


def test_every_check_of_a_file_is_in_the_list() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    sources = (ROOT / "benchmarks" / "trust").glob("*.py")
    written = sum(path.read_text().count("= Check(\n") for path in sources)
    assert written == len(CHECKS)
