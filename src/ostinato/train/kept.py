"""That what a run keeps of its data is what it was begun with, and so are its settings.

A run keeps tokens, samples, pairs or a table, which no command changes once training has begun.
Their checksums stand in ``config.json``, whose own checksum covers them and the settings.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ostinato.data.typed import check_type, shown
from ostinato.train.errors import RunError

KEPT, CHECKSUM = "kept", "checksum"
"""The keys of ``config.json`` that are no settings."""

# What is written while a run is trained, or made of it later.
_WRITTEN = {
    "lock",
    "report.html",
    "config.json",
    "commands.jsonl",
    "metrics.jsonl",
    "samples.txt",
    "curves.png",
    "result.json",
    "checkpoints",
    "tensorboard",
}
_PIECE = 1 << 22


def seal(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with a checksum of them, ready for JSON."""
    return {**values, CHECKSUM: _of_values(values)}


def is_sealed(values: dict[str, Any]) -> bool:
    """Take the checksum out of values; whether it was theirs, or there was none."""
    found = values.pop(CHECKSUM, None)
    return found is None or found == _of_values(values)


def _of_values(values: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(values, sort_keys=True).encode())


def kept_files(folder: Path) -> dict[str, int]:
    """The checksum of each file that a run keeps of its data, by its path in the run."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    return {
        name: checksum_of(path)
        for path, name in names.items()
        if name.split("/")[0] not in _WRITTEN and not path.name.startswith(".")
    }


def checksum_of(path: Path, size: int | None = None) -> int:
    """The CRC-32 of a file, or of its first ``size`` bytes."""
    left, found = size, 0
    with open(path, "rb") as file:
        while piece := file.read(_PIECE if left is None else min(_PIECE, left)):
            found = zlib.crc32(piece, found)
            left = None if left is None else left - len(piece)
    return found


def check_kept(folder: Path, kept: Any) -> None:
    """Raise RunError for a file that is not the one that its checksum was made of."""
    config = folder / "config.json"
    check_type(f"{config}: {KEPT}", kept, dict[str, int])
    for name, checksum in kept.items():
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise RunError(f"{config}: {KEPT}", wanted="paths in the run", got=shown(name))
        path = folder / parts
        if not path.is_file() or checksum_of(path) != checksum:
            raise RunError(
                str(path),
                wanted="the file that the run was begun with",
                got="a changed one (its checksum is another)" if path.is_file() else "no file",
                remedy="Take it from a copy of the run: figures of other data would be others.",
            )


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Where two trees of plain values differ, in words: ``train.lr is 0.5, was 0.004``."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [] if _same(old, new) else [f"{path} is {shown(new)}, was {shown(old)}"]
    found: list[str] = []
    for name in [*old, *(name for name in new if name not in old)]:
        below = f"{path}.{name}" if path else name
        if name not in new or name not in old:
            found.append(f"{below} is {'missing' if name in old else 'new'}")
        else:
            found += differences(old[name], new[name], below)
    return found


def _same(old: Any, new: Any) -> bool:
    # True is 1 to Python, and another setting to us
    return type(old) is type(new) and old == new
