"""Files of a run damaged at any place: bits, ends, and what was edited by hand."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.trust.check import Check, Outcome
from benchmarks.trust.program import (
    TASKS,
    Said,
    call,
    copied,
    last_line,
    left,
    same,
    train,
    working_in,
)

# Steps of the run that is damaged, and those that it is taken to afterwards.
FIRST, LAST = 8, 12
# The names of the run that is used and of the one that is damaged: as long as each other.
GOOD, HURT = "good", "hurt"
USES = {
    "text": (("evaluate", "{run}", "--json"), ("sample", "{run}", "--seed", 1, "--length", 40)),
    "series": (("forecast", "{run}", "--json"),),
    "seq2seq": (("translate", "{run}", "--text", "noon", "--json"),),
    "classify": (("classify", "{run}", "words.csv", "--json"),),
}
"""What each run is used for."""


class Bench:
    """A trained run of each task, and what comes of it when nothing is damaged."""

    def __init__(self, tasks: list[str]) -> None:
        self.runs = {task: Path(task) for task in tasks}
        self.uses: dict[str, list[Said]] = {}
        self.ends: dict[str, object] = {}
        for task, run in self.runs.items():
            said = train(task, FIRST, run)
            assert said.code == 0, said.err
            copy = copied(run, GOOD)
            self.uses[task] = [self.use(task, copy, call) for call in self.commands(task)]
            assert all(said.code == 0 for said in self.uses[task]), self.uses[task]
            said = call("train", "--resume", copy, "--steps", LAST)
            assert said.code == 0, said.err
            self.ends[task] = left(copy)

    def commands(self, task: str) -> list[tuple[object, ...]]:
        """All that a run is tried with before it goes on."""
        return [("info", "{run}"), *USES[task], ("report", "{run}")]

    def use(self, task: str, run: Path, command: tuple[object, ...]) -> Said:
        """Use a run; what it says, whatever the run is called."""
        said = call(*(run if word == "{run}" else word for word in command))
        return said._replace(out=said.out.replace(HURT, GOOD))

    def judge(self, task: str, case: str, run: Path) -> Outcome:
        """How a damaged run ends: every command has to give the same, or to say something."""
        ends = [
            _end(self.use(task, run, command), good)
            for command, good in zip(self.commands(task), self.uses[task], strict=True)
        ]
        said = call("train", "--resume", run, "--steps", LAST)
        end = _end(said, None)
        if end == "harmless":
            try:
                end = end if same(left(run), self.ends[task]) else "other numbers in silence"
            except Exception as error:
                end = f"cannot be read afterwards: {error}"
            # what was changed and is told of may be other
            end = "noticed" if "note:" in said.err else end
        ends.append(end)
        wrong = [end for end in ends if end not in ("harmless", "noticed")]
        if wrong:
            return Outcome(case, wrong[0], f"{task}: {case} {run}: {last_line(said)}")
        return Outcome(case, "noticed" if "noticed" in ends else "harmless")


def _end(said: Said, good: Said | None) -> str:
    if "Traceback" in said.err or said.code not in (0, 1):
        return f"no words of ours: {last_line(said)}"
    if said.code == 1:
        return "noticed" if said.err.strip() else "no words at all"
    told = "note:" in said.err or "unknown: " in said.out
    if good is not None and not told and not _less(said.out, good.out):
        return "another answer in silence"
    return "noticed" if told else "harmless"


def _less(out: str, good: str) -> bool:
    """Whether nothing is said that is not said without the fault; which files are there may be."""
    lines = {line for line in out.splitlines() if not line.startswith("checkpoints")}
    return lines <= set(good.splitlines())


def files_of(run: Path) -> list[Path]:
    """The files of a run that hold something, but those that are only to be looked at."""
    only_seen = {"report.html", "curves.png", "lock"}
    paths = sorted(path for path in run.rglob("*") if path.is_file() and path.stat().st_size)
    return [path for path in paths if path.name not in only_seen and path.suffix != ".png"]


def _try(
    times: int, chance: random.Random, name: str, damage: Callable[[Path, random.Random], None]
) -> Iterator[Outcome]:
    folder = Path(tempfile.mkdtemp(prefix="ostinato-trust-"))
    try:
        with working_in(folder):
            tasks = list(TASKS)[: max(1, min(len(TASKS), times // 2))]
            bench = Bench(tasks)
            for number in range(times):
                task = tasks[number % len(tasks)]
                run = copied(bench.runs[task], HURT)
                # each file as often as any other: the small ones have the most to say
                path = chance.choice(files_of(run))
                damage(path, chance)
                where = "checkpoints" if path.parent.name == "checkpoints" else path.name
                yield bench.judge(task, f"{name} in {where}", run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def flip(path: Path, chance: random.Random) -> None:
    """Turn one bit of a file."""
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut(path: Path, chance: random.Random) -> None:
    """Take the end of a file away, some of it or all."""
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data))])


def spoil(path: Path, chance: random.Random) -> None:
    """Put something else in the place of a file, or of a piece of it."""
    data = path.read_bytes()
    # a run without its newest checkpoint is the run as it was before it
    kind = chance.randrange(1 if path.suffix == ".safetensors" else 0, 4)
    if kind == 0:
        path.unlink()
    elif kind == 1:
        path.write_bytes(chance.randbytes(len(data)))
    elif kind == 2:
        start = chance.randrange(len(data))
        path.write_bytes(data[:start] + bytes(min(512, len(data) - start)) + data[start + 512 :])
    else:
        start = chance.randrange(len(data))
        path.write_bytes(data[:start] + data[chance.randrange(len(data)) :])


def edit(path: Path, chance: random.Random) -> None:
    """Change a number or a word, so that the file is as good a one as before."""
    if path.suffix == ".npy":
        ids = np.load(path)
        place = chance.randrange(len(ids))
        ids[place] = 3 + (int(ids[place]) + 1) % 4
        np.save(path, ids)
    elif path.suffix == ".npz":
        parts = dict(np.load(path))
        values = parts["values"]
        values[chance.randrange(len(values))] += 1.0
        np.savez(path, **parts)
    elif path.suffix == ".json":
        _edit_json(path, chance)
    else:
        flip(path, chance)


def _edit_json(path: Path, chance: random.Random) -> None:
    tree = json.loads(path.read_text())
    places = list(_leaves(tree))
    holder, key = chance.choice(places)
    value = holder[key]
    if isinstance(value, bool) or value is None:
        holder[key] = not value
    elif isinstance(value, str):
        holder[key] = value[::-1] if value[::-1] != value else f"{value}a"
    else:
        holder[key] = value + 1
    path.write_text(json.dumps(tree, indent=2))


def _leaves(tree: object) -> Iterator[tuple[dict, str] | tuple[list, int]]:
    if isinstance(tree, dict):
        pairs = list(tree.items())
    else:
        assert isinstance(tree, list)
        pairs = list(enumerate(tree))
    for key, value in pairs:
        if isinstance(value, dict | list) and value:
            yield from _leaves(value)
        elif not isinstance(value, dict | list):
            yield tree, key  # pyright: ignore[reportReturnType]


FLIPS = Check(
    "flips",
    "A flipped bit anywhere in a run",
    "Of runs of text, series, seq2seq and classify one bit is turned in one file, any but the "
    "pictures and the page, which nothing reads. Then the run is looked at, used and trained on. "
    "Each command has to give what it gives without the fault, or to say something.",
    300,
    6,
    lambda times, chance: _try(times, chance, "a bit", flip),
)
CUTS = Check(
    "cuts",
    "A file that ends too early",
    "As before, with a file cut at any place.",
    100,
    4,
    lambda times, chance: _try(times, chance, "an end", cut),
)
SPOILT = Check(
    "spoilt",
    "Files that are missing, or hold something else",
    "As before, with a file deleted, filled with noise, with zeros in it, or with a piece missing.",
    100,
    4,
    lambda times, chance: _try(times, chance, "another content", spoil),
)
EDITS = Check(
    "edits",
    "Files that are edited",
    "As before, with a number or a word changed so that the file is as well formed as it was.",
    100,
    4,
    lambda times, chance: _try(times, chance, "an edit", edit),
)
