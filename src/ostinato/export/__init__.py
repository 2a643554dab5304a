"""Models out of Python: ONNX files that need neither ostinato nor torch.

`stream` writes a model of one step, whose states are named inputs and outputs; `sequence` one of
whole sequences. ``graph.py`` says what becomes one file, and writes it; ``states.py`` names the
tensors of a state; ``modules.py`` holds the modules that are traced; ``compare.py`` runs a file
beside the model that it was made of. A model of your own, with cells in it, needs nothing from
here: ``torch.onnx.export(model, ..., dynamo=True)`` takes it as it is.
"""

from ostinato.export.graph import ExportError, Graph
from ostinato.export.sequence import sequence
from ostinato.export.stream import stream

__all__ = ["ExportError", "Graph", "sequence", "stream"]
