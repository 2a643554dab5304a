"""The public door of `unroll`: every argument checked once, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from ostinato import _padding, _tree
from ostinato._exporting import exporting
from ostinato.backends.call import first_parameter, in_autocast, initial_state
from ostinato.cell import Cell
from ostinato.errors import ArgumentError, DeviceError, DtypeError, ShapeError, StateError
from ostinato.typing import State, Tree

FEW = 512
"""Numbers that Python compares in less time than torch takes to begin."""


def sequence(cell: Cell, xs: Tree) -> tuple[int, int]:
    """(T, B) of xs; raises where its shape, dtype or device does not suit the cell."""
    plain = type(xs) is Tensor and xs.layout is torch.strided
    if plain and xs.dim() == 3 and cell.input_size == xs.shape[2]:
        # the usual case first; what is wrong with others is said below
        parameter = first_parameter(cell, Tensor.is_floating_point)
        if parameter is None or (parameter.dtype is xs.dtype and parameter.device == xs.device):
            return xs.shape[0], xs.shape[1]
    num_steps, batch_size = sizes("xs", xs)
    if isinstance(xs, Tensor) or cell.input_size is not None:
        _features(cell, xs)
    for path, leaf in _tree.paths(xs, "xs"):
        _dtype_and_device(cell, path, leaf)
    return num_steps, batch_size


def sizes(argument: str, xs: Tree) -> tuple[int, int]:
    """(T, B) of a sequence; raises where it is not a tree of tensors [T, B, ...]."""
    if isinstance(xs, list):
        raise DtypeError(
            argument,
            wanted="a tensor [T, B, ...], or a tuple or dict of them",
            got="a list",
            remedy=f"Use torch.stack({argument}) for a list of steps.",
        )
    found = _tree.paths(xs, argument)
    if not found:
        raise ShapeError(
            argument,
            wanted="at least one tensor [T, B, ...]",
            got="an empty tree",
            remedy="T and B are read from it.",
        )
    first = found[0][1]
    for path, leaf in found:
        if leaf.dim() < 2 or leaf.shape[:2] != first.shape[:2]:
            wanted = list(first.shape[:2]) if first.dim() >= 2 else ["T", "B"]
            raise ShapeError(
                path,
                wanted=f"[{wanted[0]}, {wanted[1]}, ...], time first, then the batch",
                got=str(list(leaf.shape)),
                remedy="Add a batch dimension with x[:, None] to a single sequence.",
            )
    return first.shape[0], first.shape[1]


def _features(cell: Cell, xs: Tree) -> None:
    size = cell.input_size
    fits = isinstance(xs, Tensor) and xs.dim() == 3 and xs.shape[2] == size
    if size is not None and not fits:
        raise ShapeError(
            "xs",
            wanted=f"[T, B, {size}] for {type(cell).__name__} with input_size={size}",
            got=_tree.describe(xs),
            remedy="The last dimension holds the features of a step; time comes first.",
        )


def _dtype_and_device(cell: Cell, path: str, sample: Tensor) -> None:
    parameter = first_parameter(cell, Tensor.is_floating_point)
    if parameter is None:
        return
    if parameter.device != sample.device:
        raise DeviceError(
            path,
            wanted=f"a tensor on {parameter.device}, where the cell is",
            got=str(sample.device),
            remedy="Move one of them with .to(device).",
        )
    if sample.dtype == parameter.dtype:
        return
    if not (sample.is_floating_point() or sample.is_complex()):
        if cell.input_size is None:
            return
        raise DtypeError(
            path,
            wanted=f"{parameter.dtype}, as {type(cell).__name__} takes features",
            got=str(sample.dtype),
            remedy=f"Use xs.to({parameter.dtype}), or put torch.nn.Embedding before the cell.",
        )
    if in_autocast(sample.device):
        return
    if all(p.dtype != sample.dtype for p in cell.parameters()):
        raise DtypeError(
            path,
            wanted=f"{parameter.dtype}, the dtype of the cell",
            got=str(sample.dtype),
            remedy=f"Use xs.to({parameter.dtype}), or cell.to({sample.dtype}).",
        )


def mask(
    mask: Tensor | None,
    lengths: Tensor | Sequence[int] | None,
    num_steps: int,
    batch_size: int,
    device: torch.device,
) -> tuple[Tensor | None, Tensor | None]:
    """The mask [T, B] and, where it came as lengths, the lengths [B], both on the device."""
    if lengths is None:
        if mask is None:
            return None, None
        return flags("mask", mask, num_steps, batch_size, device), None
    if mask is not None:
        raise ArgumentError(
            "lengths",
            wanted="either lengths or mask",
            got="both",
            remedy="lengths is the short form of a mask; fold it into yours.",
        )
    lengths = _lengths(lengths, num_steps, batch_size).to(device)
    return _padding.mask_from_lengths(lengths, num_steps), lengths


def _lengths(given: Tensor | Sequence[int], num_steps: int, batch_size: int) -> Tensor:
    lengths = _padding.whole_numbers("lengths", given)
    if tuple(lengths.shape) != (batch_size,):
        raise ShapeError(
            "lengths",
            wanted=f"[{batch_size}], one for each row of the batch",
            got=str(list(lengths.shape)),
            remedy="xs is [T, B, ...]: its second dimension is the batch.",
        )
    # torch computes with no other unsigned numbers than uint8
    lengths = lengths.long()
    if exporting():  # what they are is not known; beyond T they count as T
        return lengths
    if torch.compiler.is_dynamo_compiling():
        # in a graph there are no numbers to look at
        right = ((lengths >= 0) & (lengths <= num_steps)).all()
        said = "lengths: wanted numbers from 0 to T. Pad xs to the longest row."
        torch._assert_async(right, said)  # pyright: ignore
        return lengths
    low, high = bounds(lengths) if batch_size else (0, 0)
    if low < 0 or high > num_steps:
        raise ArgumentError(
            "lengths",
            wanted=f"numbers from 0 to T={num_steps}",
            got=f"{low} to {high}",
            remedy="Pad xs to the longest row.",
        )
    return lengths


def bounds(numbers: Tensor) -> tuple[int, int]:
    """The smallest and the largest number."""
    if numbers.numel() > FEW:
        return int(numbers.min()), int(numbers.max())
    listed = cast("list[int]", numbers.tolist())  # pyright: ignore[reportUnknownMemberType]
    return min(listed), max(listed)


def flags(
    argument: str, given: Tensor, num_steps: int, batch_size: int, device: torch.device
) -> Tensor:
    """A bool tensor [T, B] on the device; raises where it is none."""
    plain = isinstance(given, Tensor) and given.layout is torch.strided and not given.is_meta  # pyright: ignore[reportUnnecessaryIsInstance]
    if not plain or given.dtype != torch.bool:
        raise DtypeError(
            argument,
            wanted="a bool tensor [T, B]",
            got=str(given.dtype) if plain else _tree.describe(given),
            remedy="Write it as a comparison, or add .bool().",
        )
    if tuple(given.shape) != (num_steps, batch_size):
        transposed = tuple(given.shape) == (batch_size, num_steps)
        raise ShapeError(
            argument,
            wanted=f"[T, B] = [{num_steps}, {batch_size}]",
            got=str(list(given.shape)),
            remedy="Time comes first: use .T." if transposed else "One flag for each step of xs.",
        )
    return given.to(device)


def flag(argument: str, given: object) -> None:
    """Raise DtypeError for what is neither true nor false."""
    if given is not True and given is not False and not (type(given) is int and given in (0, 1)):
        raise DtypeError(
            argument,
            wanted="True or False",
            got=repr(given),
            remedy="Text, of whatever word, would count as true.",
        )


def checkpoint(length: int | None) -> None:
    """Raise where there cannot be a checkpoint at every so many steps."""
    if length is None or (type(length) is int and length >= 1):
        return
    raise ArgumentError(
        "checkpoint",
        wanted="a whole number of steps, at least 1, or None",
        got=repr(length),
        remedy="It is the length of the pieces that are run again; try the square root of T.",
    )


def state(cell: Cell, given: State, sample: Tensor, batch_size: int) -> None:
    """Raise where a given state is not of the form of the cell's initial state."""
    # on the meta device a state costs no memory, and no random numbers where it holds masks
    wanted = initial_state(cell, sample, batch_size, "meta")
    found = _tree.mismatch(wanted, given, "state")
    if found and not (found.of_dtype and in_autocast(sample.device)):
        raise StateError(
            found.path,
            wanted=f"{found.wanted}, as in {type(cell).__name__}.initial_state({batch_size})",
            got=found.got,
            remedy="Pass the state that an earlier call returned, or None to start afresh.",
        )
    for path, leaf in _tree.paths(given, "state"):
        if leaf.device != sample.device:
            raise DeviceError(
                path,
                wanted=f"a tensor on {sample.device}, where xs is",
                got=str(leaf.device),
                remedy="Move it with .to(device).",
            )
