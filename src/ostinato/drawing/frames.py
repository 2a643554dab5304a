"""What Python's frames tell: the names of variables, and where an error came from."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator

from torch import Tensor, nn


def of_method(frame: types.FrameType | None, module: nn.Module) -> types.FrameType | None:
    """The innermost frame of a method of this module."""
    while frame is not None and frame.f_locals.get("self") is not module:
        frame = frame.f_back
    return frame


def local_names(frame: types.FrameType | None) -> Iterator[tuple[str, Tensor]]:
    """The tensors that local variables of a frame hold, by the variables' names; last one first.

    A method that takes its state apart, as in ``h = state``, gives the better names later.
    """
    for name, held in reversed((frame.f_locals if frame else {}).items()):
        if isinstance(held, Tensor):
            yield name, held


def causes(error: BaseException | None) -> Iterable[BaseException]:
    """An error and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def passed(error: BaseException) -> list[types.FrameType]:
    """The frames that an error passed, outermost first."""
    found: list[types.FrameType] = []
    trace = error.__traceback__
    while trace is not None:
        found.append(trace.tb_frame)
        trace = trace.tb_next
    return found


def modules(frame: types.FrameType) -> list[nn.Module]:
    """The modules that a frame is at work on: the one whose method it is.

    In ostinato's own functions, as of the backends, it is the cell that they run.
    """
    if isinstance(own := frame.f_locals.get("self"), nn.Module):
        return [own]
    if not frame.f_globals.get("__name__", "").startswith("ostinato."):
        return []
    found = [held for held in frame.f_locals.values() if isinstance(held, nn.Module)]
    return list({id(module): module for module in found}.values())
