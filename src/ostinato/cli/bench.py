"""``ostinato bench [PART...]``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

import ostinato
from ostinato.errors import ArgumentError

ROOT = Path(ostinato.__file__).parents[2]
"""The root of the source tree, where this is one."""


def bench(context: typer.Context) -> None:
    """Measure the speed of this machine: layers, cells, lengths, streaming, memory, ...

    Arguments go to the benchmark harness, python -m benchmarks; --help of that lists its parts, and
    --quick tries each once. It needs the source tree of ostinato.
    """
    if not (ROOT / "benchmarks" / "__main__.py").is_file():
        raise ArgumentError(
            "bench",
            wanted="the source tree of ostinato, which has the benchmarks",
            got=f"an installation at {Path(ostinato.__file__).parent}",
            remedy="In a clone of the repository: pip install -e '.[bench]'",
        )
    command = [sys.executable, "-m", "benchmarks", *context.args]
    raise typer.Exit(subprocess.run(command, cwd=ROOT, check=False).returncode)
