"""Training processes that are killed at random moments, and what they have come to in the end."""

from __future__ import annotations

import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.trust.check import Check, Outcome
from benchmarks.trust.program import TASKS, call, left, same, train, working_in

# Long enough for a kill in the middle, and with a checkpoint every few steps.
STEPS = 160
# Kills of one run, at most, and seconds of its training.
_KILLS = 3
# Seconds between looks for a file that is being written.
_LOOK = 0.0002


def kills(times: int, chance: random.Random) -> Iterator[Outcome]:
    """Runs that are killed and resumed until they end, beside one that was never disturbed."""
    folder = Path(tempfile.mkdtemp(prefix="ostinato-trust-"))
    try:
        with working_in(folder):
            _load()
            tasks = list(TASKS)[: max(1, min(len(TASKS), times))]
            whole, seconds = {}, {}
            for task in tasks:
                began = time.monotonic()
                run = Path(f"whole-{task}")
                _wait(_start(task, run))
                seconds[task] = time.monotonic() - began
                whole[task] = left(run)
            done, number = 0, 0
            while done < times:
                task = tasks[number % len(tasks)]
                number += 1
                for outcome in _one(task, whole[task], seconds[task], chance):
                    done += 1
                    yield outcome
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _one(task: str, whole: object, seconds: float, chance: random.Random) -> Iterator[Outcome]:
    """One run, killed a few times; an outcome for each kill, all of them those of the end."""
    run = Path("killed")
    shutil.rmtree(run, ignore_errors=True)
    cases: list[str] = []
    for _ in range(chance.randint(1, _KILLS)):
        writing = chance.random() < 0.4
        process = _start(task, run)
        if writing:
            _wait_for_partial(run, process)
        else:
            time.sleep(chance.uniform(0.0, seconds))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):  # it had come to its end before
            break
        during = "while a file is written" if writing else "at any moment"
        cases.append(f"{task}, killed {during}")
        if not (run / "config.json").exists():  # nothing was begun yet
            shutil.rmtree(run, ignore_errors=True)
    _wait(_start(task, run))
    try:
        fits, leftover = same(left(run), whole), list(run.rglob("*.partial"))
    except Exception as error:
        end, words = "did not go on", f"{task}: {error}"
    else:
        end = "the same" if fits and not leftover else "other numbers" if not fits else "left over"
        words = f"{task}: {leftover}"
    for case in cases:
        yield Outcome(case, end, "" if end == "the same" else words)


def _load() -> None:
    for name in ("torch._dynamo", "matplotlib.figure", "tokenizers", "polars", "ostinato.cli.app"):
        importlib.import_module(name)


def _start(task: str, run: Path) -> int:
    """A process that trains a run, from the start or from where it is.

    A fork, so that it is at work at once; this process has computed nothing, as threads that do
    would be missing there.
    """
    process = os.fork()
    if process:
        return process
    try:
        _quiet()
        if (run / "config.json").exists() and any((run / "checkpoints").glob("step-*")):
            call("train", "--resume", run)
        else:
            shutil.rmtree(run, ignore_errors=True)
            train(task, STEPS, run)
    finally:
        os._exit(0)


def _wait(process: int) -> None:
    os.waitpid(process, 0)


def _wait_for_partial(run: Path, process: int) -> None:
    """Until the process writes a checkpoint, under the name that it has before it is whole."""
    folder = run / "checkpoints"
    while not _is_writing(folder):
        found, _ = os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) or (0, 0), 0
        if found != (0, 0):
            return
        time.sleep(_LOOK)


def _is_writing(folder: Path) -> bool:
    try:
        return any(name.endswith(".partial") for name in os.listdir(folder))
    except OSError:
        return False


def _quiet() -> None:
    nothing = open(os.devnull, "w")  # noqa: SIM115, for the rest of the process
    sys.stdout = sys.stderr = nothing


KILLS = Check(
    "kills",
    "Killed at a random moment",
    f"Trainings of {STEPS} steps with a checkpoint every fourth are killed (SIGKILL), resumed, "
    "killed again and resumed to their end; four in ten kills come while a checkpoint is being "
    "written. Weights, optimiser, random states, metrics, samples and figures have to be those of "
    "a run that was never disturbed, to the last bit, and no half-written file may be left. The "
    "processes are forks of one that has loaded everything, so that kills find them at work.",
    100,
    2,
    kills,
)
