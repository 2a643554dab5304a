"""The numbers that the original Torch7 library gave, as tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
Case = dict[str, Any]


def cases(file: str) -> dict[str, Case]:
    """The cases of a file of tests/golden, by their names."""
    return {case["name"]: case for case in json.loads((GOLDEN / f"{file}.json").read_text())}


def tensor(given: Any) -> Tensor:
    """A recorded tensor in float64; one of indices counts from 0."""
    if given.get("dtype") == "long":
        return torch.tensor(given["data"]).reshape(given["shape"]) - 1
    return torch.tensor(given["data"], dtype=torch.float64).reshape(given["shape"])


def leaf(given: Any) -> Tensor:
    """A recorded tensor that gradients reach."""
    return tensor(given).requires_grad_()


def assert_equal(ours: Tensor, recorded: Any) -> None:
    """To 1e-8, in value and shape."""
    torch.testing.assert_close(ours, tensor(recorded), rtol=0, atol=1e-8)
