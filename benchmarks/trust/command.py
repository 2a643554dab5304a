"""The command line: ``python -m benchmarks trust [--quick] [--page] [--minutes M] [CHECK...]``."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.trust import page
from benchmarks.trust.check import Check, Tally
from benchmarks.trust.checks import CHECKS

# Seconds between words on how far a check has come.
_PATIENCE = 20.0


class Stopped(Exception):
    """The user or the system wants an end."""


def main(arguments: Sequence[str]) -> None:
    """Run the checks that are asked for, and write the page anew after each."""
    names = [check.name for check in CHECKS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks trust")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"of {', '.join(names)}; or all")
    parser.add_argument("--quick", action="store_true", help="a few cases each, keep nothing")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--minutes", type=float, help="stop each check after so long")
    parser.add_argument("--times", type=int, help="cases of each check, in place of its own")
    parser.add_argument("--seed", type=int, default=0, help="of the cases")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.checks) - set(names):
        parser.error(f"no such check: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, _stop)
    wanted = [check for check in CHECKS if check.name in (chosen.checks or names)]
    wrong = 0
    for check in () if chosen.page else wanted:
        print(f"## {check.title}", flush=True)
        start = time.monotonic()
        tally, stopped = run(check, chosen)
        wrong += tally.wrong
        print("\n".join(page.counted(tally)), flush=True)
        for fault in tally.faults:
            print(f"FAULT: {fault}", flush=True)
        if not chosen.quick:
            page.keep(check, tally, time.monotonic() - start)
            page.PAGE.write_text(page.text(CHECKS))
        if stopped:
            break
    if not chosen.quick:
        page.PAGE.write_text(page.text(CHECKS))
    sys.exit(min(wrong, 1))


def run(check: Check, chosen: argparse.Namespace) -> tuple[Tally, bool]:
    """Try the cases of a check; whether it was stopped from outside."""
    times = chosen.times or (check.quick if chosen.quick else check.times)
    start = told = time.monotonic()
    tally = Tally()
    cases = check.run(times, random.Random(chosen.seed))
    try:
        for outcome in cases:
            tally.add(outcome)
            now = time.monotonic()
            if now - told > _PATIENCE:
                told = now
                print(
                    f"{check.name}: {tally.tried:,} of {times:,} in {now - start:,.0f} s, faults: "
                    f"{tally.wrong}",
                    flush=True,
                )
            if chosen.minutes and now - start > 60 * chosen.minutes:
                break
    except (KeyboardInterrupt, Stopped):
        return tally, True
    finally:
        cases.close()  # pyright: ignore[reportAttributeAccessIssue], a generator
    return tally, False


def _stop(number: int, frame: Any) -> None:
    raise Stopped
