"""Which steps of which rows are there: lengths, masks [T, B], zero rows; steps moved by them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ostinato._exporting import exporting
from ostinato.errors import DtypeError


def whole_numbers(argument: str, given: Tensor | Sequence[int]) -> Tensor:
    """Numbers as a tensor. Raises DtypeError for what are no whole numbers of 64 bits."""
    at = given.device if isinstance(given, Tensor) else "cpu"
    try:
        found = torch.as_tensor(given, device=at)
        found = found.long() if found.numel() == 0 else found
    # what torch says of text, of None, of lists of lists and of numbers that are too large
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise _no_numbers(argument, repr(given)) from error
    whole = not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
    if not whole or found.layout is not torch.strided or found.is_meta:
        plain = found.layout is torch.strided and not found.is_meta
        kind = str(found.dtype) if plain else f"a tensor without its numbers ({found.device})"
        raise _no_numbers(argument, kind)
    return found


def _no_numbers(argument: str, got: str) -> DtypeError:
    return DtypeError(
        argument,
        wanted="whole numbers, one for each row of the batch",
        got=got if len(got) <= 60 else f"{got[:60]} ...",
        remedy=f"Use {argument}.long(); for a bool mask [T, B] there is mask=.",
    )


def mask_from_lengths(lengths: Tensor, num_steps: int) -> Tensor:
    """bool [T, B] from lengths [B]: True at the first ``lengths[b]`` steps of row b."""
    steps = torch.arange(num_steps, device=lengths.device)
    return steps[:, None] < lengths[None, :]


def nonzero_rows(xs: Tensor, num_leading: int) -> Tensor:
    """bool [leading...]: where anything in the trailing dimensions differs from zero, NaN too."""
    # the extra dimension makes a number of a tensor [leading...] a row as well; amax, and not any,
    # because the fused backend knows it
    return (xs.detach() != 0).unsqueeze(-1).flatten(num_leading).amax(-1)


def running_order(mask: Tensor, reverse: bool) -> Tensor:
    """Steps [T, B] by row: those in the mask first, in running order, then the others."""
    num_steps = mask.shape[0]
    steps = torch.arange(num_steps, device=mask.device)[:, None].expand_as(mask)
    ranks = num_steps - 1 - steps if reverse else steps
    return torch.where(mask, ranks, ranks + num_steps).argsort(dim=0)


def take_steps(xs: Tensor, order: Tensor) -> Tensor:
    """xs [T, B, ...] with row b's step t taken from step ``order[t, b]``."""
    index = order.reshape(*order.shape, *(1,) * (xs.dim() - 2))
    return xs.gather(0, index.expand_as(xs))


def zero_masked(xs: Tensor, mask: Tensor) -> Tensor:
    """xs [T, B, ...] with zeros where the mask is False, whatever stood there, NaN included."""
    there = mask.reshape(*mask.shape, *(1,) * (xs.dim() - 2))
    return either(there, xs, torch.zeros((), dtype=xs.dtype, device=xs.device))


def either(there: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """``torch.where``; of flags in an exported graph in terms that ONNX Runtime has."""
    if exporting() and yes.dtype == torch.bool:
        return (there & yes) | (~there & no)
    return torch.where(there, yes, no)
