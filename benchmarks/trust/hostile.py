"""Runs that others have made with ill will: code, links, paths, sizes, characters."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.trust.check import Check, Outcome
from benchmarks.trust.program import TASKS, Said, call, copied, last_line, train, working_in
from ostinato.train import Run

USES = {
    "text": (("sample",), ("evaluate",)),
    "series": (("forecast",), ("evaluate",)),
    "seq2seq": (("translate", "--text", "noon"), ("evaluate",)),
    "classify": (("classify", "words.csv"), ("evaluate",)),
}
EVIL = "open({mark!r}, 'w').write('ran')\nfrom ostinato.cells import GRU as Cell\n"
NAMES = (
    "{run}.evil:Cell",
    "runs.{run}.evil:Cell",
    "evil:Cell",
    "os:system",
    "subprocess:Popen",
    "builtins:exec",
    "torch.nn:Linear",
    "torch.serialization:load",
    "ostinato.cli:main",
    "ostinato.cells:GatedCell",
    ".evil:Cell",
    ":Cell",
    "evil:",
    "a" * 5000 + ":b",
    "evil\u0000:Cell",
)
"""Cells that no run may have: not the library's, or no cells."""

WRONG: tuple[Any, ...] = (
    True,
    None,
    -1,
    0,
    10**30,
    1e308,
    float("nan"),
    float("inf"),
    "x",
    "\u001b[2J\u202e",
    "",
    [],
    [1],
    {},
    {"a": 1},
    1.5,
)
"""Values of a wrong type or size, for any setting."""


class Runs:
    """A trained run of each task, copied for each case."""

    def __init__(self, tasks: list[str]) -> None:
        self.tasks = tasks
        for task in tasks:
            said = train(task, 6, Path(task))
            assert said.code == 0, said.err

    def copy(self, chance: random.Random) -> tuple[str, Run]:
        """A fresh copy of one of them."""
        task = chance.choice(self.tasks)
        return task, Run(copied(Path(task), "hostile"))

    def commands(self, task: str) -> list[tuple[str, ...]]:
        """Everything that opens a run."""
        ways = [("info",), *USES[task], ("report",), ("explain",), ("draw",)]
        return [*ways, ("train", "--resume")]


def opened(command: tuple[str, ...], run: Run, *more: str) -> Said:
    """Call a command on a run."""
    words = [*command[:1], *more, run.folder, *command[1:]]
    if command[0] == "train":
        words = ["train", "--resume", run.folder, *more, "--steps", "8"]
    if command[0] == "draw":
        words += ["-o", "picture.svg"]
    return call(*words)


def judged(case: str, said: Said, *, must_fail: bool = True) -> Outcome:
    """A hostile run has to end in one line of ours, or, where it may, in nothing at all."""
    raw = [c for c in said.out + said.err if ord(c) < 32 and c not in "\n\t"]
    if "Traceback" in said.err or said.code not in (0, 1):
        return Outcome(case, "no words of ours", last_line(said))
    if raw or "\u202e" in said.out + said.err:
        return Outcome(case, "control characters", repr(last_line(said)))
    if said.code == 1:
        return Outcome(case, "refused")
    if must_fail:
        return Outcome(case, "was opened", last_line(said))
    return Outcome(case, "harmless")


def _cases(
    times: int, chance: random.Random, one: Callable[[Runs, random.Random], Iterator[Outcome]]
) -> Iterator[Outcome]:
    folder = Path(tempfile.mkdtemp(prefix="ostinato-trust-"))
    path = list(sys.path)
    try:
        with working_in(folder):
            # the worst place that a path can lead to
            sys.path[:0] = [str(folder)]
            runs = Runs(list(TASKS)[: 4 if times > 20 else 1])
            for _ in range(times):
                yield from one(runs, chance)
    finally:
        sys.path[:] = path
        shutil.rmtree(folder, ignore_errors=True)


def code(runs: Runs, chance: random.Random) -> Iterator[Outcome]:
    """A run that names code, opened by one command, with and without the flag that allows it."""
    task, run = runs.copy(chance)
    mark = Path("mark").absolute()
    mark.unlink(missing_ok=True)
    (run.folder / "evil.py").write_text(EVIL.format(mark=str(mark)))
    name = chance.choice(NAMES).format(run=run.folder.name)
    if name.startswith("runs."):
        Path("runs").mkdir(exist_ok=True)
        shutil.copytree(run.folder, Path("runs") / run.folder.name, dirs_exist_ok=True)
    config = json.loads(run.config_path.read_text())
    config["model"]["cell"] = name
    if chance.random() < 0.5:
        config.pop("checksum")
    run.config_path.write_text(json.dumps(config))
    allowed = ("--allow-code",) if chance.random() < 0.5 else ()
    command = chance.choice(runs.commands(task))
    case = "code, allowed" if allowed else "code"
    outcome = judged(case, opened(command, run, *allowed))
    yield outcome if not mark.exists() else Outcome(case, "code was run", f"{command} {name}")


