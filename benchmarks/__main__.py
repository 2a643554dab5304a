"""The command line: ``python -m benchmarks [--quick] [--page] [--folder DIR] [PART...]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import page
from benchmarks.parts import PARTS
from benchmarks.race import QUICK, Effort


def main() -> None:
    """Measure the parts that are asked for, and write the page anew after each."""
    if sys.argv[1:2] == ["trust"]:
        from benchmarks.trust.command import main as trust

        trust(sys.argv[2:])
        return
    chosen = arguments()
    wanted = [part for part in PARTS if part.name in (chosen.parts or [p.name for p in PARTS])]
    with tempfile.TemporaryDirectory() as passing:
        folder = chosen.folder or (Path(passing) if chosen.quick else None)
        places = page.Places()
        if folder is not None:
            places = page.Places(folder / "results", folder / "benchmarks.md")
        for part in () if chosen.page else wanted:
            print(f"## {part.title}\n", flush=True)
            start = time.perf_counter()
            rows = part.measure(QUICK if chosen.quick else Effort())
            seconds = time.perf_counter() - start
            page.keep(places, part, rows, seconds)
            page.write(places, PARTS)
            print("\n".join(part.show(rows)), f"{part.name}: {seconds:.0f} s\n", sep="\n")
        page.write(places, PARTS)


def arguments() -> argparse.Namespace:
    """What was asked."""
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(names)}; or all")
    parser.add_argument("--quick", action="store_true", help="try each once, keep nothing")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--folder", type=Path, help="for results and page, not the repository's")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(names):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return chosen


if __name__ == "__main__":
    main()
