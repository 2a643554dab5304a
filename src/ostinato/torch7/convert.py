"""Old tensors into our parameters, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato.cell import Cell
from ostinato.errors import ArgumentError, DtypeError, ShapeError
from ostinato.torch7.layouts import Part, Parts, order
from ostinato.torch7.walk import Place, joined, places


def load(module: nn.Module, tensors: Sequence[Any], *layouts: str) -> nn.Module:
    """Fill a module with the parameters of an old one; returns the module.

    ``module`` is a cell, x [B, I] to y [B, H], or anything that is made of cells and torch modules
    in the order of the old model: a Stack, a BiSequencer (forward first), a GateDropout, a
    Recurrent. ``tensors`` are those of the old ``module:parameters()`` in their order, as tensors
    or arrays. ``layouts`` are the old classes of its cells: one name of `LAYOUTS` for all of them,
    or one for each, in order. Modules without gates take their own parameters as they stand.
    Raises ArgumentError for unknown names, for cells that are not the old ones, and for a wrong
    number of tensors; ShapeError for a tensor of the wrong shape.
    """
    values = convert(module, tensors, *layouts)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(values[name])
    return module


def convert(module: nn.Module, tensors: Sequence[Any], *layouts: str) -> dict[str, Tensor]:
    """What `load` would fill in: tensors such as [G*H, I], by the names of the parameters.

    Gradients are laid out as parameters are, so it converts them as well. Where a gate has two
    biases here and had one there, the second becomes zero.
    """
    found = places(module, layouts)
    given = [as_numbers(f"tensors[{at}]", one) for at, one in enumerate(as_list(tensors))]
    made: dict[str, Tensor] = {}
    at = 0
    for place in found:
        if place.parameter is not None:
            made[place.path] = taken(given, at, list(place.parameter.shape), place.path)
            at += 1
            continue
        values, at = from_cell(place, given, at)
        made |= {joined(place.path, name): tensor for name, tensor in values.items()}
    if at < len(given):
        raise ArgumentError(
            "tensors",
            wanted=f"{at} tensors for {type(module).__name__}",
            got=str(len(given)),
            remedy="Perhaps the old cells had another class or option, or there is a layer more.",
        )
    return made | blank_rows(module, made)


def blank_rows(module: nn.Module, made: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tables of embeddings with zeros for padding, which the old ones wrote at each forward."""
    found: dict[str, Tensor] = {}
    for path, part in module.named_modules():
        if isinstance(part, nn.Embedding) and part.padding_idx is not None:
            name = joined(path, "weight")
            found[name] = made[name].clone()
            found[name][part.padding_idx] = 0
    return found


def as_list(tensors: Any) -> list[Any]:
    """All tensors. Raises DtypeError for text and for what has no order."""
    one = isinstance(tensors, Tensor) and tensors.dim() == 0
    if one or isinstance(tensors, str | bytes | dict | set) or not isinstance(tensors, Iterable):
        raise DtypeError(
            "tensors",
            wanted="the list of module:parameters(), tensors or arrays",
            got=type(tensors).__name__,
            remedy="A file is read first, such as with the torchfile package.",
        )
    return list(tensors)


def as_numbers(argument: str, one: Any) -> Tensor:
    """A tensor or an array as a tensor of real numbers. Raises DtypeError for anything else."""
    try:
        found = torch.as_tensor(one).detach()
    # what torch says of text, of None, and of lists of unlike lengths
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise DtypeError(
            argument,
            wanted="a tensor or an array",
            got=type(one).__name__,
            remedy="Take the values of module:parameters() as they are.",
        ) from error
    if found.is_complex():
        raise DtypeError(
            argument,
            wanted="real numbers",
            got=str(found.dtype),
            remedy="Old models have no others.",
        )
    return _tree.tensor(argument, found)


def export(module: nn.Module, *layouts: str) -> list[Tensor]:
    """The parameters of a module as the tensors of the old one: the inverse of `load`.

    Where a gate has two biases [H] here and had one there, it gives their sum.
    """
    made: list[Tensor] = []
    for place in places(module, layouts):
        if place.cell is None or place.layout is None:
            assert place.parameter is not None
            made.append(place.parameter.detach().clone())
            continue
        chosen = place.layout.variants(place.cell)[0]
        named = {(name, gate) for one in chosen for name in one.names for gate in one.gates}
        made += [read(one, place.cell, named) for one in chosen]
    return made


