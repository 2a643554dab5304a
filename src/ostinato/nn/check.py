"""What a call was given, and what a cell of the user's own gave, checked."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ostinato import _tree
from ostinato.backends.call import in_autocast
from ostinato.errors import DtypeError, ShapeError
from ostinato.nn.errors import HiddenError, InputDeviceError, InputDtypeError, InputError
from ostinato.typing import State

AXES = "[T, B, {0}], [B, T, {0}] with batch_first, or [T, {0}] for one sequence"


def rank(x: object, input_size: int) -> int:
    """The number of dimensions of an input, 2 or 3; raises where it is no such tensor."""
    if not isinstance(x, Tensor):
        raise DtypeError(
            "input",
            wanted="a tensor or a PackedSequence",
            got=type(x).__name__,
            remedy="Stack a list of tensors with torch.stack, or pad it with pad_sequence.",
        )
    if x.dim() not in (2, 3):
        raise ShapeError(
            "input",
            wanted=AXES.format(input_size),
            got=str(list(x.shape)),
            remedy="Add or merge dimensions until there are 2 or 3.",
        )
    return x.dim()


def features(x: Tensor, input_size: int) -> None:
    """Raise InputError where the last dimension is not the features."""
    if x.shape[-1] != input_size:
        raise InputError(
            "input",
            wanted=AXES.format(input_size),
            got=str(list(x.shape)),
            remedy="The last dimension holds the features of a step.",
        )


def packed_data(data: Tensor, input_size: int) -> None:
    """Raise InputError where the data of a PackedSequence is not [N, I]."""
    if data.dim() != 2 or data.shape[1] != input_size:
        raise InputError(
            "input",
            wanted=f"a PackedSequence with data [N, {input_size}]",
            got=str(list(data.shape)),
            remedy="Pack a tensor [T, B, I].",
        )


def kind(x: Tensor, weight: Tensor) -> None:
    """Raise where the input has another dtype or device than a weight."""
    if x.device != weight.device:
        raise InputDeviceError(
            "input",
            wanted=f"a tensor on {weight.device}, where the weights are",
            got=str(x.device),
            remedy="Move one of them with .to(device).",
        )
    if x.dtype != weight.dtype and not in_autocast(x.device):
        raise InputDtypeError(
            "input",
            wanted=f"{weight.dtype}, the dtype of the weights",
            got=str(x.dtype),
            remedy=f"Use input.to({weight.dtype}), or module.to({x.dtype}).",
        )


def hidden(hx: State, form: State, num_cells: int, batch_size: int | None, x: Tensor) -> State:
    """hx as the tree that the cells carry; raises HiddenError where it is another one.

    ``form`` is the state of one cell for two rows, on the meta device; ``batch_size`` None stands
    for an unbatched input, whose hx has no batch dimension. A list serves as a tuple.
    """

    def stacked(leaf: Tensor) -> Tensor:
        rows = () if batch_size is None else (1 if leaf.shape[0] == 1 else batch_size,)
        dtype = x.dtype if leaf.is_floating_point() and x.is_floating_point() else leaf.dtype
        return leaf.new_empty(num_cells, *rows, *leaf.shape[1:], dtype=dtype)

    if isinstance(form, tuple) and isinstance(hx, (tuple, list)) and len(form) == len(hx):
        hx = _tree.rebuild(form, list(hx))
    found = _tree.mismatch(_tree.map(stacked, form), hx, "hx")
    if found and not (found.of_dtype and in_autocast(x.device)):
        raise HiddenError(
            found.path,
            wanted=f"{found.wanted}, for {num_cells} cells (layers times directions)",
            got=found.got,
            remedy="Pass what an earlier call returned, or None to start afresh.",
        )
    for path, leaf in _tree.paths(hx, "hx"):
        if leaf.device != x.device:
            raise HiddenError(
                path,
                wanted=f"a tensor on {x.device}, where input is",
                got=str(leaf.device),
                remedy="Move it with .to(device).",
            )
    return hx


def output(name: str, ys: Any, width: int) -> None:
    """Raise ShapeError where a cell of the user's own does not give [B, hidden_size]."""
    if not isinstance(ys, Tensor) or ys.shape[2:] != (width,):
        raise ShapeError(
            "cell",
            wanted=f"a cell whose y is [B, {width}], as hidden_size says",
            got=f"{name}, whose y over time is {_tree.describe(ys)}",
            remedy="Let hidden_size be the width of y.",
        )
