"""A file beside the model that it was made of: both run on the same, and the difference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ostinato.data.requirements import require
from ostinato.export.graph import METADATA, ExportError

TOLERANCE = 1e-4
"""How far an output may be off, as a share of its largest value where that is above 1. The sums of
float32 are in another order; what is wrong is off by more."""


@final
class Session:
    """An ONNX file that is open in ONNX Runtime, on one thread of a CPU."""

    def __init__(self, path: Path) -> None:
        runtime = require("onnxruntime", "onnx")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # errors
        self.session = runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [given.name for given in self.session.get_inputs()]
        self.outputs = [made.name for made in self.session.get_outputs()]
        told = self.session.get_modelmeta().custom_metadata_map
        self.about: dict[str, Any] = json.loads(told.get(METADATA, '{"states": {}, "initial": {}}'))

    def run(self, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The outputs by name for inputs by name."""
        found = self.session.run(None, {name: t.numpy(force=True) for name, t in given.items()})
        return {n: torch.from_numpy(np.array(t)) for n, t in zip(self.outputs, found, strict=True)}

    def stream(self, xs: Tensor, initial: Mapping[str, Tensor] | None = None) -> Tensor:
        """The first output [T, B, ...] of a model of one step, run on xs [T, B, ...]."""
        state, ys = dict(initial or self.initial(xs.shape[1])), list[Tensor]()
        for x in xs:
            made = self.run({"x": x, **state})
            ys.append(made[self.outputs[0]])
            state = {name: made[after] for name, after in self.about["states"].items()}
        return torch.stack(ys)

    def initial(self, batch_size: int) -> dict[str, Tensor]:
        """The states before the first step."""
        return {
            name: torch.from_numpy(np.array([one["row"]] * batch_size, one["dtype"]))
            for name, one in self.about["initial"].items()
        }


def difference(ours: Sequence[Tensor], theirs: Sequence[Tensor], what: str) -> float:
    """The largest difference of outputs, as a share of their size. ExportError where it is large.

    ``ours`` are those of the model, ``theirs`` those of the file; ``what`` names the file.
    """
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if a.shape != b.shape:
            raise _differs(what, f"outputs of the shape {list(a.shape)}", str(list(b.shape)))
        if a.numel():
            a, b = a.detach().cpu().double(), b.double()
            share = (a - b).abs().max() / a.abs().max().clamp(min=1)
            worst = max(worst, share.item() if share == share else float("inf"))
    if worst > TOLERANCE:
        wanted = f"outputs within {TOLERANCE:g} of those of the model"
        raise _differs(what, wanted, f"a difference of {worst:.2g}")
    return worst


def _differs(what: str, wanted: str, got: str) -> ExportError:
    return ExportError(
        what, wanted=wanted, got=got, remedy="Nothing was written; please report the model."
    )
