"""What the program sets in its own process before torch is loaded; a library must not.

Torch's threads wait for each other after every small operation, by spinning for some milliseconds:
quick on idle cores, and a waste of the other threads' time on busy ones, where two threads then
train several times slower than one. The program lets them spin for microseconds, after which they
sleep. Who has said in the environment how threads wait, is left alone.
"""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from pathlib import Path

SPINS = "1000"
"""Turns of a waiting thread of OpenMP's: about two microseconds. More is up to a fifth faster on
idle cores, and slower than one thread on busy ones."""
SAID = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")


def is_program() -> bool:
    """Whether this process is ``ostinato`` or ``python -m ostinato``, no program of others."""
    if Path(sys.argv[0] if sys.argv else "").stem == "ostinato":
        return True
    words = sys.orig_argv
    return any(pair == ("-m", "ostinato") for pair in pairwise(words))


def set_waiting() -> None:
    """Say how threads wait, where nobody has."""
    if is_program() and "torch" not in sys.modules and not any(name in os.environ for name in SAID):
        os.environ["GOMP_SPINCOUNT"] = SPINS


set_waiting()
