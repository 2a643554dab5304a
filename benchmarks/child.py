"""A function of the benchmarks in a fresh Python process, with a limit of time."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[1]


class Failed(Exception):
    """The process ended with an error: its last words."""


class Stopped(Exception):
    """The process did not end within the limit."""


def call(function: Callable[..., Any], *arguments: Any, limit: float = 300.0, **env: str) -> Any:
    """What a function of a module gives for these arguments in a new process, by way of JSON.

    It has as many threads as this one, and these variables in its environment. Raises `Stopped`
    after `limit` seconds, when the process and all that it started have been ended; `Failed`.
    """
    target = f"{function.__module__}:{function.__qualname__}"
    env = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), **env}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.child", target, json.dumps(arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=env,
        start_new_session=True,
    )
    try:
        said, errors = process.communicate(timeout=limit)
    except BaseException as stop:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(stop, subprocess.TimeoutExpired):
            raise Stopped(f"not done after {limit:.0f} s") from None
        raise
    if process.returncode:
        raise Failed(errors.strip().splitlines()[-1] if errors.strip() else "no message")
    return json.loads(said.splitlines()[-1])


def main() -> None:
    module, name = sys.argv[1].split(":")
    function = getattr(importlib.import_module(module), name)
    print(json.dumps(function(*json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main()