def from_cell(place: Place, given: list[Tensor], at: int) -> tuple[dict[str, Tensor], int]:
    """The parameters of a cell from the tensors that begin at a place, and where they end."""
    cell, layout = place.cell, place.layout
    assert cell is not None
    assert layout is not None

    def fitting(parts: Parts) -> int:
        found = zip(parts, given[at:], strict=False)
        return len(list(takewhile(lambda pair: list(pair[1].shape) == shape(pair[0], cell), found)))

    chosen = max(layout.variants(cell), key=fitting)
    like = given[at] if at < len(given) else torch.empty(0)
    found = {name: like.new_zeros(p.shape) for name, p in cell.named_parameters()}
    for n, one in enumerate(chosen):
        name = joined(place.path, str(one))
        write(one, cell, found, taken(given, at + n, shape(one, cell), name))
    return found, at + len(chosen)


def taken(given: list[Tensor], at: int, wanted: list[int], name: str) -> Tensor:
    """The tensor at a place; raises where there is none, or it has another shape."""
    if at >= len(given):
        raise ArgumentError(
            "tensors",
            wanted=f"at place {at} the {name}, {wanted}",
            got=f"only {len(given)}",
            remedy="Pass all of the old module:parameters(), in their order.",
        )
    if list(given[at].shape) != wanted:
        raise ShapeError(
            f"tensors[{at}]",
            wanted=f"{wanted}, the {name}",
            got=str(list(given[at].shape)),
            remedy="Perhaps the old cell had another class, option or size.",
        )
    return given[at]


def shape(part: Part, cell: Cell) -> list[int]:
    """The shape of a tensor of an old module."""
    own = [cell.get_parameter(name) for name in part.names]
    blocks = len(order(cell, part.names[0])) or 1
    rows = own[0].shape[0] // blocks * (len(part.gates) or 1)
    if own[0].dim() == 1:
        return [rows]
    size = [rows, sum(p.shape[1] for p in own)]
    return size[::-1] if part.transposed else size


def write(part: Part, cell: Cell, found: dict[str, Tensor], tensor: Tensor) -> None:
    """Put a tensor of an old module into the rows of ours that it stands for."""
    tensor = tensor.T if part.transposed else tensor
    tensor = -tensor if part.negated else tensor
    widths = [found[name].shape[-1] for name in part.names]
    pieces = tensor.split(widths, dim=-1) if len(widths) > 1 else [tensor]
    for name, piece in zip(part.names, pieces, strict=True):
        blocks = piece.chunk(len(part.gates) or 1)
        for target, block in zip(rows(part, cell, name, found[name]), blocks, strict=True):
            target.copy_(block)


def read(part: Part, cell: Cell, named: set[tuple[str, str]]) -> Tensor:
    """The inverse of `write`; biases that no part names are added to those beside them."""
    pieces: list[Tensor] = []
    for name in part.names:
        blocks = rows(part, cell, name, cell.get_parameter(name).detach())
        if name == "bias_ih":
            other = rows(part, cell, name, cell.get_parameter("bias_hh").detach())
            lone = [("bias_hh", gate) not in named for gate in part.gates]
            blocks = [a + b if add else a for a, b, add in zip(blocks, other, lone, strict=True)]
        pieces.append(torch.cat(blocks))
    tensor = torch.cat(pieces, dim=-1)
    tensor = -tensor if part.negated else tensor
    return (tensor.T if part.transposed else tensor).contiguous()


def rows(part: Part, cell: Cell, name: str, tensor: Tensor) -> list[Tensor]:
    """The blocks of a parameter of ours that belong to the gates of a part, as views."""
    gates = order(cell, name)
    if not gates:
        return [tensor]
    blocks = dict(zip(gates, tensor.chunk(len(gates)), strict=True))
    return [blocks[gate] for gate in part.gates]
