"""The README beside exported files: what they take and give, and how they are run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ostinato.export.graph import Graph, dtype_name

STREAM = """
```python
import json

import numpy as np
import onnxruntime as ort

session = ort.InferenceSession("{file}")
about = json.loads(session.get_modelmeta().custom_metadata_map["ostinato"])
# one row of each state for the start; of a batch of B, repeat it B times
state = {{n: np.array([one["row"]], one["dtype"]) for n, one in about["initial"].items()}}
names = [made.name for made in session.get_outputs()]


def step(x):
    made = dict(zip(names, session.run(None, {{"x": x, **state}})))
    state.update({{name: made[after] for name, after in about["states"].items()}})
    return made["{output}"]
```
"""

SEQUENCE = """
```python
import onnxruntime as ort

session = ort.InferenceSession("{file}")
outputs = session.run(None, {{{inputs}}})  # NumPy arrays
```
"""

PARTS = """
Run the encoder once; then the step for each token, its states those that the encoder or the step
before gave.
"""


def readme(
    title: str,
    graphs: Mapping[str, Graph],
    names: Mapping[str, str],
    files: Sequence[str],
    reads: Sequence[str],
    worst: float,
) -> str:
    """The text."""
    lines = [f"# {title}", "", *reads, ""]
    for part, graph in graphs.items():
        lines += [f"## {names[part]}", "", *table("input", graph), ""]
    if len(graphs) > 1:
        lines += [PARTS.strip(), ""]
    else:
        lines += [example(names[""], graphs[""]).strip(), ""]
    beside = ", ".join(f"`{name}`" for name in files)
    lines += [
        f"Beside it: {beside}." if files else "",
        "",
        "Compared with the model that it was made of, in ONNX Runtime on held-out data: the "
        f"outputs differ by at most {worst:.1e} of their size.",
    ]
    return "\n".join(lines) + "\n"


def table(head: str, graph: Graph) -> list[str]:
    """The inputs and outputs of a graph as a table."""
    rows = [f"| {head} | sizes | kind |", "| --- | --- | --- |"]
    for name, sample in graph.inputs.items():
        rows.append(f"| `{name}` | {sizes(graph, name, sample)} | {kind(sample)} |")
    rows += ["", "Outputs: " + ", ".join(f"`{name}`" for name in graph.outputs) + "."]
    if graph.states:
        pairs = (f"`{after}` is the next `{name}`" for name, after in graph.states.items())
        rows.append("States: " + ", ".join(pairs) + ".")
    return rows


def sizes(graph: Graph, name: str, sample: Tensor) -> str:
    """The dimensions of an input, such as ``[T, B, 3]``."""
    free = graph.axes.get(name, {})
    return "[" + ", ".join(free.get(axis, str(n)) for axis, n in enumerate(sample.shape)) + "]"


def kind(sample: Tensor) -> str:
    """The dtype as NumPy calls it."""
    return dtype_name(sample)


def example(file: str, graph: Graph) -> str:
    """How the file is run."""
    if graph.states and "x" in graph.inputs:
        return STREAM.format(file=file, output=graph.outputs[0])
    inputs = ", ".join(f'"{name}": {name}' for name in graph.inputs)
    return SEQUENCE.format(file=file, inputs=inputs)
