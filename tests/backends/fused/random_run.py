"""Random cells by the thousand, for by hand: what the tests do with a few.

python tests/backends/fused/random_run.py FIRST LAST [compiled]
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from functools import partial

import torch
from random_cells import Source, shrink
from random_checks import check_compiled, check_passes, draw_way
from random_lines import draw_cell


def check(source: Source, compiled: bool) -> str | None:
    """What a cell is refused for; raises where it is wrong."""
    said = check_compiled(source, draw_way(source.seed)) if compiled else check_passes(source)
    assert said is None or "other numbers" not in said, said
    return said


def fails(source: Source, compiled: bool) -> Exception | None:
    """How a cell is wrong, if it is."""
    try:
        check(source, compiled)
    except Exception as error:
        return error
    return None


def fails_as(kind: type, compiled: bool, source: Source) -> bool:
    """Whether a cell is wrong in this way."""
    return type(fails(source, compiled)) is kind


def main() -> None:
    """Try the cells of a range of seeds, and print those that are wrong, made small."""
    first, last = int(sys.argv[1]), int(sys.argv[2])
    compiled = "compiled" in sys.argv[3:]
    torch.set_num_threads(1)
    outcomes: Counter[str] = Counter()
    begun = time.perf_counter()
    for seed in range(first, last):
        source = draw_cell(seed)
        try:
            said = check(source, compiled)
            outcomes["right" if said is None else said.split(", at ")[0].split(" (")[0]] += 1
        except Exception as error:
            outcomes["WRONG"] += 1
            small = shrink(source, partial(fails_as, type(error), compiled))
            print(f"{small}\n--> {fails(small, compiled)!r}\n", flush=True)
    print(f"{time.perf_counter() - begun:.0f} s")
    for said, count in outcomes.most_common():
        print(f"{count:>7} {said}")


if __name__ == "__main__":
    main()
