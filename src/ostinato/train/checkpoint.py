"""Checkpoints: trees of tensors and plain values in one safetensors file, without pickle.

A tree is made of dicts with string keys, lists, tensors, and what JSON knows (numbers, text, true,
false, null). The tensors are those of the file, named by their paths; the rest of the tree is
JSON in the file's metadata, beside a checksum of every tensor, its form included, and one of all of
that. One file is written in one step, so weights and settings can never be of different times.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.data.files import atomic
from ostinato.data.requirements import require
from ostinato.errors import OstinatoError

FORMAT = "ostinato-2"

# How a tensor is written in the JSON: an object with this one key and the tensor's name.
_TENSOR = "$tensor"


class CheckpointError(OstinatoError, ValueError):
    """A checkpoint that is damaged, or not one of ostinato."""


def save_checkpoint(path: Path, tree: dict[str, Any]) -> None:
    """Write a tree, whole or not at all."""
    safetensors = require("safetensors.torch", "train")
    tensors: dict[str, Tensor] = {}
    plain = _without_tensors(tree, "", tensors)
    sums = json.dumps({name: _checksum(tensor) for name, tensor in tensors.items()})
    metadata = {"format": FORMAT, "tree": json.dumps(plain), "checksums": sums}
    metadata["checksum"] = _of_metadata(metadata)
    data = safetensors.save(tensors, metadata)
    with atomic(path) as file:
        file.write(data)


def load_checkpoint(path: Path, part: str = "") -> dict[str, Any]:
    """Read a tree, tensors on the CPU, or only the branch of it under one key, ``part``.

    Raises CheckpointError, which names the file, where it is missing, damaged or foreign.
    """
    safetensors = require("safetensors", "train")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise _foreign(path, metadata)
            if metadata.get("checksum") != _of_metadata(metadata):
                raise _damaged(path, "the checksum of its settings is wrong")
            plain, sums = json.loads(metadata["tree"]), json.loads(metadata["checksums"])
            if not isinstance(plain, dict) or (part and part not in plain):
                raise _damaged(path, f"it has no {part or 'tree'}")
            return _Tensors(path, file, sums).put_into(plain[part] if part else plain)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise _damaged(path, _why(error)) from error


def load_weights(model: nn.Module, weights: dict[str, Tensor], source: str) -> None:
    """Give a model its weights by name. Raises CheckpointError where it has others."""
    wrong = _unlike(model.state_dict(), weights)
    if wrong is not None:
        raise CheckpointError(
            source,
            wanted=f"the weights of this {type(model).__name__}",
            got=f"others: {wrong}",
            remedy="The settings in config.json, or the class of the cell, are not those that it "
            "was trained with.",
        )
    model.load_state_dict(weights)


def _unlike(ours: dict[str, Any], theirs: Any) -> str | None:
    """How weights differ from those of a model in their names and forms; None where nowhere."""
    if not isinstance(theirs, dict):
        return "what are no tensors by their names"
    for first, second, where in ((ours, theirs, "are missing"), (theirs, ours, "are not known")):
        if names := [name for name in first if name not in second]:
            return f"{', '.join(names[:3])}{' and more' * (len(names) > 3)} {where}"
    for name, value in ours.items():
        here, there = described(value), described(theirs[name])
        if here != there:
            return f"{name} is {there}, here {here}"
    return None


def described(value: object) -> str:
    """The dtype and shape of a tensor; the type of anything else."""
    if isinstance(value, Tensor):
        return f"{value.dtype} {list(value.shape)}"
    return type(value).__name__


def _without_tensors(tree: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(tree, Tensor):
        # Each on its own memory: safetensors refuses tensors that share it.
        tensors[path] = tree.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: path}
    if isinstance(tree, dict):
        return {
            key: _without_tensors(value, f"{path}.{key}" if path else key, tensors)
            for key, value in tree.items()
        }
    if isinstance(tree, list | tuple):
        return [_without_tensors(value, f"{path}.{i}", tensors) for i, value in enumerate(tree)]
    assert tree is None or isinstance(tree, bool | int | float | str), f"{path}: {type(tree)}"
    return tree


class _Tensors:
    """The tensors of a file, each given out once and with the right checksum."""

    def __init__(self, path: Path, file: Any, sums: dict[str, int]) -> None:
        self._path, self._file, self._sums = path, file, sums

    def put_into(self, plain: Any) -> Any:
        """The tree with tensors in their places."""
        if isinstance(plain, dict):
            if _TENSOR in plain:
                return self._take(plain[_TENSOR])
            return {key: self.put_into(value) for key, value in plain.items()}
        if isinstance(plain, list):
            return [self.put_into(value) for value in plain]
        return plain

    def _take(self, name: str) -> Tensor:
        # out of the sums, so that no small file asks for one tensor many times
        wanted, tensor = self._sums.pop(name), self._file.get_tensor(name)
        if _checksum(tensor) != wanted:
            raise _damaged(self._path, f"the checksum of {name} is wrong")
        return tensor


def _checksum(tensor: Tensor) -> int:
    """Of the dtype, the shape and the numbers."""
    form = f"{tensor.dtype} {list(tensor.shape)}".encode()
    # A view as bytes, which every dtype has; NumPy has no bfloat16. Scalars have no last dimension.
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, zlib.crc32(form))


def _of_metadata(metadata: dict[str, str]) -> str:
    told = (metadata.get(name, "") for name in ("format", "tree", "checksums"))
    return str(zlib.crc32("\n".join(told).encode()))


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    return "its beginning or its end is missing or changed"


def _foreign(path: Path, metadata: dict[str, str]) -> CheckpointError:
    found = metadata.get("format", "no format")
    older = found.startswith("ostinato-")
    return CheckpointError(
        str(path),
        wanted=f"a checkpoint of ostinato ({FORMAT})",
        got=f"{'one of another version' if older else 'a safetensors file of another kind'} "
        f"({found})",
    )


def _damaged(path: Path, why: str) -> CheckpointError:
    got = f"a damaged file ({why})" if path.is_file() else "no file"
    return CheckpointError(str(path), wanted="a checkpoint of ostinato", got=got)
