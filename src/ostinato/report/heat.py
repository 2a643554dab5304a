"""Numbers over time as a map of colours, with the text of the steps under it."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ostinato.report.activations import Activations
from ostinato.report.markup import data_uri, element, sign, tag, text

# Units and steps that a map shows, layers of a model, and the height of all maps in rem.
_UNITS, _STEPS, _LAYERS, _HEIGHT = 128, 160, 6, 26.0
# Heights in rem that no row of a map is higher than, and the input's map.
_ROW, _PIXEL, _INPUT = 0.5, 1.5, 12.0
# Characters that are written across a step and not down.
_ACROSS = 3
# Numbers under the steps: one in so many.
_EVERY = 5
# Negative and positive numbers; how strong a colour is says how large its number is, so that zero
# is the paper, be it white or black.
_NEGATIVE, _POSITIVE = (37, 99, 235), (217, 84, 20)


def draw_activations(activations: Activations) -> str:
    """A figure: what is read where that is numbers, a map for each layer, and the steps' text."""
    named = list(activations.layers.items())[:_LAYERS]
    layers = {name: _numbers(each) for name, each in named}
    steps = min([_STEPS, *map(len, layers.values())]) if layers else 0
    if not steps:
        return ""
    rows = [_heat(name, each[:steps], _HEIGHT / len(layers)) for name, each in layers.items()]
    if activations.inputs is not None:
        read = _numbers(activations.inputs)[:steps]
        width = read.shape[1]
        rows.insert(0, _map("input", read, np.arange(width), min(_INPUT, _PIXEL * width)))
    rows += [_texts(name, pieces[:steps]) for name, pieces in activations.rows.items()]
    if not activations.rows:
        rows.append(_texts("step", _counted(steps)))
    crowded = any(_crowded(pieces[:steps]) for pieces in activations.rows.values())
    style = f"--steps:{steps}" + (";--least:1.05rem" if crowded else "")
    grid = element("div", *rows, class_="heat", style=style)
    said = element("p", text(activations.about), class_="about")
    box = element("div", grid, class_="scroll", tabindex=0, role="group", aria_label="heat map")
    return element("figure", said, box, _caption(list(layers.values())), class_="activations")


def _numbers(tensor: object) -> np.ndarray:
    """[T, H] in float32, with zero for what is no finite number."""
    return np.nan_to_num(np.asarray(tensor, dtype=np.float32), posinf=0.0, neginf=0.0)


def _caption(layers: Sequence[np.ndarray]) -> str:
    most = max(each.shape[1] for each in layers)
    chosen = f"; of {most} units, the {_UNITS} that change most" if most > _UNITS else ""
    words = (
        f"The output of each unit at each step, in orange above zero and in blue below; units that "
        f"act alike stand together{chosen}. Each map has its own scale, which its name tells."
    )
    return element("figcaption", text(words), " ", element("output", class_="value"))


def _heat(name: str, values: np.ndarray, height: float) -> str:
    units = _alike(values, _moving(values))
    return _map(name, values[:, units], units, min(height, _ROW * len(units)))


def _moving(values: np.ndarray) -> np.ndarray:
    """The places of the units that are shown, at most so many: those with the largest variance."""
    return np.sort(np.argsort(-values.var(0), kind="stable")[:_UNITS])


def _alike(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The units in an order in which neighbours act alike.

    Each unit's course over time, less its mean and of length 1, is a point; the order is that of
    the angle in the plane of the two directions in which the points differ most.
    """
    course = (values[:, units] - values[:, units].mean(0)).T  # [H, T]
    length = np.linalg.norm(course, axis=1, keepdims=True)
    course = course / np.where(length > 0, length, 1)
    if min(course.shape) < 2:
        return units
    places, sizes, _ = np.linalg.svd(course, full_matrices=False)
    across, up = (places * sizes)[:, :2].T
    return units[np.argsort(np.arctan2(up, across), kind="stable")]


def _map(name: str, values: np.ndarray, units: np.ndarray, height: float) -> str:
    """A name and a picture [T, U] of its width; the values are kept for who points at them."""
    largest = float(np.abs(values).max()) or 1.0
    levels = np.round(values / largest * 127).astype(np.int8).T  # [U, T]
    label = element("span", text(name), element("small", f"±{largest:.2g}"), class_="name")
    picture = tag(
        "img",
        src=data_uri(_png(levels), "image/png"),
        alt=f"Heat map of {name}: {levels.shape[0]} rows over {levels.shape[1]} steps, values "
        f"from {values.min():.3g} to {values.max():.3g}.",
        style=f"--height:{height:.4g}rem",
        data_values=b64encode(levels.tobytes()).decode("ascii"),
        data_units=",".join(map(str, units + 1)),
        data_scale=f"{largest / 127:.6g}",
        data_name=name,
    )
    return element("div", label, picture, class_="row")


def _texts(name: str, pieces: Sequence[str]) -> str:
    """A name and a text under each step, upright where it is a single character."""
    long = any(len(sign(piece)) > _ACROSS for piece in pieces)
    cells = (
        element("bdi", text(sign(piece)), class_=None if piece.strip() else "blank")
        for piece in pieces
    )
    row = element(
        "div",
        *cells,
        class_="texts long" if long else "texts",
        role="img",
        aria_label=f"{name}: {''.join(pieces) if not long else ' '.join(pieces)}",
    )
    return element("div", element("span", text(name), class_="name"), row, class_="row")


def _crowded(pieces: Sequence[str]) -> bool:
    """Whether words are written down steps that stand side by side."""
    long = [len(sign(piece)) > _ACROSS for piece in pieces]
    return any(map(all, pairwise(long)))


def _counted(steps: int) -> list[str]:
    every = _EVERY if steps > 2 * _EVERY else 1
    return [str(n) if n == 1 or n % every == 0 else "" for n in range(1, steps + 1)]


def _png(levels: np.ndarray) -> bytes:
    """Levels [U, T] from -127 to 127 as a picture with a palette: a hue by the sign, and the
    opacity by the size."""
    height, width = levels.shape
    size = np.abs(np.arange(256).astype(np.uint8).view(np.int8).astype(int)).clip(max=127)
    palette = bytes(_POSITIVE) * 128 + bytes(_NEGATIVE) * 128
    rows = np.concatenate([np.zeros((height, 1), np.uint8), levels.view(np.uint8)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", palette),
        (b"tRNS", (size * 255 // 127).astype(np.uint8).tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    both = kind + content
    return struct.pack(">I", len(content)) + both + struct.pack(">I", zlib.crc32(both))
