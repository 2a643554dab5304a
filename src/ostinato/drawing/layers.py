"""Laying out one time step in rows, after Sugiyama, Tagawa and Toda 1981.

Rows by the longest path, order within a row by the mean place of the neighbours (barycentres) with
the fewest crossings seen, positions by least squares under the distances that the widths demand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

from ostinato.drawing.graph import Node

# Sweeps over all rows; graphs of cells stop changing after a few.
_ORDER_SWEEPS, _PLACE_SWEEPS = 12, 61


@dataclass(eq=False)
class Bend:
    """Where an arrow passes through a row."""


@dataclass(eq=False)
class Link:
    """An arrow between two nodes of a step; ``bends`` are in the rows between, lowest first."""

    source: Node
    target: Node
    bends: list[Bend] = field(default_factory=list)

    @property
    def stations(self) -> list[Item]:
        """All that it passes, from the source to the target."""
        return [self.source, *self.bends, self.target]


Item: TypeAlias = Node | Bend


@dataclass
class Step:
    """A laid out time step: rows from the bottom, and the middle of every item in x."""

    rows: list[list[Item]]
    links: list[Link]
    row: dict[Node, int]
    x: dict[Item, float]


@dataclass(frozen=True)
class Extent:
    """How far a thing reaches to both sides of its middle."""

    left: float
    right: float


def lay_out(
    nodes: Sequence[Node],
    links: list[Link],
    extents: Mapping[Node, Extent],
    pulls: Mapping[Node, float],
    gap: float,
) -> Step:
    """Lay out the nodes of one step, given in the order of their calls.

    ``pulls`` are the nodes that something outside draws to a side, -1 to the left and 1 to the
    right; ``gap`` is the least distance between two items.
    """
    row = assign_rows(nodes, links)
    rows: list[list[Item]] = [[] for _ in range(max(row.values(), default=0) + 1)]
    for node in nodes:
        rows[row[node]].append(node)
    for link in links:
        for r in range(row[link.source] + 1, row[link.target]):
            link.bends.append(Bend())
            rows[r].append(link.bends[-1])
    rows = order(rows, links, pulls)
    narrow = Extent(gap / 4, gap / 4)
    wide = {item: extents[item] if isinstance(item, Node) else narrow for r in rows for item in r}
    return Step(rows, links, row, place(rows, links, wide, gap))


def assign_rows(nodes: Sequence[Node], links: list[Link]) -> dict[Node, int]:
    """The row of each node: one above the highest of its sources, outputs on top of all.

    Inputs are at the bottom. A node with more targets than sources is as high as these allow,
    which makes the arrows shorter.
    """
    sources: dict[Node, list[Node]] = {node: [] for node in nodes}
    targets: dict[Node, list[Node]] = {node: [] for node in nodes}
    for link in links:
        sources[link.target].append(link.source)
        targets[link.source].append(link.target)
    row = {node: 0 if node.kind == "input" else 1 for node in nodes if not sources[node]}
    for node in nodes:  # in the order of the calls, so that sources come before their targets
        if sources[node]:
            row[node] = 1 + max(row[source] for source in sources[node])
    top = max((row[node] for node in nodes if node.kind != "output"), default=0)
    row |= {node: top + 1 for node in nodes if node.kind == "output"}
    for node in reversed(nodes):
        if node.kind != "input" and len(targets[node]) > len(sources[node]):
            row[node] = min(row[target] for target in targets[node]) - 1
    return row


def neighbours(links: list[Link]) -> tuple[dict[Item, list[Item]], dict[Item, list[Item]]]:
    """The items that each item is joined to in the row below, and in the row above."""
    below: dict[Item, list[Item]] = {}
    above: dict[Item, list[Item]] = {}
    for link in links:
        for low, high in pairwise(link.stations):
            below.setdefault(high, []).append(low)
            above.setdefault(low, []).append(high)
    return below, above


def order(
    rows: list[list[Item]], links: list[Link], pulls: Mapping[Node, float]
) -> list[list[Item]]:
    """The rows with their items in the best order found.

    Best is what has the fewest crossings, lines from pulled nodes to their sides among them.
    """
    below, above = neighbours(links)
    best, fewest = rows, crossings(rows, above) + hindrances(rows, pulls)
    for sweep in range(_ORDER_SWEEPS):
        upwards = sweep % 2 == 0
        joined = below if upwards else above
        rows = list(rows)
        at: dict[Item, float] = {}
        for r in range(len(rows)) if upwards else reversed(range(len(rows))):
            now = {item: i for i, item in enumerate(rows[r])}
            mean = {item: centre(item, joined, at, pulls, now) for item in rows[r]}
            rows[r] = sorted(rows[r], key=mean.__getitem__)
            at |= {item: (i + 0.5) / len(rows[r]) for i, item in enumerate(rows[r])}
        count = crossings(rows, above) + hindrances(rows, pulls)
        if count < fewest:
            best, fewest = rows, count
    return best


def centre(
    item: Item,
    joined: Mapping[Item, list[Item]],
    at: Mapping[Item, float],
    pulls: Mapping[Node, float],
    now: Mapping[Item, int],
) -> float:
    """The mean place of an item's neighbours, in 0 to 1; what pulls it lies outside of that."""
    places = [at[other] for other in joined.get(item, ()) if other in at]
    if isinstance(item, Node) and item in pulls:
        places.append(0.5 + pulls[item])
    return sum(places) / len(places) if places else (now[item] + 0.5) / len(now)


