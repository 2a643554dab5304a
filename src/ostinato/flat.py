"""All parameters of a module as one vector, and all gradients as another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.cell import check_any_module
from ostinato.errors import ArgumentError, DeviceError, DtypeError


def flatten_parameters_and_grads(module: nn.Module) -> tuple[Tensor, Tensor]:
    """One contiguous vector of all parameters and one of all gradients, both of size [P].

    The module's parameters become views into the first and their ``.grad`` views into the second,
    so that one update of the vector updates the model; values and gradients are kept, a missing
    gradient becomes zero. A parameter that modules share stands in the vectors once. Calling it
    again gives the same vectors, as long as nothing else has moved the parameters. Use
    ``zero_grad(set_to_none=False)`` with it, or zero the vector. Torch's ``getParameters()``.
    Raises ArgumentError for a module without parameters, DtypeError or DeviceError where they
    differ in dtype or device.
    """
    check_any_module("module", module)
    parameters = list(module.parameters())
    if not parameters:
        raise ArgumentError(
            "module",
            wanted="a module with parameters",
            got=type(module).__name__,
            remedy="There is nothing to flatten in it.",
        )
    for p in parameters:
        _check_alike(parameters[0], p)
    with torch.no_grad():
        values = _gather([p.data for p in parameters])
        grads = _gather([p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters])
        offset = 0
        for p in parameters:
            place = slice(offset, offset + p.numel())
            p.data = values[place].view(p.shape)
            p.grad = grads[place].view(p.shape)
            offset += p.numel()
    return values, grads


def _gather(tensors: list[Tensor]) -> Tensor:
    """The vector whose pieces these tensors are already, or a new one with copies of them."""
    base = tensors[0]
    size = sum(t.numel() for t in tensors)
    there = base.storage_offset()
    for t in tensors:
        same = t.untyped_storage().data_ptr() == base.untyped_storage().data_ptr()
        if not (same and t.is_contiguous() and t.storage_offset() == there):
            return torch.cat([t.reshape(-1) for t in tensors])
        there += t.numel()
    return base.as_strided((size,), (1,), base.storage_offset())


def _check_alike(first: Tensor, other: Tensor) -> None:
    if first.dtype != other.dtype:
        raise DtypeError(
            "module",
            wanted=f"parameters of one dtype, as the first one's {first.dtype}",
            got=str(other.dtype),
            remedy="Convert it with module.to(dtype).",
        )
    if first.device != other.device:
        raise DeviceError(
            "module",
            wanted=f"parameters on one device, as the first one on {first.device}",
            got=str(other.device),
            remedy="Move it with module.to(device).",
        )
