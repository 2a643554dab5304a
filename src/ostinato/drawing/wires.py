"""The lines of a picture between boxes that have their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ostinato.drawing.arrange import LINE, PAD, Plan, Stop
from ostinato.drawing.graph import Kind, Node
from ostinato.drawing.layers import Item, Link

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Wire:
    """A line through points: a curve that rises from each to the next, or straight pieces.

    ``grad`` says whether a gradient comes back along it, ``shared`` what kind of thing it comes
    from where all steps share that.
    """

    points: tuple[Point, ...]
    grad: bool
    arrow: bool = True
    curved: bool = False
    shared: Kind | None = None


@dataclass(frozen=True)
class Text:
    """Words beside a wire; ``at`` is their left end, or their right one if they go to the left."""

    at: Point
    words: str
    to_left: bool = False


class Wiring:
    """All wires and texts of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.wires: list[Wire] = []
        self.texts: list[Text] = []
        self._grads = {(e.source, e.target) for e in plan.graph.edges if e.value.grad}
        self._links = [link for step in plan.steps for link in step.links]
        self._several = {edge.source for edges in plan.beside.values() for edge in edges}
        self._ins = {node: self._entry_points(node) for node in plan.graph.nodes}
        self._outs = {node: self._exit_points(node) for node in plan.graph.nodes}
        for link in self._links:
            self._connect(link)
        for held, stops in plan.entries.items():
            for stop in stops:
                self._enter(held, stop)
        for state, stops in plan.exits.items():
            for stop in stops:
                self._leave(state, stop)
        self._cross_steps()
        self._write()

    def _x(self, item: Item) -> float:
        return self.plan.boxes[item].x if isinstance(item, Node) else self.plan.bend_x[item]

    def _entry_points(self, node: Node) -> dict[Node, float]:
        """Where on the lower border each source arrives: lanes first, then arrows as they come."""
        box, entries = self.plan.boxes[node], self.plan.entries.items()
        links = [link for link in self._links if link.target is node]
        links.sort(key=lambda link: self._x(link.stations[-2]))
        arrows = spread(box.left, box.right, [link.source for link in links])
        lanes = [h for h, stops in entries for s in stops if s.lane and node in s.nodes]
        lanes.sort(key=lambda held: self.plan.boxes[held].y)
        return arrows | spread(box.left, min([*arrows.values(), box.right]), lanes)

    def _exit_points(self, node: Node) -> dict[Node, float]:
        """Where on the upper border each arrow leaves: in the middle, or side by side."""
        links = [link for link in self._links if link.source is node]
        links.sort(key=lambda link: self._x(link.stations[1]))
        box = self.plan.boxes[node]
        targets = [link.target for link in links]
        if node not in self._several:
            return dict.fromkeys(targets, box.x)
        return spread(box.left, box.right, targets)

    def _draw(self, points: list[Point], ends: tuple[Node, Node], *, arrow: bool) -> None:
        shared = ends[0].kind if ends[0].step is None else None
        self.wires.append(Wire(tuple(points), ends in self._grads, arrow, shared=shared))

    def _connect(self, link: Link) -> None:
        """An arrow within a step; it passes upright through the rows between."""
        plan, (source, target) = self.plan, (link.source, link.target)
        x, y = self._outs[source][target], plan.boxes[source].top
        points = [(x, y), (x, y + LINE)]  # past the text
        for row, bend in enumerate(link.bends, plan.row(source) + 1):
            y, x = plan.row_y[row], plan.bend_x[bend]
            points += [(x, y - LINE), (x, y + LINE)]
        x, y = self._ins[target][source], plan.boxes[target].bottom
        points += [(x, y - LINE * max(plan.lines_beside(target), 0.5)), (x, y)]
        grad = (source, target) in self._grads
        self.wires.append(Wire(tuple(points), grad, curved=True))

    def _enter(self, held: Node, stop: Stop) -> None:
        """From a state or a shared node into the nodes of a stop."""
        box, y = self.plan.boxes[held], self.plan.y(stop)
        points = [(box.right, box.y)]
        if y != box.y and held.kind == "state" and held.step is not None:
            points = [(box.x, box.top), (box.x, y)]
        elif y != box.y:
            points += [(self.plan.turn_x[held], box.y), (self.plan.turn_x[held], y)]
        ends = [self.plan.boxes[node] for node in stop.nodes]
        if stop.lane is None:
            self._draw([*points, (ends[0].left, y)], (held, stop.nodes[0]), arrow=True)
            return
        taps = [self._ins[node][held] for node in stop.nodes]
        self._draw([*points, (max(taps), y)], (held, stop.nodes[0]), arrow=False)
        for node, x, end in zip(stop.nodes, taps, ends, strict=True):
            self._draw([(x, y), (x, end.bottom)], (held, node), arrow=True)

    def _leave(self, state: Node, stop: Stop) -> None:
        """From the node that makes a state to the state."""
        node, y = stop.nodes[0], self.plan.y(stop)
        start, box = self.plan.boxes[node], self.plan.boxes[state]
        points = [(start.right, y)]
        if stop.lane is not None:
            points = [(start.x - start.width / 4, start.top), (start.x - start.width / 4, y)]
        if y == box.y:
            points.append((box.left, y))
        else:
            points += [(box.x, y), (box.x, box.top if y > box.y else box.bottom)]
        self._draw(points, (node, state), arrow=True)

    def _cross_steps(self) -> None:
        """Arrows from one step into another that are no states, as of tensors kept in a module."""
        for edge in self.plan.graph.edges:
            steps = (edge.source.step, edge.target.step)
            kinds = (edge.source.kind, edge.target.kind)
            if None not in steps and "state" not in kinds and steps[0] != steps[1]:
                start, end = self.plan.boxes[edge.source], self.plan.boxes[edge.target]
                points = ((start.x, start.top), (end.x, end.bottom))
                self.wires.append(Wire(points, edge.value.grad, curved=True))

    def _write(self) -> None:
        """The texts over nodes, and beside the ends of arrows."""
        for node, words in self.plan.above.items():
            box = self.plan.boxes[node]
            self.texts.append(Text((box.x + PAD / 2, box.top + LINE / 2), words))
        for node, edges in self.plan.beside.items():
            box, lines = self.plan.boxes[node], [0, 0]
            for edge in edges:
                x = self._ins[node][edge.source]
                left = x < box.x
                y = box.bottom - LINE * (lines[left] + 0.5)
                lines[left] += 1
                # beside all that arrives on that side
                x = min(self._ins[node].values()) - PAD / 2 if left else x + PAD / 2
                at = (x, y)
                self.texts.append(Text(at, edge.value.text, to_left=left))


def spread(left: float, right: float, ends: Sequence[Node]) -> dict[Node, float]:
    """Places side by side between left and right, in the order of what is at the other ends."""
    ends = list(dict.fromkeys(ends))
    return {end: left + (right - left) * (i + 1) / (len(ends) + 1) for i, end in enumerate(ends)}
