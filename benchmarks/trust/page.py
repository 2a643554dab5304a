"""The tallies on the disk, and the page that is made of them and of nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.markdown import table
from benchmarks.page import ROOT
from benchmarks.trust.check import GOOD, Check, Tally

RESULTS = ROOT / "benchmarks" / "trust" / "results"
PAGE = ROOT / "docs" / "trust.md"
HEAD = """\
# Trust

Written by `python -m benchmarks trust`. Each check tries cases and looks at how they end: with the
same numbers, to the last bit; *noticed*, which is an error or a note in words; *harmless*, without
any effect; or *refused*, before anything is done. Anything else is a fault and stands in words
under its table. A short version of each check runs with the tests. No figure here is typed: they
lie in `benchmarks/trust/results/`.
"""


def keep(check: Check, tally: Tally, seconds: float, results: Path = RESULTS) -> None:
    """Write down what a check has found."""
    results.mkdir(parents=True, exist_ok=True)
    found = {
        "environment": environment.describe(),
        "seconds": round(seconds),
        **tally.as_dict(),
    }
    (results / f"{check.name}.json").write_text(json.dumps(found, indent=1) + "\n")


def known(checks: Sequence[Check], results: Path = RESULTS) -> list[tuple[Check, dict[str, Any]]]:
    """The checks that have results, with these."""
    paths = [(check, results / f"{check.name}.json") for check in checks]
    return [(check, json.loads(path.read_text())) for check, path in paths if path.exists()]


def text(checks: Sequence[Check], results: Path = RESULTS) -> str:
    """The page."""
    lines = [HEAD]
    found = known(checks, results)
    machines = list(dict.fromkeys(each["environment"] for _, each in found))
    lines += [f"{machine}.\n" for machine in machines[:1]]
    for check, each in found:
        tally, minutes = Tally.from_dict(each), each["seconds"] / 60
        lines += [f"## {check.title}", "", check.about, ""]
        if each["environment"] != machines[0]:
            lines += [f"On {each['environment']}.", ""]
        lines += [f"{tally.tried:,} of {check.times:,} cases in {minutes:,.0f} min; faults: "]
        lines[-1] += f"{tally.wrong:,}."
        lines += ["", *counted(tally)]
        lines += [f"- {fault.case}: {fault.end}. {fault.words}" for fault in tally.faults]
        lines += [""] if tally.faults else []
    return "\n".join(lines).rstrip() + "\n"


def counted(tally: Tally) -> list[str]:
    """A table of how often each kind of case ended how."""
    ends = [end for end in GOOD if any(each[end] for each in tally.counts.values())]
    rows = (
        [case, f"{sum(each.values()):,}", *(f"{each[end]:,}" for end in ends)]
        for case, each in sorted(tally.counts.items())
    )
    return table(["case", "tried", *ends], rows)
