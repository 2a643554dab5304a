"""Where everything in a picture stands: time steps side by side, states between them.

Inside a step the data goes upwards, x at the bottom and y on top. A state stands between the two
steps that it joins. What all steps share stands on the left, once, and a bus from there runs
under the rows of all steps. All lengths are in inches, from the lower left corner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ostinato.drawing.graph import Edge, Graph, Node
from ostinato.drawing.layers import Extent, Item, Link, Step, lay_out, settle

Measure: TypeAlias = Callable[[str], float]
"""The width of a line of text."""

LINE, PAD = 0.15, 0.09
"""The height of a line of text, and the space between the text of a node and its border."""
GAP, BEND, LANE = 0.16, 0.3, 0.18
"""Between two nodes of a row; for arrows to change their place; for a line across a step."""
GUTTER, MARGIN, RISE = 0.3, 0.2, 0.07
"""Beside a state; round the picture; between lines that go up beside each other."""
CALLS = ("call", "module")
"""The kinds of nodes that make values, whose arrows say what they carry."""

COLOURS = {
    "input": ("#dbeafe", "#2563eb"),
    "output": ("#ede9fe", "#7c3aed"),
    "state": ("#dcfce7", "#15803d"),
    "parameter": ("#ffedd5", "#c2410c"),
    "constant": ("#f3f4f6", "#6b7280"),
    "call": ("#ffffff", "#374151"),
    "module": ("#f1f5f9", "#334155"),
    "read": ("#f3f4f6", "#6b7280"),
}
"""Fill and border by the kind of a node."""

FAILED = ("#fecaca", "#dc2626")
"""Those of a node that failed."""


@dataclass(frozen=True)
class Box:
    """A node's place: its middle and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        """Its left border."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """Its right border."""
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        """Its upper border."""
        return self.y + self.height / 2

    @property
    def bottom(self) -> float:
        """Its lower border."""
        return self.y - self.height / 2


@dataclass(eq=False)
class Lane:
    """A level between two rows for lines across steps; ``steps`` are those where it is taken."""

    height: float
    steps: set[int]
    y: float = 0.0


@dataclass(eq=False)
class Stop:
    """Where a line from beside the steps reaches nodes in a row, of one step or of several.

    It goes by a lane, or, without one, straight to the side of a row's outermost node.
    """

    row: int
    nodes: list[Node]
    lane: Lane | None


