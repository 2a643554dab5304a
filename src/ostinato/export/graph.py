"""What becomes one ONNX file, and the writing of it."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from ostinato._exporting import exporting_to_onnx
from ostinato.backends.scan import NEEDED, whole
from ostinato.data.files import atomic, what_is
from ostinato.data.requirements import require
from ostinato.errors import ArgumentError, OstinatoError

METADATA = "ostinato"
"""The key in a file's metadata under which stands, as JSON, what a program needs to know of it."""

ONE_FILE = 2**31 - 2**20
"""Bytes that fit into one file: protobuf ends at 2 GiB, less something for the graph itself."""


class ExportError(OstinatoError, RuntimeError):
    """A model that cannot become a graph, or whose graph does not do what the model does."""


@final
@dataclass(frozen=True)
class Graph:
    """A module between plain tensors, and the names of those.

    ``module(*inputs.values())`` gives a tuple of tensors, called ``outputs``. ``axes`` names those
    dimensions of each input that may be of any size, such as ``{"xs": {0: "T", 1: "B"}}``; they
    should be at least 2 in ``inputs``, as torch takes 1 for a constant. ``states`` leads from each
    input that is a state to the output that is the state after; ``initial`` has one row of each
    such input for the start.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: Sequence[str]
    axes: Mapping[str, Mapping[int, str]]
    states: Mapping[str, str] = field(default_factory=dict[str, str])
    initial: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises ExportError for what cannot be traced."""
        for package in ("onnx", "onnxscript"):
            require(package, "onnx")
        size = sum(t.nbytes for t in (*self.module.parameters(), *self.module.buffers()))
        if size > ONE_FILE:
            raise ExportError(
                "model",
                wanted="weights of less than 2 GiB, which one ONNX file can hold",
                got=f"{size / 2**30:.1f} GiB",
                remedy="Call torch.onnx.export(..., dynamo=True, external_data=True).",
            )
        program = self._program()
        program.model.metadata_props[METADATA] = json.dumps(self.about())
        data = program.model_proto.SerializeToString()
        with atomic(path) as file:
            file.write(data)

    def about(self) -> dict[str, Any]:
        """What the file's metadata says: which output is the next of which state, and the start."""
        initial = {
            name: {"dtype": dtype_name(row), "row": row.tolist()}
            for name, row in self.initial.items()
        }
        return {"states": dict(self.states), "initial": initial}

    def _program(self) -> Any:
        # torch would take a view for a promise about what it is a view of
        given = tuple(whole(tensor.detach()) for tensor in self.inputs.values())
        with at_rest(self.module), quiet(), told(self.module), exporting_to_onnx():
            shapes = tuple(
                {axis: size(letter) for axis, letter in self.axes.get(name, {}).items()}
                for name in self.inputs
            )
            # by itself torch.onnx.export would try in other ways what has failed in this one
            program = torch.export.export(self.module, given, dynamic_shapes=(shapes,))
            return torch.onnx.export(
                program,
                input_names=list(self.inputs),
                output_names=list(self.outputs),
                dynamic_shapes=(shapes,),
                dynamo=True,
                verbose=False,
            )


def dtype_name(tensor: Tensor) -> str:
    """The dtype as NumPy calls it, such as ``float32``."""
    return str(tensor.dtype).removeprefix("torch.")


def size(name: str) -> Any:
    """A dimension of any size."""
    return torch.export.Dim(name, min=1)


@contextmanager
def at_rest(module: nn.Module) -> Iterator[None]:
    """Within the block a module is in evaluation and learns nothing; its parts' modes come back."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block torch says nothing of its exporter's own business."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def told(module: nn.Module) -> Iterator[None]:
    """Within the block an error of torch's exporter becomes one of ours, in a line."""
    if not hasattr(torch.onnx, "ops"):
        raise ExportError(
            "torch", wanted=f"version {NEEDED} or later for export", got=torch.__version__
        )
    try:
        yield
    except OstinatoError:
        raise
    except Exception as error:
        causes = list(chain(error))
        ours = next((cause for cause in causes if isinstance(cause, OstinatoError)), None)
        raise ours or refusal(module, causes) from error


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def refusal(module: nn.Module, causes: Sequence[BaseException]) -> ExportError:
    """Why a model cannot be traced, from the errors that torch has raised, the deepest last."""
    name = type(getattr(module, "cell", getattr(module, "module", module))).__name__
    if any("DataDependent" in type(cause).__name__ for cause in causes):
        return ExportError(
            "model",
            wanted="steps that do the same whatever the numbers are",
            got=f"{name}, which decides by the value of a tensor what it does",
            remedy="Write it with torch.where.",
        )
    last = causes[-1]
    line = next(filter(None, map(str.strip, str(last).splitlines())), "")
    return ExportError(
        "model",
        wanted="a model that torch.export can trace",
        got=f"{name}, at which it fails ({type(last).__name__}: {line[:200]})",
        remedy="Try torch.export.export(model, ...) to see where.",
    )


def checked_path(
    path: str | os.PathLike[str],
    *,
    overwrite: bool,
    folder_may_be_new: bool = False,
    argument: str = "path",
) -> Path:
    """The path of a file to be written. Raises ArgumentError where it cannot or should not be."""
    found = Path(path)
    if found.suffix != ".onnx":
        raise ArgumentError(argument, wanted="a file name that ends in .onnx", got=str(path))
    above = found.parent.parent if folder_may_be_new else found.parent
    there = found.parent.is_dir() or (not found.parent.exists() and above.is_dir())
    if found.is_dir() or not there:
        got = what_is(found) if found.is_dir() else f"{found}, whose folder is not there"
        raise ArgumentError(argument, wanted="a file in a folder that is there", got=got)
    if found.exists() and not overwrite:
        raise ArgumentError(
            argument,
            wanted="the name of a file that is not there yet",
            got=what_is(found),
            remedy="`overwrite=True` takes its place.",
        )
    return found
