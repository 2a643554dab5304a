"""Curves over the steps of a training, in the colours of the page and at any width.

Lines are stretched to the width of the screen, and all words stand beside them as text of the page,
so that they have their size on any screen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ostinato.report.markup import element, text
from ostinato.train.curves import columns, falls_far, means
from ostinato.train.report import Record

# Space under and over the lines, as shares of the height: the best value is named under its point.
_BELOW, _ABOVE = 0.14, 0.05
# Points of the held-out curve that are drawn, and that are marked.
_MOST, _MARKED = 500, 100

Points = tuple[Sequence[float], Sequence[float]]
"""Steps and values."""


@dataclass(frozen=True)
class Scale:
    """Values as shares of a length: 0 at its beginning, 1 at its end."""

    first: float
    last: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        bend = math.log10 if self.logarithmic else float
        first, last = bend(self.first), bend(self.last)
        return (bend(value) - first) / ((last - first) or 1.0)

    def ticks(self, most: int) -> list[float]:
        """Round numbers on the scale, at most so many if it is linear."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.first)), math.ceil(math.log10(self.last)) + 1)
            for factors in ((1, 2, 5), (1, 3), (1,)):
                found = [f * 10.0**p for p in powers for f in factors]
                found = [value for value in found if self.first <= value <= self.last]
                if len(found) <= most:
                    return found
            return found[:: -(-len(found) // most)]
        width = _round_width((self.last - self.first) / most)
        numbers = range(math.ceil(self.first / width), math.floor(self.last / width) + 1)
        return [number * width for number in numbers]


def fitted(values: Sequence[float], *, from_zero: bool = False) -> Scale:
    """The scale that has these values in it, with space round them."""
    low, high = min(values), max(values)
    if falls_far(values) and not from_zero:
        space = math.log10(high / low)
        return Scale(low / 10 ** (space * _BELOW), high * 10 ** (space * _ABOVE), logarithmic=True)
    if from_zero:
        return Scale(0.0, high * (1 + _ABOVE) or 1.0)
    space = (high - low) or abs(high) or 1.0
    return Scale(low - space * _BELOW, high + space * _ABOVE)


def draw_chart(
    records: Sequence[Record],
    figure: str,
    name: str,
    best_step: int = 0,
    baseline: float | None = None,
) -> str:
    """The curve of a figure in training and held out, the learning rate, and the norm of the
    gradient. ``best_step`` is the validation to be marked, by default that with the lowest value;
    ``baseline`` is a value to be beaten. Nothing is drawn of nothing."""
    training, held_out = columns(records, figure), columns(records, f"held_out_{figure}")
    if not training[0] and not held_out[0]:
        return ""
    best = _place(held_out, best_step)
    along = Scale(0, records[-1]["step"])
    panels = [_main(along, means(*training), held_out, best, baseline, name)]
    further = [("lr", "learning rate"), ("grad_norm", "norm of the gradient")]
    if not training[0]:
        further.insert(0, ("loss", "training loss, of another kind"))
    for key, title in further:
        thinned = means(*columns(records, key))
        if thinned[0]:
            scale = fitted(thinned[1], from_zero=key == "lr")
            line = _line(along, scale, thinned, "rate")
            panels.append(_panel(title, scale, line, ticks=3, height=5))
    panels.append(_steps(along))
    words = _told(f"{name} over {records[-1]['step']:,} steps", training, held_out, best)
    return element("figure", *panels, class_="chart", role="group", aria_label=words)


def _main(
    along: Scale,
    training: Points,
    held_out: Points,
    best: int,
    baseline: float | None,
    name: str,
) -> str:
    known = [*training[1], *held_out[1], *([] if baseline is None else [baseline])]
    scale = fitted(known)
    drawn, legend, labels = list[str](), list[str](), ""
    if training[0]:
        drawn.append(_line(along, scale, training, "training"))
        legend.append(element("span", "training", class_="training"))
    if baseline is not None:
        drawn.append(_path(f"M0 {_y(scale, baseline)}H1000", "baseline"))
        legend.append(element("span", "baseline", class_="baseline"))
    if held_out[0]:
        line = _line(along, scale, _thinned(held_out, best), "held-out")
        drawn += [line, *_marks(along, scale, held_out, best)]
        legend.append(element("span", "held-out", class_="held-out"))
        labels = _named(along, scale, held_out, best)
    key = element("p", text(name), " ", *legend, class_="legend")
    return key + _panel(name, scale, "".join(drawn), labels, ticks=6, height=17, titled=False)


def _thinned(held_out: Points, best: int) -> Points:
    """Some of the points where they are very many, the best one and the last among them."""
    count = len(held_out[0])
    places = sorted({*range(0, count, max(1, count // _MOST)), best, count - 1})
    return [held_out[0][place] for place in places], [held_out[1][place] for place in places]


def _marks(along: Scale, scale: Scale, held_out: Points, best: int) -> list[str]:
    """A dot at each held-out value, where they are few, and a ring round the best."""
    shown = range(len(held_out[0])) if len(held_out[0]) <= _MARKED else ()
    dots = [
        _path(_dot(along, scale, held_out, each), "dot", f"{held_out[1][each]:.4g}")
        for each in shown
    ]
    centre = _dot(along, scale, held_out, best)
    return [*dots, _path(centre, "ring"), _path(centre, "hole"), _path(centre, "dot")]


def _named(along: Scale, scale: Scale, held_out: Points, best: int) -> str:
    """The best value and its step in words, under its point."""
    step, value = held_out[0][best], held_out[1][best]
    left = along(step)
    side = "left" if left < 0.5 else "right"
    return element(
        "span",
        text(f"{value:.4g} at step {step:,}"),
        class_=f"best {side}",
        style=f"left:{left:.2%};top:{1 - scale(value):.2%}",
    )


def _place(held_out: Points, best_step: int) -> int:
    """Where the best value stands; -1 where there is none at all."""
    steps, values = held_out
    if best_step in steps:
        return steps.index(best_step)
    return min(range(len(values)), key=values.__getitem__, default=-1)


def _panel(
    name: str,
    scale: Scale,
    drawn: str,
    labels: str = "",
    *,
    ticks: int,
    height: float,
    titled: bool = True,
) -> str:
    """Lines on a grid, and the numbers of the grid beside it."""
    marks = scale.ticks(ticks)
    grid = _path("".join(f"M0 {_y(scale, mark)}H1000" for mark in marks), "grid")
    numbers = "".join(
        element("span", text(f"{mark:.4g}"), class_="y", style=f"top:{1 - scale(mark):.2%}")
        for mark in marks
    )
    svg = element(
        "svg",
        grid,
        drawn,
        viewBox="0 0 1000 1000",
        preserveAspectRatio="none",
        role="img",
        aria_label=name,
    )
    head = element("p", text(name), class_="legend") if titled else ""
    inner = element("div", numbers, svg, labels, class_="panel", style=f"--height:{height}rem")
    return head + inner


def _steps(along: Scale) -> str:
    numbers = "".join(
        element("span", text(f"{mark:,.0f}"), style=f"left:{along(mark):.2%}")
        for mark in along.ticks(6)
        if mark == int(mark)
    )
    return element("div", numbers, class_="steps") + element("p", "step", class_="axis")


def _line(along: Scale, scale: Scale, points: Points, kind: str) -> str:
    places = [f"{_x(along, step)} {_y(scale, y)}" for step, y in zip(*points, strict=True)]
    return _path(f"M{'L'.join(places)}", kind)


def _path(drawn: str, kind: str, title: str = "") -> str:
    inner = element("title", text(title)) if title else ""
    return element("path", inner, class_=kind, d=drawn)


def _dot(along: Scale, scale: Scale, points: Points, place: int) -> str:
    # a line of no length with round ends stays round, however the picture is stretched
    return f"M{_x(along, points[0][place])} {_y(scale, points[1][place])}h0"


def _x(along: Scale, step: float) -> str:
    return f"{1000 * along(step):.5g}"


def _y(scale: Scale, value: float) -> str:
    return f"{1000 * (1 - scale(value)):.5g}"


def _round_width(width: float) -> float:
    power = 10.0 ** math.floor(math.log10(width))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= width * 0.999)


def _told(what: str, training: Points, held_out: Points, best: int) -> str:
    """The curve for who cannot see it."""
    said = list[str]()
    if training[0]:
        said.append(f"in training from {training[1][0]:.4g} to {training[1][-1]:.4g}")
    if held_out[0]:
        said.append(f"held out best {held_out[1][best]:.4g} at step {held_out[0][best]:,}")
    return f"{what}: {'; '.join(said)}"