class Plan:
    """The places of all boxes, rows, lanes and texts of a picture.

    ``above`` is the text over a node, on what it makes; ``beside`` are the arrows into a node that
    come from nodes which make several values. ``entries`` are the stops at which states
    and shared nodes are read, ``exits`` those at which states are made.
    """

    def __init__(self, graph: Graph, measure: Measure) -> None:
        self.graph = graph
        self.sizes = {node: size(node, measure) for node in graph.nodes}
        self.above, self.beside = texts(graph)
        self.extents = {node: self._extent(node, measure) for node in graph.nodes}
        shared = [node for node in graph.nodes if node.step is None]
        self.states = [n for n in graph.nodes if n.kind == "state" and n.step is not None]
        self.steps = [self._lay_out(step) for step in range(graph.num_steps)]
        # the lane of what is read further left lies higher, so that it is crossed less
        self.shared = sorted(shared, key=self._reading_x, reverse=True)
        self.under: dict[int, list[Lane]] = {}
        self.over: dict[int, list[Lane]] = {}
        self._straight: set[tuple[Node, int]] = set()
        self.entries: dict[Node, list[Stop]] = {}
        for node in self.states + self.shared:
            self.entries[node] = self._entries(node)
        self.exits = {node: self._exits(node) for node in self.states}
        self.row_y: dict[int, float] = {}
        self._stack_rows()
        self.boxes: dict[Node, Box] = {}
        self.bend_x: dict[Item, float] = {}
        self.turn_x: dict[Node, float] = {}
        self.width = self._stand_side_by_side()
        self.base = min(box.bottom for box in self.boxes.values()) - MARGIN
        self.height = max(box.top for box in self.boxes.values()) + MARGIN - self.base

    def y(self, stop: Stop) -> float:
        """The height at which a line comes to a stop."""
        return self.row_y[stop.row] if stop.lane is None else stop.lane.y

    def _extent(self, node: Node, measure: Measure) -> Extent:
        half = self.sizes[node][0] / 2
        over = measure(self.above.get(node, "")) + PAD
        under = max([measure(edge.value.text) for edge in self.beside.get(node, ())], default=0.0)
        both = under if self._arrivals(node) > 1 else 0.0
        return Extent(max(half, both), max(half, over, under + PAD))

    def _arrivals(self, node: Node) -> int:
        """How many arrows come to the lower border of a node."""
        inside = [e.source for e in self.graph.into(node) if e.source.step == node.step]
        return len({source for source in inside if source.kind != "state"})

    def lines_beside(self, node: Node) -> int:
        """The lines of text under a node; they stand on both sides of two arrows."""
        count = len(self.beside.get(node, ()))
        return count if self._arrivals(node) == 1 else (count + 1) // 2

    def _lay_out(self, step: int) -> Step:
        nodes = [n for n in self.graph.nodes if n.step == step and n.kind != "state"]
        inside, states = set(nodes), set(self.states)
        pairs = dict.fromkeys((edge.source, edge.target) for edge in self.graph.edges)
        links = [Link(a, b) for a, b in pairs if a in inside and b in inside]
        pulls = {b: -1.0 for a, b in pairs if a in states and b in inside}
        pulls |= {a: 1.0 for a, b in pairs if b in states and a in inside}
        return lay_out(nodes, links, self.extents, pulls, GAP)

    def row(self, node: Node) -> int:
        """The row of a node of a step, from the bottom."""
        assert node.step is not None
        return self.steps[node.step].row[node]

    def _reading_x(self, held: Node) -> float:
        """How far left in its step a shared node is read."""
        read = [edge.target for edge in self.graph.out_of(held)]
        return min(self.steps[node.step or 0].x[node] for node in read)

    def _entries(self, held: Node) -> list[Stop]:
        """Where a state or a shared node is read, from the lowest row up."""
        rows: dict[int, list[Node]] = {}
        for node in dict.fromkeys(edge.target for edge in self.graph.out_of(held)):
            rows.setdefault(self.row(node), []).append(node)
        return [
            self._stop(held, row, rows[row], self.under, stands=row == min(rows))
            for row in sorted(rows)
        ]

    def _exits(self, state: Node) -> list[Stop]:
        """Where a state is made in the step before it: nowhere for the first one."""
        made = dict.fromkeys(edge.source for edge in self.graph.into(state))
        unread = not self.entries[state]
        return [
            self._stop(state, self.row(node), [node], self.over, stands=unread) for node in made
        ]

    def _stop(
        self,
        held: Node,
        row: int,
        nodes: list[Node],
        lanes: dict[int, list[Lane]],
        *,
        stands: bool,
    ) -> Stop:
        """A stop, and its lane where it needs one; the box itself ``stands`` at one of them."""
        side = 0 if lanes is self.under else -1
        step = nodes[0].step
        assert step is not None
        boxes = [item for item in self.steps[step].rows[row] if isinstance(item, Node)]
        free_way = len(nodes) == 1 and boxes[side] is nodes[0] and not self._in_way(held, row)
        if free_way and held.step is not None and (nodes[0], side) not in self._straight:
            self._straight.add((nodes[0], side))
            return Stop(row, nodes, None)
        if held.step is None:
            steps, height = set(range(self.graph.num_steps)), LANE
        else:
            steps, height = {step}, self.sizes[held][1] + LANE / 2 if stands else LANE
        return Stop(row, nodes, free_lane(lanes.setdefault(row, []), steps, height))

    def _in_way(self, held: Node, row: int) -> bool:
        """Whether another state stands at the height of a row between the same two steps."""
        others = [n for n in self.states if n.step == held.step and n is not held]
        stops = [self.entries[node][0] for node in others if self.entries.get(node)]
        return any(stop.row == row and stop.lane is None for stop in stops)

    def _stack_rows(self) -> None:
        """Set the heights of rows and lanes, from the lowest up."""
        y = 0.0
        for row in range(max(len(step.rows) for step in self.steps)):
            nodes = [node for node in self.graph.nodes if self._in_row(node, row)]
            below = [node for node in self.graph.nodes if self._in_row(node, row - 1)]
            y += LINE * any(node in self.above for node in below)
            y = stack(self.over.get(row - 1, []), y) + BEND * (row > 0)
            y = stack(self.under.get(row, []), y)
            y += LINE * max([self.lines_beside(node) for node in nodes], default=0)
            tallest = max([self.sizes[node][1] for node in nodes], default=0.0)
            self.row_y[row] = y + tallest / 2
            y += tallest
        stack(self.over.get(max(self.row_y), []), y)

    def _in_row(self, node: Node, row: int) -> bool:
        """Whether a node of a step stands in a row; states may stand beside it."""
        if node.step is None:
            return False
        if node.kind == "state":
            stops = self.entries[node] or self.exits[node]
            return bool(stops) and stops[0].lane is None and stops[0].row == row
        return self.row(node) == row

    def _stand_side_by_side(self) -> float:
        """Set the places of all boxes, from the left; gives the width of it all."""
        x = self._stand_shared()
        for number in range(self.graph.num_steps + 1):
            x = self._stand_states(number, x)
            if number < self.graph.num_steps:
                x = self._stand_step(self.steps[number], x)
        return x + MARGIN

    def _stand_shared(self) -> float:
        """Shared nodes stand on the left, each as near to its lane as the others let it."""
        y = {node: (self.y(self.entries[node][0]), 1) for node in self.shared}
        nodes = sorted(self.shared, key=y.__getitem__)
        halves = {node: Extent(self.sizes[node][1] / 2, self.sizes[node][1] / 2) for node in nodes}
        right = MARGIN + max([self.sizes[node][0] for node in nodes], default=0.0)
        for node, at in settle(nodes, y, halves, GAP / 2).items():
            width, height = self.sizes[node]
            self.boxes[node] = Box(right - width / 2, at, width, height)
        # lines from a box up or down to its lane: those that go further turn nearer to the box
        up = [node for node in nodes if self.boxes[node].y > y[node][0]]
        down = [node for node in reversed(nodes) if node not in up]
        for turning in (up, down):
            for i, node in enumerate(turning):
                self.turn_x[node] = right + RISE * (i + 1)
        return right + RISE * (max(len(up), len(down)) + 1) if nodes else MARGIN

    def _stand_states(self, number: int, x: float) -> float:
        here = [node for node in self.states if node.step == number]
        stops = {node: (self.entries[node] or self.exits[node])[0] for node in here}
        for node in sorted(here, key=lambda node: -stops[node].row):
            width, height = self.sizes[node]
            x += GUTTER / 2
            self.boxes[node] = Box(x + width / 2, self.y(stops[node]), width, height)
            # nothing passes beside the last ones
            x += width if number < self.graph.num_steps else -GUTTER / 2
        last = max([self.boxes[node].right for node in here], default=x)
        return max(x, last) + (GUTTER if here else 0.0)

    def _stand_step(self, step: Step, x: float) -> float:
        right = x
        for item, at in step.x.items():
            if isinstance(item, Node):
                y = self.row_y[step.row[item]]
                self.boxes[item] = Box(x + at, y, *self.sizes[item])
                right = max(right, x + at + self.extents[item].right)
            else:
                self.bend_x[item] = x + at
        return right + GUTTER / 2


