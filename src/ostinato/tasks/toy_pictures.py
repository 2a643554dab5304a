"""Four pictures that tell why one value of the toy's curve does not tell its place, and three do.

Source: the figures 1 to 4 of "RNNs in Torch" (kbullaughey/lstm-play).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ostinato.data.problems import curve, inverse_fixed, inverse_grid
from ostinato.tasks.drawing import FAINT, OURS, TRUTH, picture

# The value at which the first panel cuts the curve, and the place of the second panel's example.
_LEVEL, _PLACE = 2.6, 6.61029


def draw_problem(path: Path, *, noise: float = 0.1) -> None:
    """The curve, one example, ten examples, and how alike the values of any two places are."""
    with picture(path, 2, 3, size=(12, 7)) as axes:
        _draw_curve(axes[0][0])
        _draw_example(axes[0][1], noise)
        _draw_examples(axes[0][2], noise)
        alike = [
            (1, 0.0, "by one value"),
            (3, 0.0, "by three values"),
            (3, noise, "by three noisy values"),
        ]
        for each, (steps, deviation, name) in zip(axes[1], alike, strict=True):
            _draw_likeness(each, steps, deviation, name)


def _draw_curve(axes: Any) -> None:
    places = torch.linspace(0, 10, 400)
    axes.plot(curve(places), places, color=TRUTH)
    axes.axvline(_LEVEL, color=OURS, linewidth=1)
    axes.set(title="one value, several places", xlabel="f(z)", ylabel="z")


def _draw_example(axes: Any, noise: float) -> None:
    places = torch.linspace(-2, 10, 400)
    axes.plot(places, curve(places), color=FAINT)
    read = _PLACE - torch.arange(3)
    noisy = curve(read) + noise * torch.randn(3, generator=torch.Generator().manual_seed(0))
    axes.plot(read, noisy, "o", color=OURS)
    axes.set(title=f"one row: z = {_PLACE:.2f}", xlabel="z", ylabel="f(z)")


def _draw_examples(axes: Any, noise: float) -> None:
    rows = inverse_fixed(10, noise=noise)
    for row in range(10):
        axes.plot(rows.targets[row] - torch.arange(3), rows.xs[:, row, 0], "o-", linewidth=1)
    axes.set(title="ten rows", xlabel="z", ylabel="values")


def _draw_likeness(axes: Any, steps: int, noise: float, name: str) -> None:
    values = inverse_grid(100, num_steps=steps).xs[..., 0].T  # [100, steps]
    drawn = torch.randn(values.shape, generator=torch.Generator().manual_seed(0))
    axes.imshow(likeness(values + noise * drawn).numpy(), extent=(0, 10, 0, 10), origin="lower")
    axes.grid(visible=False)
    axes.set(title=f"alike {name}", xlabel="z", ylabel="z")


def likeness(values: Tensor) -> Tensor:
    """exp(-distance) of any two rows of values [N, n], as [N, N]."""
    return torch.exp(-torch.cdist(values, values))
