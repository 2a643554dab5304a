"""Whether `torch.export` is tracing: then what runs becomes a graph, for any T and B."""

from __future__ import annotations

import torch


def _traced_otherwise() -> bool:
    """The same in torch 2.6, which does not tell what it is tracing for."""
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()


exporting = getattr(torch.compiler, "is_exporting", _traced_otherwise)
"""Whether `torch.export` is tracing just now, strictly or not; `torch.onnx.export` calls it too."""