def links(runs: Runs, chance: random.Random) -> Iterator[Outcome]:
    """A run in which a file or folder is a link, a pipe or a second name of another file."""
    task, run = runs.copy(chance)
    outside = Path("outside.txt")
    outside.write_text("must stay\n")
    names = ["lock", "metrics.jsonl", "samples.txt", "commands.jsonl", "config.json"]
    names += ["result.json", "report.html", "curves.png", "checkpoints", "data", "corpus", "new"]
    path = run.folder / chance.choice(names)
    kind = chance.choice(["link", "hard link", "pipe", "link to nowhere", "link to a folder"])
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "hard link":
        os.link(outside, path)
    else:
        targets = {
            "link": outside,
            "link to nowhere": Path("nowhere"),
            "link to a folder": Path("."),
        }
        path.symlink_to(targets[kind].absolute())
    command = chance.choice(runs.commands(task))
    # a second name of a file is only harm where that file is written
    outcome = judged(kind, opened(command, run), must_fail=kind != "hard link")
    harmed = outside.read_text() != "must stay\n" or Path("nowhere").exists()
    yield Outcome(kind, "another file was written", f"{command} {path}") if harmed else outcome


def configs(runs: Runs, chance: random.Random) -> Iterator[Outcome]:
    """A setting of a wrong type or size, or a section that is none."""
    task, run = runs.copy(chance)
    config = run.read_config()
    sections = [name for name, value in config.items() if isinstance(value, dict) and value]
    value = chance.choice(WRONG)
    kind = chance.randrange(10)
    if kind == 0:
        config[chance.choice([*config, "kept", "new"])] = value
    elif kind == 1:
        config.pop(chance.choice([*config]))
    else:
        section = config[chance.choice(sections)]
        name = chance.choice([*section, "new"] if kind == 2 else [*section])
        section[name] = value
    # sealed anew, as who means ill would do it
    sealed = Run(run.folder)
    sealed._kept = json.loads(run.config_path.read_text())["kept"]
    sealed.write_config(config)
    command = chance.choice(runs.commands(task))
    yield judged("a setting", opened(command, run), must_fail=False)


def contents(runs: Runs, chance: random.Random) -> Iterator[Outcome]:
    """Files that are JSON and nothing that a run has, deep, large, or full of odd characters."""
    task, run = runs.copy(chance)
    kept = [path for path in sorted(run.folder.rglob("*.json*")) if path.is_file()]
    path = chance.choice(kept)
    odd: list[bytes] = [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"1" * 5000,
        b"null",
        b"[]",
        b'{"step": 1}',
        b"\xff\xfe\x00",
        b'"\\ud800"',
        b'{"step": 1e999, "loss": NaN}\n',
        b'{"step": 10000000000000000000000, "loss": 1}\n',
        b'{"began": "never", "arguments": [1], "ostinato": "\\u001b[2J"}\n',
        json.dumps(dict.fromkeys(map(str, range(2000)), "x" * 50)).encode(),
    ]
    path.write_bytes(chance.choice(odd))
    _reseal(run, path)
    command = chance.choice(runs.commands(task))
    yield judged("another JSON", opened(command, run), must_fail=False)


def _reseal(run: Run, changed: Path) -> None:
    """Put the checksum of a changed file into the config, as who means ill would do it."""
    if changed == run.config_path:
        return
    config = json.loads(run.config_path.read_text())
    name = changed.relative_to(run.folder).as_posix()
    if name in config["kept"]:
        from ostinato.train.kept import CHECKSUM, checksum_of, seal

        config["kept"][name] = checksum_of(changed)
        config.pop(CHECKSUM)
        run.config_path.write_text(json.dumps(seal(config)))


CODE = Check(
    "code",
    "A run that names code",
    "`config.json` names a cell that is none of the library's: in a file of the run, functions of "
    "Python and of others, classes that are no cells; with the run's folder where Python looks for "
    "modules. Every command that opens a run has to refuse, with `--allow-code` too, and no such "
    "code may run.",
    300,
    10,
    lambda times, chance: _cases(times, chance, code),
)
LINKS = Check(
    "links",
    "Links, pipes and second names",
    "A file or folder of a run is a symbolic link, a hard link or a pipe. It has to be refused, "
    "and nothing outside of the run may change. A hard link that is only read does no harm.",
    300,
    10,
    lambda times, chance: _cases(times, chance, links),
)
CONFIGS = Check(
    "configs",
    "Settings of wrong types and sizes",
    "A setting of a run has another type, or a size beyond all sense, or a section is missing; the "
    "checksum fits. The run has to be refused in one line, or the setting has no effect.",
    600,
    12,
    lambda times, chance: _cases(times, chance, configs),
)
CONTENTS = Check(
    "contents",
    "Files with another content",
    "A JSON file of a run holds something else: deep, long, no text, numbers that no float holds, "
    "control characters; the checksum fits. Every command ends in words, and none of the "
    "characters reaches a terminal.",
    300,
    12,
    lambda times, chance: _cases(times, chance, contents),
)
