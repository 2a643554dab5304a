"""Several threads, forks, and processes of a launcher of which one is killed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

import ostinato
from benchmarks.cells import CELLS
from benchmarks.trust.check import Check, Outcome
from benchmarks.trust.program import SMALL, VERSE
from ostinato.train import Run

THREADS = 8
# Seconds in which the other process has to end, of the half minute that the launcher gives it.
LIMIT = 25.0
TRAINING = ["text", "verse.txt", *SMALL.split(), "--embedding", "4", "--batch-size", "4"]
TRAINING += ["--bptt", "5", "--dropout", "0", "--input-dropout", "0"]


class Work:
    """A forward and a backward of one cell on its own numbers, and what they give alone."""

    def __init__(self, chance: random.Random) -> None:
        self.name = chance.choice(sorted(CELLS))
        inputs, hidden = chance.randint(1, 9), chance.randint(1, 9)
        torch.manual_seed(chance.randrange(2**31))
        self.cell = CELLS[self.name](inputs, hidden).eval()
        self.xs = torch.randn(chance.randint(1, 12), chance.randint(1, 5), inputs)
        self.alone = self.run()

    def run(self) -> list[Tensor]:
        """ys and all gradients."""
        xs = self.xs.clone().requires_grad_()
        ys, _ = ostinato.unroll(self.cell, xs)
        assert isinstance(ys, Tensor)
        return [ys, *torch.autograd.grad(ys.square().sum(), [xs, *self.cell.parameters()])]

    def same(self) -> bool:
        """Whether it gives now what it gave alone."""
        return all(map(torch.equal, self.run(), self.alone))


def threads(times: int, chance: random.Random) -> Iterator[Outcome]:
    """Rounds of eight threads that all run cells at once, some of them the same cell."""
    done = 0
    while done < times:
        works = [Work(chance) for _ in range(THREADS // 2)] * 2
        ends: list[Outcome] = []

        def one(work: Work, ends: list[Outcome] = ends) -> None:
            try:
                good = all(work.same() for _ in range(20))
                ends.append(Outcome("a thread", "the same" if good else "other numbers", work.name))
            except BaseException as error:
                ends.append(Outcome("a thread", "raised", f"{work.name}: {error!r}"))

        running = [threading.Thread(target=one, args=(work,)) for work in works]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        done += len(ends)
        yield from ends


def forks(times: int, chance: random.Random) -> Iterator[Outcome]:
    """Children that are forked while threads run, and compute the same."""
    for _ in range(times):
        work, beside = Work(chance), Work(chance)
        stop = threading.Event()

        def spin(beside: Work = beside, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                beside.run()

        thread = threading.Thread(target=spin)
        thread.start()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # newer Pythons warn of forks beside threads
                child = os.fork()
            if child == 0:
                os._exit(0 if work.same() else 1)
            end = _ended(child, 60.0)
        finally:
            stop.set()
            thread.join()
        yield Outcome("a forked child", {0: "the same", 1: "other numbers"}.get(end, "hangs"))


def _ended(child: int, limit: float) -> int:
    """The exit code of a child; -1 where it had to be ended."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


def launched(times: int, chance: random.Random) -> Iterator[Outcome]:
    """Two processes under torchrun, one of which is killed; then both go on."""
    folder = Path(tempfile.mkdtemp(prefix="ostinato-trust-"))
    try:
        (folder / "verse.txt").write_text(VERSE)
        for number in range(times):
            yield from _one(folder, f"run-{number}", number % 2, chance)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _one(folder: Path, name: str, victim: int, chance: random.Random) -> Iterator[Outcome]:
    case = f"process {victim} is killed"
    process = _launch(folder, *TRAINING, "--steps", "100000", "--run", name)
    metrics = folder / name / "metrics.jsonl"
    target = chance.randint(4_000, 20_000)
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if metrics.exists() and metrics.stat().st_size > target:
            break
        time.sleep(0.05)
    os.kill(_ranks(process.pid)[victim], signal.SIGKILL)
    began = time.monotonic()
    try:
        _, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        yield Outcome(case, "the other one hangs", str(process.communicate()))
        return
    told = "error: processes: wanted an answer from each of 2 processes, got none" in err
    seconds = time.monotonic() - began
    yield Outcome(case, "noticed" if told else "no words", f"{seconds:.1f} s: {err[-400:]}")
    step = Run(folder / name).load_checkpoint(part="progress")["step"]
    process = _launch(folder, "--resume", name, "--steps", str(step + 8))
    _, err = process.communicate(timeout=300)
    after = Run(folder / name).load_checkpoint(part="progress")["step"]
    good = after == step + 8 and [r["step"] for r in Run(folder / name).metrics()][-1] == after
    yield Outcome("they go on", "the same" if good else "did not go on", err[-400:])


def _launch(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    return subprocess.Popen(
        [*launcher, "-m", "ostinato", "--", "train", *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _ranks(launcher: int) -> dict[int, int]:
    """The processes that a launcher has started, by their numbers."""
    found: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int(entry.joinpath("stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent != launcher:
                continue
            words = entry.joinpath("environ").read_bytes().split(b"\0")
        except OSError:
            continue
        rank = next((word[5:] for word in words if word.startswith(b"RANK=")), None)
        if rank is not None:
            found[int(rank)] = int(entry.name)
    return found


THREAD = Check(
    "threads",
    "Eight threads at once",
    "Eight threads run cells forward and backward at once, two of them the same cell. Outputs and "
    "all gradients have to be those of one thread alone, to the last bit.",
    400,
    8,
    threads,
)
FORK = Check(
    "forks",
    "Forked children",
    "A process forks while another of its threads computes; the child computes a cell forward and "
    "backward, and has to give the same, to the last bit.",
    100,
    2,
    forks,
)
LAUNCHED = Check(
    "launched",
    "Two processes, one of which is killed",
    f"Two processes under `torchrun` train one model, and one of them is killed. The other has to "
    f"end within {LIMIT:.0f} s with a message that says so, and both go on with `--resume`.",
    10,
    1,
    launched,
)
