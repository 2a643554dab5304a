"""Everything that reads a file, given files that nobody has written so."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.trust.check import Check, Outcome
from benchmarks.trust.program import VERSE
from ostinato.data import (
    Encoding,
    Vocabulary,
    open_tokens,
    read_idx,
    read_labelled,
    read_sequences,
    read_series,
    read_text,
)
from ostinato.errors import OstinatoError
from ostinato.seq2seq import PairData, read_pairs
from ostinato.series import load_series, save_series
from ostinato.text import Corpus, Tokenizer, text
from ostinato.train import Run, TrainSettings, load_checkpoint, save_checkpoint

Reader = Callable[[Path], Any]
TABLE = "time,text,label,source,target,value\n" + "\n".join(
    f"2020-01-{day:02d},a b c,{'x' if day % 2 else 'y'},ab,ba,{day * 1.5}" for day in range(1, 29)
)


def _config(path: Path) -> TrainSettings:
    run = Run(path.parent)
    run.config_path = path
    return TrainSettings.from_dict(run.read_config().get("train", {}), str(path))


def _lines(path: Path) -> Any:
    run = Run(path.parent)
    run.metrics_path = run.commands_path = path
    return run.metrics(), run.commands()


READERS: dict[str, tuple[str, Reader]] = {
    "text": ("text.txt", lambda path: "".join(read_text(path))),
    "text in another encoding": ("text.txt", lambda path: "".join(read_text(path, "utf-16"))),
    "CSV as a series": ("table.csv", read_series),
    "CSV as sequences": ("table.csv", read_sequences),
    "CSV as labelled sequences": ("table.csv", read_labelled),
    "CSV as pairs": ("table.csv", read_pairs),
    "JSON lines as a series": ("table.jsonl", read_series),
    "images": ("images-idx", read_idx),
    "packed images": ("images.gz", read_idx),
    "checkpoint": ("checkpoint.safetensors", load_checkpoint),
    "config": ("config.json", _config),
    "metrics and commands": ("lines.jsonl", _lines),
    "tokens": ("corpus/tokens.npy", lambda path: open_tokens(path).sum()),
    "tokeniser": ("corpus/tokenizer.json", lambda path: Tokenizer.load(path).encode("the cat")),
    "corpus": ("corpus/corpus.json", lambda path: Corpus(path.parent).summary()),
    "series of a run": ("series.npz", lambda path: load_series(path).summary()),
    "pairs of a run": ("pairs.json", lambda path: PairData.load(path).encoding()),
    "vocabulary": ("words.json", lambda path: Vocabulary.load(path).encode(["a", "zzz"])),
    "encoding": ("encoding.json", lambda path: Encoding.from_dict(json.loads(path.read_text()))),
}
"""What reads which file of those that `write` writes."""

# Errors of JSON that the caller reads himself.
_OWN = {"encoding": (ValueError, RecursionError)}


def write(folder: Path) -> None:
    """A good file of each kind."""
    (folder / "text.txt").write_text(VERSE)
    (folder / "table.csv").write_text(TABLE)
    rows = [{"time": f"2020-01-{day:02d}", "value": day} for day in range(1, 29)]
    (folder / "table.jsonl").write_text("\n".join(map(json.dumps, rows)))
    images = b"\0\0\x08\x03" + np.array([2, 3, 4], ">u4").tobytes() + bytes(range(24))
    (folder / "images-idx").write_bytes(images)
    (folder / "images.gz").write_bytes(gzip.compress(images, mtime=0))
    save_checkpoint(folder / "checkpoint.safetensors", {"w": torch.zeros(3), "progress": {"a": 1}})
    Run(folder).write_config({"task": "text", "train": TrainSettings().as_dict()})
    lines = ['{"step": 1, "loss": 2.5}', '{"step": 2, "loss": 2.25}']
    (folder / "lines.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "corpus").mkdir()
    Corpus.build(text(VERSE), folder=folder / "corpus")
    save_series(read_series(folder / "table.csv", columns=["value"]), folder / "series.npz")
    PairData([("ab", "ba"), ("c", "d")], [("a", "b")]).save(folder / "pairs.json")
    Vocabulary(["<unk>", "a", "b"]).save(folder / "words.json")
    made = read_labelled(folder / "table.csv").encoding.as_dict()
    (folder / "encoding.json").write_text(json.dumps(made))


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A file that is nearly this one, or none at all."""
    if chance.random() < 0.05:
        return chance.randbytes(chance.randrange(200))
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        stop = min(len(data), start + chance.choice([1, 1, 2, 8, 64]))
        kind = chance.randrange(6)
        if kind == 0 and start < len(data):
            data = (
                data[:start] + bytes([data[start] ^ 1 << chance.randrange(8)]) + data[start + 1 :]
            )
        elif kind == 1:
            data = data[:start] + data[stop:]
        elif kind == 2:
            data = data[:start] + chance.choice(PIECES) + data[stop:]
        elif kind == 3:
            data = data[:start] + data[start:stop] * chance.randint(2, 50) + data[stop:]
        elif kind == 4:
            data = data[:start] + chance.randbytes(stop - start) + data[stop:]
        else:
            data = data[:start]
    return data


PIECES = (
    b"\0",
    b"\n",
    b"\r\n",
    b",",
    b'"',
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xf0\x9f",
    b"99999999999999999999999999",
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"true",
    b"{}",
    b"[" * 3000,
    b'{"a":' * 2000,
    b"9" * 5000,
    b"\x1b[2J",
    "\u202e".encode(),
    b"2020-13-45",
    b"0000-00-00",
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
)
"""What readers trip over."""


def _calls(times: int, chance: random.Random) -> Iterator[Outcome]:
    folder = Path(tempfile.mkdtemp(prefix="ostinato-trust-"))
    try:
        write(folder)
        good = {name: (folder / file).read_bytes() for name, (file, _) in READERS.items()}
        names = list(READERS)
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            for number in range(times):
                name = names[number % len(names)]
                file, read = READERS[name]
                data = mutated(good[name], chance)
                (folder / file).write_bytes(data)
                yield _read(name, read, folder / file, data)
                (folder / file).write_bytes(good[name])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(name: str, read: Reader, path: Path, data: bytes) -> Outcome:
    try:
        read(path)
    except OstinatoError:
        return Outcome(name, "refused")
    except Exception as error:
        if isinstance(error, _OWN.get(name, ())):
            return Outcome(name, "refused")
        return Outcome(name, "not our words", f"{error!r}"[:200] + f" for {data[:150]!r}")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit) or "Stopped" in type(error).__name__:
            raise
        return Outcome(name, "not our words", f"{error!r}"[:300])
    return Outcome(name, "harmless")


FILES = Check(
    "readers",
    "Readers of files that nobody has written so",
    "Good files of text, CSV, JSON lines, images, checkpoints, configs and all that runs keep are "
    "changed in a few places: bits, pieces gone, doubled, or replaced by what readers trip over. A "
    "file is read, or refused by an error of ours.",
    100_000,
    190,
    _calls,
)
