"""Checkpoints: trees of tensors and plain values in one safetensors file, without pickle.

A tree is made of dicts with string keys, lists, tensors, and what JSON knows (numbers, text, true,
false, null). The tensors are those of the file, named by their paths; the rest of the tree is
JSON in the file's metadata, beside a checksum of every tensor. One file is written in one step, so
weights and settings can never be of different times.
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

FORMAT = "ostinato-1"

# How a tensor is written in the JSON: an object with this one key and the tensor's name.
_TENSOR = "$tensor"


class CheckpointError(OstinatoError, ValueError):
    """A checkpoint that is damaged, or not one of ostinato."""


def save_checkpoint(path: Path, tree: dict[str, Any]) -> None:
    """Write a tree, whole or not at all."""
    safetensors = require("safetensors.torch", "train")
    tensors: dict[str, Tensor] = {}
    plain = _without_tensors(tree, "", tensors)
    sums = {name: _checksum(tensor) for name, tensor in tensors.items()}
    metadata = {"format": FORMAT, "tree": json.dumps(plain), "checksums": json.dumps(sums)}
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
            plain, sums = json.loads(metadata["tree"]), json.loads(metadata["checksums"])
            return _with_tensors(plain[part] if part else plain, file, sums)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise _damaged(path, str(error)) from error


def load_weights(model: nn.Module, weights: dict[str, Tensor], source: str) -> None:
    """Give a model its weights by name. Raises CheckpointError where it has others."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            source,
            wanted=f"the weights of this {type(model).__name__}",
            got="others: " + " ".join(str(error).split()),
            remedy="The settings in config.json, or the class of the cell, are not those that it "
            "was trained with.",
        ) from error


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


def _with_tensors(plain: Any, file: Any, sums: dict[str, int]) -> Any:
    if isinstance(plain, dict):
        if _TENSOR in plain:
            return _checked(plain[_TENSOR], file, sums)
        return {key: _with_tensors(value, file, sums) for key, value in plain.items()}
    if isinstance(plain, list):
        return [_with_tensors(value, file, sums) for value in plain]
    return plain


def _checked(name: str, file: Any, sums: dict[str, int]) -> Tensor:
    tensor = file.get_tensor(name)
    if _checksum(tensor) != sums[name]:
        raise ValueError(f"the checksum of {name} is wrong")
    return tensor


def _checksum(tensor: Tensor) -> int:
    # A view as bytes, which every dtype has; NumPy has no bfloat16. Scalars have no last dimension.
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data)


def _foreign(path: Path, metadata: dict[str, str]) -> CheckpointError:
    return CheckpointError(
        str(path),
        wanted=f"a checkpoint of ostinato ({FORMAT})",
        got=f"a safetensors file of another kind ({metadata.get('format', 'no format')})",
    )


def _damaged(path: Path, why: str) -> CheckpointError:
    got = f"a damaged file ({why})" if path.is_file() else "no file"
    return CheckpointError(str(path), wanted="a checkpoint of ostinato", got=got)
