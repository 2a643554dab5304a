"""Whether `torch.export` is tracing: then what runs becomes a graph, for any T and B."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch


def _traced_otherwise() -> bool:
    """The same in torch 2.6, which does not tell what it is tracing for."""
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()


exporting = getattr(torch.compiler, "is_exporting", _traced_otherwise)
"""Whether `torch.export` is tracing just now, strictly or not; `torch.onnx.export` calls it too."""

_onnx: ContextVar[bool] = ContextVar("ostinato_onnx", default=False)


@contextmanager
def exporting_to_onnx() -> Iterator[None]:
    """Within the block what is exported is for ONNX, as within `torch.onnx.export`."""
    token = _onnx.set(True)
    try:
        yield
    finally:
        _onnx.reset(token)


def is_for_onnx() -> bool:
    """Whether what is exported just now is for ONNX; not told in a strict export."""
    if torch.compiler.is_dynamo_compiling():
        return False
    return _onnx.get() or torch.onnx.is_in_onnx_export()