def crossings(rows: list[list[Item]], above: Mapping[Item, list[Item]]) -> int:
    """How often arrows between neighbouring rows cross."""
    total = 0
    for low, high in pairwise(rows):
        at = {item: i for i, item in enumerate(high)}
        ends = [end for item in low for end in sorted(at[o] for o in above.get(item, ()))]
        total += sum(a > b for i, a in enumerate(ends) for b in ends[i + 1 :])
    return total


def hindrances(rows: list[list[Item]], pulls: Mapping[Node, float]) -> int:
    """How many items stand between pulled nodes and the sides that they are drawn to."""
    total = 0
    for row in rows:
        for i, item in enumerate(row):
            if isinstance(item, Node) and item in pulls:
                total += i if pulls[item] < 0 else len(row) - 1 - i
    return total


def place(
    rows: list[list[Item]], links: list[Link], wide: Mapping[Item, Extent], gap: float
) -> dict[Item, float]:
    """The middle of every item in x: near its neighbours, and no two too near to each other."""
    below, above = neighbours(links)
    joined = {item: below.get(item, []) + above.get(item, []) for row in rows for item in row}
    x: dict[Item, float] = {}
    for items in rows:
        x |= settle(items, dict.fromkeys(items, (0.0, 1)), wide, gap)
    for sweep in range(_PLACE_SWEEPS):
        for items in rows if sweep % 2 == 0 else reversed(rows):
            # weights make every sweep lower one and the same sum of squares, that of all arrows
            wanted = {
                item: (sum(x[o] for o in joined[item]) / len(joined[item]), len(joined[item]))
                if joined[item]
                else (x[item], 1)
                for item in items
            }
            x |= settle(items, wanted, wide, gap)
    leftmost = min((x[item] - wide[item].left for item in x), default=0.0)
    return {item: at - leftmost for item, at in x.items()}


def settle(
    items: Sequence[Any],
    wanted: Mapping[Any, tuple[float, int]],
    wide: Mapping[Any, Extent],
    gap: float,
) -> dict[Any, float]:
    """The places nearest to the wanted ones, by weighted squares, that keep order and distances.

    ``wanted`` holds places and weights. Without the distances this is isotonic regression, solved
    by pooling neighbours that would come in the wrong order (Ayer et al. 1955).
    """
    offsets = [0.0]
    for left, right in pairwise(items):
        offsets.append(offsets[-1] + wide[left].right + gap + wide[right].left)
    pools: list[tuple[float, int, int]] = []  # mean, weight and number of items
    for item, offset in zip(items, offsets, strict=False):
        mean, weight, count = wanted[item][0] - offset, wanted[item][1], 1
        while pools and pools[-1][0] > mean:
            other, heavy, many = pools.pop()
            mean = (mean * weight + other * heavy) / (weight + heavy)
            weight, count = weight + heavy, count + many
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return {item: m + o for item, m, o in zip(items, means, offsets, strict=False)}
