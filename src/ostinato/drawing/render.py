"""Drawing an arranged picture with Matplotlib, as SVG or PNG."""

from __future__ import annotations

import io
from typing import Any

from ostinato.data.requirements import require
from ostinato.drawing.arrange import COLOURS, FAILED, LINE, MARGIN, Box, Measure, Plan, node_text
from ostinato.drawing.graph import Graph, Node
from ostinato.drawing.wires import Text, Wire, Wiring

# In points; texts are measured in the font that they are drawn in.
_FONT, _SMALL = 8.0, 6.5
_DPI = 200

_LINE, _TEXT = "#374151", "#4b5563"
_SHARED = {"parameter": "#ea9a5b", "state": "#6bb383"}
"""Lines from what all steps share are lighter, as they cross much."""
_ROUND = ("input", "output", "state")
"""Tensors that come in, go out or go on have round ends, what computes has corners."""

_STYLE = {
    "svg.fonttype": "none",  # text stays text, so that it can be searched and is small
    "svg.hashsalt": "ostinato",  # the same picture is the same file
    "font.family": ["sans-serif"],  # where the reader of an SVG has not the one it is made for
    "font.sans-serif": ["DejaVu Sans"],
}


def draw_as(graph: Graph, format: str, caption: str = "") -> bytes:
    """The picture of a graph as the bytes of a file; ``format`` is "svg" or "png"."""
    matplotlib = require("matplotlib", "train")
    with matplotlib.rc_context(_STYLE):
        measured = measure()
        plan = Plan(graph, measured)
        lines = [*legend(graph), *caption.split("\n")] if caption else legend(graph)
        foot = LINE * len(lines) + MARGIN / 2 if lines else 0.0
        width = max([plan.width, *(measured(line) + 2 * MARGIN for line in lines)])
        height = plan.height + foot
        figure = require("matplotlib.figure", "train").Figure(figsize=(width, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, width)
        axes.set_ylim(plan.base - foot, plan.base + plan.height)
        paint(axes, plan, lines)
        file = io.BytesIO()
        kept = {"Date": None} if format == "svg" else {}
        figure.savefig(file, format=format, dpi=_DPI, facecolor="white", metadata=kept)
    return file.getvalue()


def legend(graph: Graph) -> list[str]:
    """What lines mean, where there are both kinds."""
    if {edge.value.grad for edge in graph.edges} == {True, False}:
        return ["Solid lines carry a gradient back, dashed lines do not."]
    return []


def measure() -> Measure:
    """The width in inches of a line in the font of the picture."""
    text = require("matplotlib.textpath", "train")
    font = require("matplotlib.font_manager", "train").FontProperties(family="DejaVu Sans")
    to_path = text.TextToPath()
    widths: dict[str, float] = {}

    def width(line: str) -> float:
        if line not in widths:
            drawn = to_path.get_text_width_height_descent(line, font, ismath=False)
            # the measure is of the font's own size, 10 points at 72 dots an inch
            widths[line] = drawn[0] / font.get_size_in_points() * _FONT / 72
        return widths[line]

    return width


def paint(axes: Any, plan: Plan, caption: list[str]) -> None:
    """All of a picture: lines, boxes over them, then words."""
    wiring = Wiring(plan)
    for wire in wiring.wires:
        paint_wire(axes, wire)
    for node, box in plan.boxes.items():
        paint_node(axes, node, box)
    for text in wiring.texts:
        paint_text(axes, text)
    for i, line in enumerate(caption):
        at = (MARGIN, plan.base - LINE * (i + 0.5))
        axes.text(*at, line, fontsize=_SMALL, color=_TEXT, va="center", parse_math=False)


def paint_wire(axes: Any, wire: Wire) -> None:
    """A line; dashed where no gradient comes back along it."""
    patches, path = require("matplotlib.patches", "train"), require("matplotlib.path", "train").Path
    points, codes = [wire.points[0]], [path.MOVETO]
    for (x0, y0), (x1, y1) in zip(wire.points, wire.points[1:], strict=False):
        if wire.curved:
            points += [(x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), (x1, y1)]
            codes += [path.CURVE4] * 3
        else:
            points.append((x1, y1))
            codes.append(path.LINETO)
    colour = _LINE if wire.shared is None else _SHARED[wire.shared]
    arrow = patches.FancyArrowPatch(
        path=path(points, codes),
        arrowstyle="-|>,head_length=3,head_width=1.6" if wire.arrow else "-",
        mutation_scale=1,
        linewidth=0.8,
        linestyle="-" if wire.grad else (0, (3, 2)),
        color=colour,
        capstyle="butt",
        zorder=1,
    )
    axes.add_patch(arrow)


def paint_node(axes: Any, node: Node, box: Box) -> None:
    """A box with its lines of text."""
    patches = require("matplotlib.patches", "train")
    fill, border = FAILED if node.failed else COLOURS[node.kind]
    radius = min(box.height / 2, 0.2) if node.kind in _ROUND else 0.05
    axes.add_patch(
        patches.FancyBboxPatch(
            (box.left, box.bottom),
            box.width,
            box.height,
            boxstyle=f"round,pad=0,rounding_size={radius}",
            facecolor=fill,
            edgecolor=border,
            linewidth=1.6 if node.failed else 0.9,
            zorder=2,
        )
    )
    axes.text(
        box.x,
        box.y,
        node_text(node),
        fontsize=_FONT,
        ha="center",
        va="center",
        linespacing=1.2,
        parse_math=False,
        zorder=3,
    )


def paint_text(axes: Any, text: Text) -> None:
    """Words beside a line."""
    axes.text(
        *text.at,
        text.words,
        fontsize=_SMALL,
        color=_TEXT,
        ha="right" if text.to_left else "left",
        va="center",
        parse_math=False,
        zorder=3,
    )