def free_lane(lanes: list[Lane], steps: set[int], height: float) -> Lane:
    """A lane that nothing else takes in these steps, and high enough; a fresh one is added."""
    lane = next((one for one in lanes if not one.steps & steps), None)
    if lane is None:
        lane = Lane(height, set())
        lanes.append(lane)
    lane.steps |= steps
    lane.height = max(lane.height, height)
    return lane


def stack(lanes: list[Lane], y: float) -> float:
    """Put lanes on top of each other from y up; gives where they end."""
    for lane in lanes:
        lane.y = y + lane.height / 2
        y += lane.height
    return y


def size(node: Node, measure: Measure) -> tuple[float, float]:
    """Width and height of a node's box; a sign stands in a square."""
    lines = node_text(node).split("\n")
    width, height = max(map(measure, lines)) + 2 * PAD, LINE * len(lines) + 2 * PAD
    return max(width, height), height


def node_text(node: Node) -> str:
    """The lines of a node: what it is, under it the path of a module; a state's shape below it."""
    if node.kind == "module":
        return "\n".join(filter(None, (node.path, node.label)))
    return node.label


def texts(graph: Graph) -> tuple[dict[Node, str], dict[Node, list[Edge]]]:
    """What is written over nodes, and the arrows into nodes that are written beside.

    The name and shape of a value stand once, over the call that made it; where a call made
    several, they stand at the ends of the arrows. Other nodes say it themselves.
    """
    above: dict[Node, str] = {}
    beside: dict[Node, list[Edge]] = {}
    for node in graph.nodes:
        used = [edge for edge in graph.out_of(node) if edge.target.kind in CALLS]
        if node.kind in CALLS and len({edge.value for edge in used}) == 1:
            above[node] = used[0].value.text
        elif node.kind in CALLS:
            for edge in used:
                beside.setdefault(edge.target, []).append(edge)
    return above, beside
