"""The program called from here, as a user would call it, and what it said."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ostinato.cli import main
from ostinato.train import Run

VERSE = "the cat sat on the mat.\nthe dog sat on the log.\n" * 20
SMALL = "--size 8 --validate-every 4 --sample-every 5"
TASKS = {
    "text": f"text verse.txt {SMALL} --embedding 4 --batch-size 4 --bptt 5 --ema 0.9",
    "series": f"series {SMALL}",
    "seq2seq": f"seq2seq --example reverse --num-pairs 40 --batch-size 9 {SMALL}",
    "classify": f"classify words.csv --batch-size 5 {SMALL}",
}
"""A tiny training of each of four tasks."""

CLOCK = {"seconds", "tokens_per_second", "values_per_second", "pairs_per_second"}
CLOCK |= {"sequences_per_second"}


class Said(NamedTuple):
    """How a call ended, and what it printed."""

    code: int
    out: str
    err: str


def call(*arguments: object) -> Said:
    """Run the program in this process; an error that is no ours is told as Python does."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    before = sys.argv
    sys.argv = ["ostinato", *map(str, arguments)]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else int(bool(exit.code))
        except BaseException:
            code = 99
            traceback.print_exc()
        finally:
            sys.argv = before
            torch.set_num_threads(1)
    return Said(code, out.getvalue(), err.getvalue())


@contextmanager
def working_in(folder: Path) -> Iterator[Path]:
    """Within the block the working directory is this folder, with data for all tasks in it."""
    before = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    Path("verse.txt").write_text(VERSE)
    words = VERSE.split()
    rows = [f"{' '.join(words[n : n + 4])},{'cat' if n % 2 else 'dog'}" for n in range(90)]
    Path("words.csv").write_text("\n".join(["text,label", *rows]))
    try:
        yield folder
    finally:
        os.chdir(before)


def train(task: str, steps: int, run: Path) -> Said:
    """Train a task for so many steps from the start."""
    return call("train", *TASKS[task].split(), "--steps", steps, "--run", run)


def copied(run: Path, name: str) -> Path:
    """A copy of a run beside it, in place of what had that name."""
    copy = run.with_name(name)
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run, copy)
    return copy


def left(run: Path) -> dict[str, Any]:
    """What a run leaves behind, but for the clock: weights, metrics, samples, figures."""
    opened = Run(run, allow_code=True)
    samples = opened.samples_path.read_text() if opened.samples_path.exists() else ""
    tree = opened.load_checkpoint()
    return {
        "checkpoint": {name: tree[name] for name in tree if name not in ("sizes", "config")},
        "metrics": opened.metrics(),
        "samples": samples,
        "result": opened.read_result(),
    }


def same(a: Any, b: Any) -> bool:
    """Equality to the last bit of trees, but for the clock."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        keys = a.keys() - CLOCK
        return (
            isinstance(b, dict) and keys == b.keys() - CLOCK and all(same(a[k], b[k]) for k in keys)
        )
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return a == b


def last_line(said: Said) -> str:
    """The last words on standard error."""
    lines = said.err.strip().splitlines()
    return lines[-1][:200] if lines else json.dumps(said.out[-200:])
