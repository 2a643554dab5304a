"""Compiled code on the disk: damaged, missing, another's, and no room or home for it."""

from __future__ import annotations

import logging
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

import ostinato
from benchmarks.cells import CELLS
from benchmarks.trust.check import Check, Outcome
from ostinato.backends.fused.backend import Fused
from ostinato.backends.fused.native import compile as compiled
from ostinato.backends.fused.native import disk
from ostinato.backends.fused.recordings import Recordings
from ostinato.backends.plan import BACKENDS

FAULTS = (
    "none",
    "a bit",
    "an end",
    "empty",
    "noise",
    "code of another cell",
    "missing",
    "a folder",
    "a pipe",
    "a link",
    "others can write it",
    "others can write the folder",
    "read-only",
    "no folder can be made",
    "no home",
)


def faults(times: int, chance: random.Random) -> Iterator[Outcome]:
    """A cell that is compiled, then loaded again from a cache with a fault."""
    folder = Path(tempfile.mkdtemp(prefix="ostinato-trust-"))
    logging.getLogger("ostinato").addHandler(logging.NullHandler())
    try:
        for number in range(times):
            fault = FAULTS[number % len(FAULTS)]
            cache = folder / str(number)
            with patch.dict(os.environ, {"OSTINATO_CACHE": str(cache)}):
                yield _one(fault, cache, chance)
            cache.chmod(0o700) if cache.exists() and not cache.is_symlink() else None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _one(fault: str, cache: Path, chance: random.Random) -> Outcome:
    name = chance.choice(sorted(CELLS))
    torch.manual_seed(chance.randrange(2**31))
    cell, xs = CELLS[name](3, 4).eval(), torch.randn(3, 2, 3)
    with torch.no_grad():
        wanted, _ = ostinato.unroll(cell, xs, backend="eager")
        try:
            with afresh():
                ostinato.unroll(cell, xs, backend="fused")
            files = sorted(cache.glob("*.o"))
            with _with(fault, cache, files, chance), afresh():
                found, _ = ostinato.unroll(cell, xs, backend="fused")
        except Exception as error:
            return Outcome(fault, "raised", f"{name}: {error!r}")
    assert isinstance(wanted, Tensor)
    good = isinstance(found, Tensor) and torch.allclose(found, wanted, rtol=1e-5, atol=1e-6)
    return Outcome(fault, "as eager" if good else "other numbers", name)


@contextmanager
def afresh() -> Iterator[None]:
    """Within the block the compiler knows no more than a new process does."""
    backend = next(each for each in BACKENDS if isinstance(each, Fused))
    recordings = backend.recordings
    backend.recordings = Recordings()
    disk._say.cache_clear()
    with patch.object(compiled, "known", type(compiled.known)()):
        try:
            yield
        finally:
            backend.recordings = recordings


@contextmanager
def _with(fault: str, cache: Path, files: list[Path], chance: random.Random) -> Iterator[None]:
    """Within the block the cache has a fault."""
    path = chance.choice(files)
    data = path.read_bytes()
    others = {
        "a bit": lambda: _flipped(data, chance),
        "an end": lambda: data[: chance.randrange(len(data))],
        "empty": lambda: b"",
        "noise": lambda: chance.randbytes(len(data)),
        "code of another cell": lambda: chance.choice(files).read_bytes()[:-1] + b"x",
    }
    if fault in others:
        path.write_bytes(others[fault]())
    elif fault == "others can write it":
        path.chmod(0o666)
    elif fault in ("missing", "a folder", "a pipe", "a link"):
        path.unlink()
        if fault == "a folder":
            path.mkdir()
        elif fault == "a pipe":
            os.mkfifo(path)
        elif fault == "a link":
            (cache / "elsewhere").write_bytes(data)
            path.symlink_to(cache / "elsewhere")
    elif fault == "others can write the folder":
        cache.chmod(0o777)
    elif fault == "read-only":
        cache.chmod(0o500)
    elif fault == "no folder can be made":
        shutil.rmtree(cache)
        cache.write_text("in the way")
    if fault == "no home":
        with patch.object(disk, "directory", side_effect=RuntimeError):
            yield
    else:
        yield


def _flipped(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


CACHE = Check(
    "cache",
    "Faults of the kernel cache",
    "A cell is compiled, its file in the cache is damaged, replaced, taken away or opened to "
    "others, and it is run again as a new process would. The outputs have to be those of the plain "
    "loop, whatever has become of the file.",
    300,
    15,
    faults,
)
